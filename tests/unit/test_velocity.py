"""How many resets are let through. The cases are in cases/velocity.yml; what must hold in any order is said as a property."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared import velocity
from shared.guardrails import Limits
from shared.journal import CLOCK_SKEW
from shared.model import Cause, Mode, Outcome, Reason, Reset, Switch, Switches, WaitingFor
from shared.record import Record
from shared.velocity import HOUR, Hold, actors, came_to_something, held, since_closed, with_this, within_hour
from tests.unit import build
from tests.unit.build import NOW, TICK

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "velocity.yml").read_text("utf-8"))
UNTOUCHED = Switches()
NO_BREAKER = 10_000


def limits(actor: int, breaker: int = NO_BREAKER) -> Limits:
    return build.limits(actor_hourly_limit=actor, breaker_limit=breaker)


def switch(at: datetime, *, on: bool) -> Switches:
    return Switches(breaker=Switch(on, "chris", "looked at", at))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["case"]) for cases in CASES.values() for case in cases])
def test_one_more_reset(case: dict[str, Any]) -> None:
    counted = [
        Reset(request, f"person of {request}", NOW - timedelta(minutes=ago), tuple(who.split()))
        for ago, request, who in case.get("resets", ())
    ]
    reset = Reset("me", "person", NOW, tuple(case.get("actors", "a").split()))
    on, ago = case.get("breaker", (False, None))
    switches = switch(NOW - timedelta(minutes=ago), on=on) if ago is not None else UNTOUCHED
    hold = held(counted, reset, switches, limits(*case.get("limits", (2, 9))))
    if "waits" not in case:
        assert hold is None
        return
    assert hold is not None
    assert hold.waiting_for == case["waits"]
    assert hold.until == (NOW + timedelta(minutes=case["until"]) if "until" in case else None)


# ---- what must hold in any order

ACTORS = st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple)
# Seconds between one try and the next: clocks of workers differ, and one may be set back; exact hours are the edges.
STEPS = st.integers(-5000, 5000) | st.sampled_from([0, 1, 3599, 3600, 3601, -3600])
TRIES = st.lists(st.tuples(STEPS, ACTORS), max_size=60)


def let_through(tries: list[tuple[int, tuple[str, ...]]], limit: Limits) -> list[Reset]:
    """What goes through of these tries, each of its own request."""
    now, through = NOW, list[Reset]()
    for number, (seconds, who) in enumerate(tries):
        now += timedelta(seconds=seconds)
        reset = Reset(f"r{number}", f"p{number}", now, who)
        if held(through, reset, UNTOUCHED, limit) is None:
            through.append(reset)
    return through


def most_in_an_hour(resets: list[Reset]) -> int:
    """By the times on record; an hour that begins with a reset holds as many as any."""
    return max((sum(timedelta() <= other.at - one.at < HOUR for other in resets) for one in resets), default=0)


@given(TRIES, st.integers(0, 4))
def test_never_more_than_the_limit_of_one_actor_within_any_hour(tries: list[tuple[int, tuple[str, ...]]], limit: int) -> None:
    through = let_through(tries, limits(limit))
    assert all(most_in_an_hour([reset for reset in through if actor in reset.actors]) <= limit for actor in "abc")


@given(TRIES, st.integers(0, 4))
def test_never_more_than_the_limit_of_the_tenant_within_any_hour(tries: list[tuple[int, tuple[str, ...]]], limit: int) -> None:
    assert most_in_an_hour(let_through(tries, limits(99, limit))) <= limit


# Seconds between one worker's try and the next one's, and by which the clock of each is ahead.
TURNS = st.lists(st.tuples(st.sampled_from([0, 1, 3596, 3600]), st.sampled_from([0, 4])), max_size=20)


@given(TURNS, st.integers(0, 4))
def test_what_is_kept_is_enough_for_workers_whose_clocks_differ(turns: list[tuple[int, int]], limit: int) -> None:
    now, ledger, through = NOW, tuple[Reset, ...](), list[Reset]()
    for number, (seconds, ahead) in enumerate(turns):
        now += timedelta(seconds=seconds)
        reset = Reset(f"r{number}", f"p{number}", now + timedelta(seconds=ahead), ())
        if held(ledger, reset, UNTOUCHED, limits(99, limit)) is None:
            through.append(reset)
            ledger = with_this(ledger, reset)
    assert most_in_an_hour(through) <= limit


@given(st.lists(st.tuples(st.integers(-100, 4000), ACTORS), max_size=40), ACTORS, st.integers(1, 4))
def test_until_is_exactly_when_one_more_may_go(
    counted: list[tuple[int, tuple[str, ...]]], who: tuple[str, ...], limit: int
) -> None:
    resets = [Reset(f"r{n}", f"p{n}", NOW - timedelta(seconds=ago), by) for n, (ago, by) in enumerate(counted)]
    reset = Reset("me", "person", NOW, who)
    hold = held(resets, reset, UNTOUCHED, limits(limit))
    if hold is None:
        return
    assert hold.until is not None
    assert hold.until > NOW
    assert held(resets, replace(reset, at=hold.until), UNTOUCHED, limits(limit)) is None
    assert held(resets, replace(reset, at=hold.until - TICK), UNTOUCHED, limits(limit)) == hold


@given(st.lists(st.tuples(st.integers(0, 3000), ACTORS), max_size=30), st.integers(0, 3), st.integers(0, 9))
def test_what_a_request_counted_before_is_never_in_its_own_way(
    others: list[tuple[int, tuple[str, ...]]], actor: int, breaker: int
) -> None:
    resets = [Reset(f"r{n}", f"p{n}", NOW - timedelta(seconds=ago), by) for n, (ago, by) in enumerate(others)]
    reset = Reset("me", "person", NOW, ("a", "b"))
    mine = [replace(reset, at=NOW - timedelta(minutes=minutes)) for minutes in range(9)]
    limit = limits(actor, breaker)
    assert held([*resets, *mine], reset, UNTOUCHED, limit) == held(resets, reset, UNTOUCHED, limit)


@given(TRIES, st.integers(-100, 4000))
def test_once_a_human_closed_the_breaker_only_later_resets_fill_it(tries: list[tuple[int, tuple[str, ...]]], closed: int) -> None:
    resets = let_through(tries, limits(99))
    at = NOW + timedelta(seconds=closed)
    assert since_closed(resets, switch(at, on=False)) == tuple(reset for reset in resets if reset.at > at)
    assert since_closed(resets, switch(at, on=True)) == since_closed(resets, UNTOUCHED) == tuple(resets)


# ---- what is kept, and what is said


def test_the_last_hour_is_kept_in_its_order_and_without_the_requests_own() -> None:
    old, mine, recent, ahead = (
        Reset(request, "p", at, ("a",))
        for request, at in (("r1", NOW - HOUR), ("me", NOW - TICK), ("r2", NOW - HOUR + TICK), ("r3", NOW + HOUR))
    )
    assert within_hour([old, mine, recent, ahead], NOW) == (mine, recent, ahead)
    assert within_hour([old, mine, recent, ahead], NOW, but="me") == (recent, ahead)


def test_the_ledger_keeps_them_longer_by_twice_what_clocks_may_differ_and_each_request_once() -> None:
    reset = Reset("me", "p", NOW, ("a",))
    over, last, recent = (
        Reset(request, "p", NOW - HOUR - 2 * CLOCK_SKEW + later, ("a",))
        for request, later in (("r1", timedelta()), ("r2", TICK), ("r3", HOUR))
    )
    before = replace(reset, at=NOW - TICK)
    assert with_this([over, last, before, recent], reset) == (last, recent, reset)


def test_a_hold_says_which_limit_it_is() -> None:
    reset = Reset("me", "person", NOW, ("a",))
    assert held([], reset, UNTOUCHED, limits(0)) == Hold(WaitingFor.RATE_LIMIT, "0 an hour for one actor", NOW + HOUR)
    assert held([], reset, UNTOUCHED, limits(9, 0)) == Hold(WaitingFor.BREAKER, "0 resets in an hour")


# ---- on whose word


def test_for_a_ticket_who_opened_it_and_each_who_approved_it_answer() -> None:
    answerable = ("requester:o", "approver:a", "approver:b")
    assert actors(build.record(), "o", frozenset({"b", "a"})) == answerable
    assert actors(build.record(requested_by="clerk"), "o", ["b", "a"]) == answerable  # what a sender says of it counts not


def test_a_sender_who_is_not_our_webhook_answers_for_a_ticket_too() -> None:
    sent = build.record(cause=Cause("urn:contoso:soar", "4711-1"))
    assert actors(sent, "o", ["a"]) == ("source:urn:contoso:soar", "requester:o", "approver:a")


def test_one_person_is_another_actor_as_requester_than_as_approver() -> None:
    assert actors(build.record(), "x", ["x"]) == ("requester:x", "approver:x")


def about_a_person(**changes: Any) -> Record:
    cause = Cause("urn:contoso:soar", "4711-1")
    return build.record(ticket=None, subject="adele.vance@contoso.com", cause=cause, **changes)


def test_without_a_ticket_the_source_answers_and_whom_it_names() -> None:
    assert actors(about_a_person(requested_by="playbook-17"), None, ()) == (
        "source:urn:contoso:soar",
        "requester:playbook-17",
    )
    assert actors(about_a_person(requested_by=None), None, ()) == ("source:urn:contoso:soar",)
    assert actors(about_a_person(requested_by=""), "nobody", ["nobody"]) == ("source:urn:contoso:soar",)


# ---- whether a counted reset came to anything


REVOKED = build.ended(Outcome.DONE, Reason.NOTHING_TO_REMOVE, revoked_at=NOW)
REMOVED = build.ended(
    Outcome.FAILED,
    Reason.NOT_REMOVED,
    inventory=(build.method(),),
    removals=(build.entry(build.method()),),
)


@pytest.mark.parametrize(
    ("record", "counts"),
    [
        pytest.param(None, True, id="one that the journal does not hold any more"),
        pytest.param(build.record(), False, id="accepted"),
        pytest.param(build.running(), False, id="running"),
        pytest.param(build.STATES["waiting"], False, id="waiting"),
        pytest.param(build.begun(), True, id="begun"),
        pytest.param(REMOVED, True, id="failed after a removal was meant"),
        pytest.param(REVOKED, True, id="sessions revoked"),
        pytest.param(build.ended(), False, id="refused"),
        pytest.param(build.ended(Outcome.FAILED, Reason.GRAPH_FORBIDDEN), False, id="failed before any change"),
        pytest.param(build.ended(Outcome.DONE, Reason.DRY_RUN, mode=Mode.DRY_RUN), False, id="a dry run"),
    ],
)
def test_what_counts_against_the_person(record: Record | None, counts: bool) -> None:
    assert came_to_something(record) is counts


def test_an_hour_is_an_hour() -> None:
    assert timedelta(hours=1) == velocity.HOUR
