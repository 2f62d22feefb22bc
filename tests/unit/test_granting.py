"""What the identity shall hold on Graph, and what follows from what it holds: pure."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared import settings
from shared.cli import granting
from shared.cli.granting import AppRole, Assignment, NotGranted, Resource
from shared.settings import SettingsInvalid

PAGE = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text("utf-8")
GRAPH = "0c0c0c0c-1111-4222-8333-444444444444"
EVERYTHING = granting.wanted(full_reset=True, deadlock=True)
OFFERED = tuple(AppRole(role_id, value, usable=True) for value, role_id in EVERYTHING.items())


def rows(heading: str) -> dict[str, str]:
    """The permissions of the table below a heading of the page, with their ids."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.-]+)` \| ([0-9a-f-]{36}) \|", section, re.MULTILINE))


def token(**claims: Any) -> str:
    parts = [{"alg": "none"}, {"scp": "Directory.AccessAsUser.All", "tid": "t", "upn": "joni.sherman@contoso.com"} | claims]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "signature"])


def held(*permissions: str, resource: str = GRAPH) -> list[Assignment]:
    return [Assignment(f"of {value}", EVERYTHING[value], resource, "Microsoft Graph") for value in permissions]


def planned(*permissions: str, more: tuple[Assignment, ...] = ()) -> granting.Plan:
    return granting.plan(granting.DEFAULT_SET, Resource(GRAPH, OFFERED), [*held(*permissions), *more])


# ---- the sets


def test_the_default_set_is_the_pages_with_its_ids() -> None:
    assert rows("The default set") == granting.DEFAULT_SET


def test_the_wider_set_is_the_pages_in_its_two_parts() -> None:
    assert rows("The wider set") == granting.FULL_RESET | granting.DEADLOCK
    assert not granting.FULL_RESET.keys() & granting.DEADLOCK.keys()


def test_nothing_that_issues_a_temporary_access_pass_is_in_the_default_set() -> None:
    issues = rows("What issues a Temporary Access Pass")
    assert issues
    assert not issues.keys() & granting.wanted(full_reset=False, deadlock=False).keys()


@pytest.mark.parametrize(
    ("full_reset", "deadlock", "more"),
    [(False, False, {}), (True, False, granting.FULL_RESET), (False, True, granting.DEADLOCK)],
)
def test_each_set_is_added_to_the_default_one(full_reset: bool, deadlock: bool, more: dict[str, str]) -> None:
    assert granting.wanted(full_reset=full_reset, deadlock=deadlock) == granting.DEFAULT_SET | more


# ---- who is signed in


@pytest.mark.parametrize("claims", [{}, {"idtyp": "user"}])
def test_a_person_is_known_by_their_token(claims: dict[str, str]) -> None:
    assert granting.signed_in(token(**claims)) == granting.Person("joni.sherman@contoso.com", "t")


@pytest.mark.parametrize(
    "claims", [{"idtyp": "app"}, {"idtyp": "app", "scp": None}, {"scp": None}, {"scp": ""}, {"scp": ["a"]}, {"idtyp": "device"}]
)
def test_whatever_is_not_seen_to_be_a_person_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(NotGranted, match="An application is signed in"):
        granting.signed_in(token(**claims))


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", "a.W10.c", "a.bnVsbA.c"])
def test_a_token_that_shows_nothing_is_refused(text: str) -> None:
    with pytest.raises(NotGranted, match="does not show"):
        granting.signed_in(text)


# ---- what Graph offers


def test_what_graph_offers_is_held_against_the_known_ids() -> None:
    granting.check_ids(EVERYTHING, OFFERED)


@pytest.mark.parametrize(
    ("role", "why"),
    [
        (AppRole("0" * 36, "User.Read.All", usable=True), "instead of"),
        (AppRole(EVERYTHING["User.Read.All"], "User.Read.All", usable=False), "not offered"),
        (AppRole(EVERYTHING["User.Read.All"], "User.ReadWrite.All", usable=True), "not offered"),
    ],
)
def test_a_role_that_is_not_the_one_we_know_is_refused_by_its_name(role: AppRole, why: str) -> None:
    offered = [*(one for one in OFFERED if one.value != "User.Read.All"), role]
    with pytest.raises(NotGranted, match=rf"User\.Read\.All .*{why}"):
        granting.check_ids(granting.DEFAULT_SET, offered)


