"""Which methods go, in which order, and what a later listing proves. The cases are in cases/plan.yml."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared import plan
from shared.model import Action, LeftAlone, Method, Profile, Removal, Why
from shared.record import RemovalEntry
from tests.unit import build
from tests.unit.build import ALTERNATE_MOBILE, MOBILE, NOW, OFFICE, after, before

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "plan.yml").read_text("utf-8"))
METHODS = {
    "mobile": build.method("phone", MOBILE),
    "alternate": build.method("phone", ALTERNATE_MOBILE),
    "office": build.method("phone", OFFICE),
    "other phone": build.method("phone", "ffffffff-0000-4000-8000-000000000000"),
    "authenticator": build.method("microsoftAuthenticator", "app-1"),
    "authenticator 2": build.method("microsoftAuthenticator", "app-2"),
    "oath": build.method("softwareOath", "oath-1"),
    "token": build.method("hardwareOath", "token-1", active=True),
    "token off": build.method("hardwareOath", "token-1", active=False),
    "token unsaid": build.method("hardwareOath", "token-1"),
    "email": build.method("email", "email-1"),
    "fido2": build.method("fido2", "key-1"),
    "hello": build.method("windowsHelloForBusiness", "hello-1"),
    "platform": build.method("platformCredential", "platform-1"),
    "pass": build.method("temporaryAccessPass", "pass-1"),
    "external": build.method("external", "external-1"),
    "qr": build.method("qrCodePin", "qrCodePin"),
    "password": build.method("password", "28c10230-6103-485e-b985-444c60001490"),
    "unknown": build.method("telepathy", "unknown-1"),
}
DEFAULTS = ["push", "oath", "voiceMobile", "voiceAlternateMobile", "voiceOffice", "sms"]
# Which methods Graph may mean by a default (Microsoft Graph, "signInPreferences resource type")
MEANT = {
    "push": {"microsoftAuthenticator"},
    "oath": {"microsoftAuthenticator", "softwareOath", "hardwareOath"},
    "voiceMobile": {MOBILE},
    "sms": {MOBILE},
    "voiceAlternateMobile": {ALTERNATE_MOBILE},
    "voiceOffice": {OFFICE},
}


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["case"]) for case in CASES[kind]]


def method(item: str | dict[str, int]) -> Method:
    if isinstance(item, str):
        return METHODS[item]
    [(name, seconds)] = item.items()
    return build.method(METHODS[name].type, METHODS[name].id, after(seconds=seconds), METHODS[name].active)


def methods(case: dict[str, Any], name: str, otherwise: str | None = None) -> tuple[Method, ...]:
    return tuple(method(item) for item in case.get(name, case.get(otherwise, ()) if otherwise else ()))


def profile(case: dict[str, Any]) -> Profile:
    return Profile(case.get("profile", "require-reregister"))


def left_alone(case: dict[str, Any]) -> set[LeftAlone]:
    return {LeftAlone(METHODS[name].type, METHODS[name].id, Why(why)) for name, why in case.get("leaves", {}).items()}


def removal(text: str) -> Removal:
    verb, _, name = text.partition(" ")
    if name == "token":
        return Removal(METHODS["token"], Action(verb))
    return Removal(METHODS[text])


def identities(removals: tuple[Removal, ...]) -> list[tuple[str, str, Action]]:
    return [(one.method.type, one.method.id, one.action) for one in removals]


# ---- what is still to be removed


@pytest.mark.parametrize("case", cases("plans"))
def test_a_plan(case: dict[str, Any]) -> None:
    entries = [build.entry(one, gone_at=after(seconds=20)) for one in methods(case, "gone")]
    entries += [build.entry(one) for one in methods(case, "meant")]
    current = build.inventory(*methods(case, "now", "first"), default=case.get("default"))
    made = plan.make_plan(methods(case, "first"), current, entries, profile(case), NOW)
    assert identities(made.removals) == identities(tuple(removal(text) for text in case["removes"]))
    assert set(made.left_alone) == left_alone(case)
    assert len(made.left_alone) == len(left_alone(case))
    assert made.deadlocked is case.get("deadlocked", False)
    assert made.default == case.get("default")


@pytest.mark.parametrize(
    ("created", "goes"),
    [(before(seconds=1), True), (NOW, False), (after(milliseconds=900), False), (after(seconds=1), False)],
)
def test_a_method_of_the_second_of_acceptance_is_a_tie_for_graphs_times_are_whole_seconds(created: Any, goes: bool) -> None:
    phone = build.method(created_at=created)
    made = plan.make_plan((phone,), build.inventory(phone), (), Profile.REQUIRE_REREGISTER, after(milliseconds=700))
    assert bool(made.removals) is goes
    assert [left.why for left in made.left_alone] == ([] if goes else [Why.REGISTERED_SINCE])


INVENTORIES = st.lists(
    st.builds(
        lambda name, seconds: method(name if seconds is None else {name: seconds}),
        st.sampled_from([name for name in METHODS if name not in ("token off", "token unsaid")]),
        st.sampled_from([None, -3600, -1, 0, 1, 3600]),
    ),
    unique_by=lambda one: (one.type, one.id),
).map(tuple)
PROFILES = st.sampled_from(Profile)


@given(INVENTORIES, INVENTORIES, st.sampled_from([*DEFAULTS, None]), PROFILES, st.data())
def test_nothing_is_removed_that_may_not_be_and_nothing_is_forgotten(
    first: tuple[Method, ...], now: tuple[Method, ...], default: str | None, asked: Profile, data: st.DataObject
) -> None:
    gone = data.draw(st.lists(st.sampled_from(first), unique=True)) if first else []
    entries = [build.entry(one, gone_at=after(seconds=20)) for one in gone]
    made = plan.make_plan(first, build.inventory(*now, default=default), entries, asked, NOW)
    removed = [one.method for one in made.removals]
    left = {(one.type, one.id) for one in made.left_alone}
    assert set(removed) <= set(first) - set(gone)
    assert all(one.created_at is None or one.created_at < NOW for one in removed)
    assert not any(one.type in ("password", "telepathy") for one in removed)
    assert {(one.type, one.id) for one in (*first, *now)} == {(one.type, one.id) for one in (*removed, *gone)} | left
    assert not {(one.type, one.id) for one in removed} & left


@given(INVENTORIES, st.sampled_from(DEFAULTS), PROFILES, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_that_of_the_listing(
    first: tuple[Method, ...], default: str, asked: Profile, chance: Any
) -> None:
    shuffled = list(first)
    chance.shuffle(shuffled)
    made = plan.make_plan(first, build.inventory(*first, default=default), (), asked, NOW)
    again = plan.make_plan(shuffled, build.inventory(*shuffled, default=default), (), asked, NOW)
    assert made.removals == again.removals


@given(st.sets(st.sampled_from(["mobile", "alternate", "office", "authenticator", "oath", "token"])), st.sampled_from(DEFAULTS))
def test_graph_refuses_nothing_in_the_order_of_a_plan_unless_it_says_that_it_is_deadlocked(names: set[str], default: str) -> None:
    first = tuple(METHODS[name] for name in sorted(names))
    made = plan.make_plan(first, build.inventory(*first, default=default), (), Profile.FULL_RESET, NOW)
    left, refused = [one.method for one in made.removals], False
    for one in [one.method for one in made.removals]:
        is_default = not MEANT[default].isdisjoint({one.type, one.id})
        others = [other for other in left if MEANT[default].isdisjoint({other.type, other.id})]
        refused |= (is_default and bool(others)) or (one.id == MOBILE and any(other.id == ALTERNATE_MOBILE for other in left))
        left.remove(one)
    assert refused is made.deadlocked


# ---- another default


@pytest.mark.parametrize(
    ("names", "default", "target"),
    [
        pytest.param(["mobile", "alternate"], "voiceAlternateMobile", "voiceMobile", id="the mobile number ends a deadlock"),
        pytest.param(
            ["mobile", "alternate", "authenticator"], "voiceAlternateMobile", "voiceMobile", id="what goes last is chosen"
        ),
        pytest.param(["authenticator", "mobile"], "voiceMobile", "push", id="the Authenticator"),
        pytest.param(["oath", "mobile"], "sms", "oath", id="a software token"),
        pytest.param(["office", "mobile"], "sms", "voiceOffice", id="the office number"),
        pytest.param(["authenticator", "oath"], "oath", None, id="nothing, where everything may be the default"),
        pytest.param(["alternate", "mobile"], "voiceMobile", None, id="never the alternate number, which must go first"),
        pytest.param(["token", "mobile"], "voiceMobile", None, id="never a hardware token, of which a code may not be"),
        pytest.param(["mobile"], "voiceMobile", None, id="nothing, where there is no other"),
        pytest.param(["mobile"], None, "voiceMobile", id="what goes last, where no default is known"),
    ],
)
def test_another_default_is_what_will_be_deleted_last(names: list[str], default: str | None, target: str | None) -> None:
    assert plan.preferable([Removal(METHODS[name]) for name in names], default) == target


@pytest.mark.parametrize(
    ("first", "since", "default", "target", "order"),
    [
        pytest.param(
            ["mobile", "alternate", "authenticator"],
            [],
            "voiceAlternateMobile",
            "voiceMobile",
            ["alternate", "authenticator", "mobile"],
            id="what goes last",
        ),
        pytest.param(["mobile", "oath"], ["authenticator"], "voiceMobile", "push", ["oath", "mobile"], id="what stays"),
        pytest.param(
            ["mobile", "oath"], ["alternate"], "voiceMobile", "oath", ["mobile", "oath"], id="not the alternate number that stays"
        ),
        pytest.param(["mobile"], ["alternate"], "voiceMobile", None, ["mobile"], id="nothing"),
    ],
)
def test_a_deadlock_ends_with_another_default(
    first: list[str], since: list[str], default: str, target: str | None, order: list[str]
) -> None:
    old, new = [METHODS[name] for name in first], [METHODS[name] for name in since]
    made = plan.make_plan(old, build.inventory(*old, *new, default=default), (), Profile.REQUIRE_REREGISTER, NOW)
    assert made.deadlocked
    assert made.other_default == target
    if target:
        changed = made.with_default(target)
        assert [one.method for one in changed.removals] == [METHODS[name] for name in order]
        assert changed.default == target
        assert changed.left_alone == made.left_alone


def test_what_is_gone_and_listed_again_may_become_the_default_when_nothing_else_can() -> None:
    push, phone, token = METHODS["authenticator"], METHODS["mobile"], METHODS["token off"]
    entries = [build.entry(one, gone_at=after(seconds=20)) for one in (phone, token)]

    def made(*now: Method) -> plan.Plan:
        current = build.inventory(*now, default="push")
        return plan.make_plan((push, *now[1:]), current, entries, Profile.REQUIRE_REREGISTER, NOW)

    assert made(push, phone).other_default == "voiceMobile"
    assert not made(push, phone).deadlocked
    assert made(push, METHODS["oath"], phone).other_default == "oath"
    assert made(push, token).other_default is None


# ---- what reading back shows


@pytest.mark.parametrize("case", cases("readings"))
def test_a_reading(case: dict[str, Any]) -> None:
    def gone(one: Method) -> RemovalEntry:
        deactivated = one.type == "hardwareOath" and profile(case) is Profile.REQUIRE_REREGISTER
        return build.entry(one, action=Action.DEACTIVATE if deactivated else Action.DELETE, gone_at=after(seconds=20))

    entries = [gone(one) for one in methods(case, "gone", "first")]
    seen = plan.read_back(methods(case, "first"), build.inventory(*methods(case, "now")), entries, profile(case), NOW)
    assert [one.id for one in seen.still_there] == [one.id for one in methods(case, "still there")]
    assert set(seen.left_alone) == left_alone(case)
    assert len(seen.left_alone) == len(left_alone(case))


def test_a_removal_that_was_only_meant_proves_nothing_and_is_no_lag() -> None:
    phone = METHODS["mobile"]
    seen = plan.read_back((phone,), build.inventory(phone), [build.entry(phone)], Profile.REQUIRE_REREGISTER, NOW)
    assert seen == plan.ReadBack((), ())


def test_a_full_reset_is_not_proven_by_a_token_that_an_earlier_attempt_only_deactivated() -> None:
    token = METHODS["token"]
    entry = build.entry(token, action=Action.DEACTIVATE, gone_at=after(seconds=20))
    current = build.inventory(METHODS["token off"])
    made = plan.make_plan((token,), current, [entry], Profile.FULL_RESET, NOW)
    seen = plan.read_back((token,), current, [entry], Profile.FULL_RESET, NOW)
    assert made.removals or seen.still_there


@pytest.mark.parametrize(
    ("listed", "action", "gone", "took_effect"),
    [
        pytest.param("token off", Action.DEACTIVATE, False, True, id="deactivated, and the answer was lost"),
        pytest.param("token", Action.DEACTIVATE, False, False, id="still active"),
        pytest.param("token unsaid", Action.DEACTIVATE, False, False, id="Graph does not say"),
        pytest.param("token off", Action.DEACTIVATE, True, False, id="known to be gone"),
        pytest.param("token off", Action.DELETE, False, False, id="deactivated is not deleted"),
    ],
)
def test_a_deactivation_whose_answer_was_lost_shows_in_the_listing(
    listed: str, action: Action, gone: bool, took_effect: bool
) -> None:
    entry = build.entry(METHODS["token"], action=action, gone_at=NOW + timedelta(seconds=20) if gone else None)
    assert plan.effected(build.inventory(METHODS[listed]), [entry]) == ((entry,) if took_effect else ())


def test_a_deactivation_of_a_token_that_is_not_listed_is_not_known_to_have_happened() -> None:
    entry = build.entry(METHODS["token"], action=Action.DEACTIVATE)
    assert plan.effected(build.inventory(), [entry]) == ()
