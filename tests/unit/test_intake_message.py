"""The queue's door: which messages are requests, what they say, and how the app writes its own."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.intake import (
    EVENT_TYPE,
    OPERATOR_SOURCE,
    WEBHOOK_SOURCE,
    InvalidMessage,
    ReceivedMessage,
    check_ordered,
    check_time,
    is_subject,
    message,
    message_event,
    reopening,
    returned,
    webhook_event,
)
from shared.model import Cause, Event, Profile, TicketRef

CASES = Path(__file__).parent / "cases"
NOW = datetime(2026, 11, 24, 2, 35, 16, tzinfo=UTC)
TICKET = TicketRef("servicenow", "sc_req_item", "0123456789abcdef0123456789abcdef", "RITM0010001")
ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "4711-1",
    "source": "urn:contoso:soar",
    "type": "mfa.reregistration.requested",
    "time": "2026-11-24T02:35:16Z",
    "datacontenttype": "application/json",
}
PERSON_DATA = {
    "subject": "Adele.Vance@contoso.com",
    "profile": "full-reset",
    "reason": "SOAR-4711: session token replayed from unfamiliar network",
    "requestedBy": "soar-playbook-17",
}
TICKET_DATA = {"ticket": {"system": "servicenow", "table": TICKET.table, "sysId": TICKET.sys_id, "number": TICKET.number}}
GOOD: dict[str, dict[str, Any]] = {
    "soar": ATTRIBUTES | {"data": PERSON_DATA},
    "ticket": ATTRIBUTES | {"data": TICKET_DATA},
    "webhook": ATTRIBUTES | {"source": WEBHOOK_SOURCE, "reregisterfingerprint": "ab" * 32, "data": TICKET_DATA},
}


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["case"]) for case in yaml.safe_load((CASES / name).read_text("utf-8"))]


def changed(case: dict[str, Any]) -> str:
    if "raw" in case:
        return str(case["raw"])
    root = json.loads(json.dumps(GOOD[case.get("from", "soar")]))
    edits = [(pointer, value) for pointer, value in case.get("set", {}).items()] + (
        [(case["drop"], ...)] if "drop" in case else []
    )
    for pointer, value in edits:
        *path, last = pointer.split("/")[1:]
        place = root
        for step in path:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return json.dumps(root)


def fingerprint(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


# ---- reading


@pytest.mark.parametrize("case", cases("intake_messages.yml"))
def test_a_message_is_accepted_only_as_the_contract_says(case: dict[str, Any]) -> None:
    text = changed(case)
    if "refused" not in case:
        said = json.loads(text)
        assert message_event(text).event.cause == Cause(source=said["source"], id=said["id"])
        return
    with pytest.raises(InvalidMessage) as caught:
        message_event(text)
    assert caught.value.pointer == case["refused"]
    assert caught.value.message
    assert caught.value.message in str(caught.value)
    if case.get("anonymous"):
        assert caught.value.cause is None
    else:
        said = json.loads(text)
        assert caught.value.cause == Cause(source=said["source"], id=said["id"])


def test_a_message_about_a_person_says_who_and_what() -> None:
    assert message_event(json.dumps(GOOD["soar"])) == ReceivedMessage(
        Event(
            cause=Cause(source="urn:contoso:soar", id="4711-1"),
            time=NOW,
            fingerprint=fingerprint(PERSON_DATA),
            subject="Adele.Vance@contoso.com",
            profile=Profile.FULL_RESET,
            requested_by="soar-playbook-17",
        ),
        first_inserted_at=None,
    )


def test_without_a_profile_the_milder_one_is_meant_and_a_blank_requester_is_none() -> None:
    event = message_event(changed({"set": {"/data": {"subject": "a@b.cd", "requestedBy": ""}}})).event
    assert event.profile is Profile.REQUIRE_REREGISTER
    assert event.requested_by is None


def test_a_message_about_a_ticket_says_only_which() -> None:
    event = message_event(changed({"from": "ticket"})).event
    assert event == Event(Cause("urn:contoso:soar", "4711-1"), NOW, fingerprint(TICKET_DATA), ticket=TICKET)


def test_a_message_of_the_webhook_route_carries_the_fingerprint_of_the_webhook() -> None:
    received = message_event(changed({"from": "webhook", "set": {"/reregisteraccepted": "2026-11-24T03:35:17.5+01:00"}}))
    assert received.event == Event(Cause(WEBHOOK_SOURCE, "4711-1"), NOW, "ab" * 32, ticket=TICKET)
    assert received.first_inserted_at == NOW + timedelta(seconds=1.5)


def test_the_fingerprint_hears_what_was_said_not_how_it_was_written() -> None:
    event = message_event(changed({"set": {"/data/reason": "Grüße"}})).event
    turned = {name: GOOD["soar"][name] for name in reversed(GOOD["soar"])}
    turned["data"] = {name: PERSON_DATA[name] for name in reversed(PERSON_DATA)} | {"reason": "Grüße"}
    for text in (json.dumps(turned, indent=2), json.dumps(turned, ensure_ascii=False), json.dumps(turned | {"trace": "1"})):
        assert message_event(text).event == event
    assert message_event(changed({})).event.fingerprint != event.fingerprint


@pytest.mark.parametrize(("member", "longest"), [("reason", 1000), ("requestedBy", 200)])
def test_texts_have_a_longest_length(member: str, longest: int) -> None:
    message_event(changed({"set": {f"/data/{member}": "é" * longest}}))
    with pytest.raises(InvalidMessage) as caught:
        message_event(changed({"set": {f"/data/{member}": "é" * (longest + 1)}}))
    assert caught.value.pointer == f"/data/{member}"


@pytest.mark.parametrize(("attribute", "head"), [("id", ""), ("source", "urn:")])
def test_identities_have_at_most_256_characters(attribute: str, head: str) -> None:
    longest = head.ljust(256, "x")
    message_event(changed({"set": {f"/{attribute}": longest}}))
    with pytest.raises(InvalidMessage) as caught:
        message_event(changed({"set": {f"/{attribute}": longest + "x"}}))
    assert caught.value.cause is None


@pytest.mark.parametrize("text", yaml.safe_load((CASES / "intake_subjects.yml").read_text("utf-8"))["accepted"])
def test_object_ids_and_user_principal_names_are_subjects_as_they_are_written(text: str) -> None:
    assert is_subject(text)
    assert message_event(changed({"set": {"/data/subject": text}})).event.subject == text


@pytest.mark.parametrize("text", yaml.safe_load((CASES / "intake_subjects.yml").read_text("utf-8"))["refused"])
def test_nothing_else_is_a_subject(text: str) -> None:
    assert not is_subject(text)
    with pytest.raises(InvalidMessage) as caught:
        message_event(changed({"set": {"/data/subject": text}}))
    assert caught.value.pointer == "/data/subject"


@pytest.mark.parametrize("text", ["[" * 49152, '{"a":' * 9000, "9" * 49152, "\ud800", "\ufeff{}", ""])
def test_what_only_means_to_break_the_reader_is_invalid(text: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        message_event(text)
    assert caught.value.cause is None


def test_a_refusal_repeats_nothing_that_was_sent() -> None:
    secret = "adele vance"
    for case in (
        {"set": {"/data/subject": secret}},
        {"set": {"/time": secret}},
        {"set": {f"/data/{secret}": 1}},
        {"raw": secret},
    ):
        with pytest.raises(InvalidMessage) as caught:
            message_event(changed(case))
        assert secret not in str(caught.value)
        assert caught.value.__cause__ is None


def test_an_event_may_be_300_seconds_ahead_of_its_arrival_and_no_more() -> None:
    event = message_event(changed({})).event
    check_time(event, NOW - timedelta(seconds=300))
    check_time(event, NOW + timedelta(days=30))
    with pytest.raises(InvalidMessage) as caught:
        check_time(event, NOW - timedelta(seconds=300, microseconds=1))
    assert (caught.value.cause, caught.value.pointer) == (event.cause, "/time")


# ---- writing

times = st.datetimes(timezones=st.just(UTC))
tickets = st.builds(
    TicketRef,
    st.just("servicenow"),
    st.from_regex(r"[a-z][a-z0-9_]{0,79}", fullmatch=True),
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
)
webhook_events = st.builds(
    Event,
    cause=st.builds(Cause, st.just(WEBHOOK_SOURCE), st.from_regex(r"[A-Za-z0-9_-]{1,256}", fullmatch=True)),
    time=times,
    fingerprint=st.text("0123456789abcdef", min_size=64, max_size=64),
    ticket=tickets,
    subject=st.none(),
    profile=st.none(),
    requested_by=st.none(),
)


@given(webhook_events, st.none() | times)
def test_what_the_app_writes_it_reads_as_the_same_event(event: Event, first: datetime | None) -> None:
    assert message_event(message(event, first_inserted_at=first)) == ReceivedMessage(event, first)


def test_a_verified_webhook_travels_over_the_queue_unchanged() -> None:
    body = json.dumps({"type": EVENT_TYPE, "timestamp": "2026-11-24T03:35:16+01:00", "data": {
        "table": TICKET.table, "sys_id": TICKET.sys_id, "number": TICKET.number,
    }}).encode()  # fmt: skip
    event = webhook_event("sn_1", body, tables={TICKET.table}, max_age=timedelta(hours=1), now=NOW)
    assert message_event(message(event)).event == event


@pytest.mark.parametrize("kind", ["soar", "ticket"])
def test_an_event_of_other_automation_is_written_from_what_was_said(kind: str) -> None:
    event = message_event(json.dumps(GOOD[kind])).event
    text = message(event, data=GOOD[kind]["data"])
    assert message_event(text).event == event
    assert json.loads(text) == GOOD[kind]


def test_an_event_about_a_ticket_needs_no_data_whoever_sent_it() -> None:
    event = message_event(json.dumps(GOOD["ticket"])).event
    assert json.loads(message(event)) == GOOD["ticket"]


def test_an_event_about_a_person_is_not_written_without_data() -> None:
    with pytest.raises(ValueError, match="from its data"):
        message(message_event(json.dumps(GOOD["soar"])).event)


def test_a_message_that_would_say_something_else_is_not_written() -> None:
    event = message_event(json.dumps(GOOD["soar"])).event
    with pytest.raises(ValueError, match="something else"):
        message(event, data=PERSON_DATA | {"subject": "someone.else@contoso.com"})


def test_an_event_that_nobody_could_read_is_not_written() -> None:
    event = Event(Cause("not a reference", "1"), NOW, "ab" * 32, ticket=TICKET)
    with pytest.raises(ValueError, match="cannot be written"):
        message(event)


# ---- returning


def test_a_returned_message_remembers_when_it_first_came() -> None:
    for good in GOOD.values():
        text = json.dumps(good)
        assert message_event(returned(text, NOW)) == ReceivedMessage(message_event(text).event, NOW)


def test_a_returned_message_keeps_the_earlier_memory() -> None:
    once = returned(json.dumps(GOOD["soar"]), NOW)
    assert returned(once, NOW + timedelta(hours=1)) == once
    assert message_event(returned(once, NOW - timedelta(hours=1))).first_inserted_at == NOW - timedelta(hours=1)
    forgetful = changed({"set": {"/reregisteraccepted": None}})
    assert message_event(returned(forgetful, NOW)).first_inserted_at == NOW


@pytest.mark.parametrize("text", ["", "reset adele", "[]", '"text"', '{"a": 1, "a": 2}', '{"reregisteraccepted": "yesterday"}'])
def test_what_cannot_remember_is_returned_as_it_is(text: str) -> None:
    assert returned(text, NOW) == text


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.lists(st.text())), times)
def test_returning_changes_nothing_but_the_memory(attributes: dict[str, Any], first: datetime) -> None:
    attributes.pop("reregisteraccepted", None)
    back = json.loads(returned(json.dumps(attributes), first))
    assert back.pop("reregisteraccepted").endswith("Z")
    assert back == attributes


# ---- anything else

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["ticket", "subject"]), inner, max_size=4)
    ),
    max_leaves=12,
)
members = st.sampled_from(
    [*ATTRIBUTES, "data", "reregisteraccepted", "reregisterfingerprint", "subject", "dataschema", "data_base64"]
)


@given(st.text() | json_values.map(json.dumps) | st.dictionaries(members, json_values).map(json.dumps))
def test_any_other_text_is_invalid_and_nothing_worse(text: str) -> None:
    with pytest.raises(InvalidMessage):
        message_event(text)


@given(st.sampled_from(sorted(GOOD)), members | st.text(), json_values)
def test_any_value_in_any_attribute_is_accepted_or_refused(kind: str, name: str, value: object) -> None:
    try:
        event = message_event(json.dumps(GOOD[kind] | {name: value})).event
    except InvalidMessage:
        return
    assert event.cause.source == (value if name == "source" else GOOD[kind]["source"])
    assert (event.ticket is None) != (event.subject is None)


@settings(max_examples=300)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 600), st.text(max_size=2))
def test_a_message_with_other_characters_in_it_is_read_whole_or_refused(kind: str, place: int, other: str) -> None:
    text = json.dumps(GOOD[kind], ensure_ascii=False)
    place %= len(text)
    try:
        event = message_event(text[:place] + other + text[place + 1 :]).event
    except InvalidMessage:
        return
    assert (event.ticket is None) != (event.subject is None)
    assert (event.subject is None) == (event.profile is None)


# ---- an operator's events

REQUEST, OPERATORS = "0123456789abcdef" * 2, Cause(OPERATOR_SOURCE, "ab" * 16)
DEMANDS = {
    "a ticket": Event(OPERATORS, NOW, "", ticket=TICKET),
    "a person": Event(OPERATORS, NOW, "", subject="adele@contoso.com", profile=Profile.FULL_RESET, requested_by="playbook"),
    "a person, by nobody named": Event(OPERATORS, NOW, "", subject="adele@contoso.com", profile=Profile.REQUIRE_REREGISTER),
}


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS.keys())
def test_a_reopening_is_read_as_what_was_demanded_of_which_request(demand: Event) -> None:
    received = message_event(reopening(demand, REQUEST))
    assert received.reopens == REQUEST
    assert received.first_inserted_at is None
    data = json.loads(reopening(demand, REQUEST))["data"]
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    assert received.event == replace(demand, fingerprint=hashlib.sha256(canonical).hexdigest())


def test_a_reopening_remembers_when_it_was_put_on_the_queue_as_other_messages_do() -> None:
    text = reopening(DEMANDS["a ticket"], REQUEST)
    put_back = message_event(returned(text, NOW))
    assert put_back == replace(message_event(text), first_inserted_at=NOW)


@pytest.mark.parametrize(
    "attributes",
    [
        {"source": OPERATOR_SOURCE},
        {"reregisterreopens": REQUEST},
        {"source": WEBHOOK_SOURCE, "reregisterreopens": REQUEST},
        {"source": OPERATOR_SOURCE, "reregisterreopens": "everything"},
        {"source": OPERATOR_SOURCE, "reregisterreopens": REQUEST.upper()},
        {"source": OPERATOR_SOURCE, "reregisterreopens": True},
        {"source": OPERATOR_SOURCE.upper(), "reregisterreopens": REQUEST},
    ],
)
@pytest.mark.parametrize("data", [PERSON_DATA, TICKET_DATA])
def test_only_an_operators_event_reopens_and_it_names_a_request(attributes: dict[str, Any], data: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage) as refused:
        message_event(json.dumps(ATTRIBUTES | attributes | {"data": data}))
    assert refused.value.pointer == "/reregisterreopens"
    assert refused.value.cause is not None


def test_an_operators_event_that_nobody_ordered_is_no_request() -> None:
    received = message_event(reopening(DEMANDS["a ticket"], REQUEST))
    for known in (None, "f" * 32):
        with pytest.raises(InvalidMessage) as refused:
            check_ordered(received, known)
        assert (refused.value.cause, refused.value.pointer) == (OPERATORS, "/reregisterreopens")
        assert str(refused.value) == "/reregisterreopens: No operator has ordered this"
    check_ordered(received, REQUEST)
    for known in (None, REQUEST):
        check_ordered(message_event(json.dumps(GOOD["ticket"])), known)