# ---- the plan


def test_of_an_identity_that_holds_nothing_all_is_missing() -> None:
    made = planned()
    assert (made.there, made.missing, made.extra) == ((), tuple(granting.DEFAULT_SET), ())
    assert granting.has_something_to_do(made, revoke_extra=False)


def test_of_an_identity_that_holds_just_that_nothing_is_to_be_done() -> None:
    made = planned(*granting.DEFAULT_SET)
    assert (made.there, made.missing, made.extra) == (tuple(granting.DEFAULT_SET), (), ())
    assert not granting.has_something_to_do(made, revoke_extra=True)


def test_what_is_too_much_is_something_to_do_only_when_it_is_to_go() -> None:
    made = planned(*granting.DEFAULT_SET, *granting.DEADLOCK)
    assert [made.names[one.role_id] for one in made.extra] == list(granting.DEADLOCK)
    assert not granting.has_something_to_do(made, revoke_extra=False)
    assert granting.has_something_to_do(made, revoke_extra=True)


def test_what_is_held_elsewhere_is_neither_there_nor_too_much() -> None:
    """A role of another resource may have the id of one of ours."""
    made = planned(more=tuple(held("User.Read.All", *granting.DEADLOCK, resource="another")))
    assert (made.there, made.extra, len(made.elsewhere)) == ((), (), 2)


# ---- what was read back


def concluded(made: granting.Plan, now: list[Assignment], *, revoke_extra: bool = False, **causes: str) -> dict[str, Any]:
    identity = granting.Identity("i", "a", "reregister", None)
    document = granting.planned(granting.Person("p", "t"), identity, made, revoke_extra=revoke_extra)
    return granting.concluded(document, made, now, causes, revoke_extra=revoke_extra)


def states(document: dict[str, Any], part: str = "permissions") -> set[str]:
    return {row["state"] for row in document[part]}


def test_only_what_is_read_back_counts_as_granted() -> None:
    said = concluded(planned("User.Read.All"), held(*granting.DEFAULT_SET))
    assert (said["complete"], said["changed"], states(said)) == (True, True, {"there", "granted"})


def test_what_was_accepted_and_is_not_seen_is_not_granted() -> None:
    said = concluded(planned(), held("User.Read.All"))
    assert (said["complete"], states(said)) == (False, {"granted", "not granted"})
    assert {row["cause"] for row in said["permissions"]} == {None, "what was asked for is not to be seen yet"}


def test_what_is_gone_though_it_was_there_is_not_granted() -> None:
    said = concluded(planned(*granting.DEFAULT_SET), held())
    assert (said["complete"], states(said)) == (False, {"not granted"})


def test_what_is_still_held_is_not_revoked() -> None:
    extra = held(*granting.DEADLOCK)
    made = planned(*granting.DEFAULT_SET, *granting.DEADLOCK)
    said = concluded(made, [*held(*granting.DEFAULT_SET), *extra], revoke_extra=True, **{extra[0].id: "why"})
    assert (said["complete"], states(said, "tooMany"), said["tooMany"][0]["cause"]) == (False, {"not revoked"}, "why")
    gone = concluded(made, held(*granting.DEFAULT_SET), revoke_extra=True)
    assert (gone["complete"], states(gone, "tooMany")) == (True, {"revoked"})


# ---- where Graph is


def test_the_root_of_graph_can_be_had_without_any_other_setting() -> None:
    assert settings.graph_endpoint({}) == "https://graph.microsoft.com"
    assert settings.graph_endpoint({"GRAPH_ENDPOINT": "https://graph.microsoft.us/"}) == "https://graph.microsoft.us"


def test_a_root_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        settings.graph_endpoint({"GRAPH_ENDPOINT": "http://graph.microsoft.com"})
    assert caught.value.problems == {"GRAPH_ENDPOINT": "must be https"}
