"""Intake against the reference libraries of its two standards: `standardwebhooks` and `cloudevents`.

What they write we read, what we accept they accept, and where we are stricter it is written down here with its reason.
"""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from shared.intake import (
    EVENT_TYPE,
    WEBHOOK_SOURCE,
    InvalidMessage,
    NotAuthentic,
    message,
    message_event,
    parse_key,
    returned,
    verify,
)
from shared.model import Cause, Event, Profile, TicketRef

KEY = b"k" * 32
STRANGER = b"s" * 32
BODY = '{"reason": "Grüße"}'
TICKET = TicketRef("servicenow", "sc_req_item", "0123456789abcdef0123456789abcdef", "RITM0010001")

ids = st.from_regex(r"[A-Za-z0-9_-]{1,256}", fullmatch=True)
keys = st.binary(min_size=24, max_size=64)


def now() -> datetime:
    """The library reads the clock itself, so its judge must be the present."""
    return datetime.now(UTC)


def signed(key: bytes = KEY, webhook_id: str = "sn_1", body: str = BODY, seconds: int = 0) -> dict[str, str]:
    """The headers of a delivery that the library signed, `seconds` from now."""
    moment = now() + timedelta(seconds=seconds)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(key).sign(webhook_id, moment, body),
    }


def they_accept(key: bytes, headers: dict[str, str], body: str | bytes) -> bool:
    """Whether the library lets the delivery through; whatever it raises, it does not."""
    try:
        Webhook(key).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def we_accept(accepted: list[bytes], headers: dict[str, str], body: str | bytes) -> bool:
    try:
        verify(headers, body if isinstance(body, bytes) else body.encode(), accepted, now())
    except NotAuthentic:
        return False
    return True


# ---- Standard Webhooks


@given(keys, ids, st.text())
def test_what_they_sign_we_accept(key: bytes, webhook_id: str, body: str) -> None:
    headers = signed(key, webhook_id, body)
    assert verify(headers, body.encode(), [STRANGER, key], now()) == webhook_id


@pytest.mark.parametrize("seconds", [-400, -310, -290, 0, 290, 310, 400])
def test_we_agree_on_how_old_or_early_a_delivery_may_be(seconds: int) -> None:
    headers = signed(seconds=seconds)
    assert we_accept([KEY], headers, BODY) == they_accept(KEY, headers, BODY) == (abs(seconds) <= 300)


@settings(max_examples=300)
@given(st.data())
def test_what_we_accept_they_accept(data: st.DataObject) -> None:
    webhook_id = data.draw(ids | st.text(max_size=5))
    body = data.draw(st.text(max_size=20))
    headers = signed(KEY, webhook_id, body, data.draw(st.sampled_from([-310, -290, 0, 290, 310])))
    spelling = data.draw(st.sampled_from(["{}", "{}", "{}", " {}", "{}\n", "0{}", "{}.5", "{}e0", "+{}"]))
    headers["webhook-timestamp"] = spelling.format(headers["webhook-timestamp"])
    good = headers["webhook-signature"]
    foreign = Webhook(STRANGER).sign(webhook_id, now(), body)
    entries = data.draw(
        st.lists(st.sampled_from([good, good, foreign, "v1a,AAAA", "v2,x", "v1,", "junk", "", good[:-1]]), max_size=9)
    )
    headers["webhook-signature"] = " ".join(entries)
    if we_accept([KEY], headers, body):
        assert they_accept(KEY, headers, body)


def with_timestamp(spelling: str) -> Callable[[], dict[str, str]]:
    def make() -> dict[str, str]:
        headers = signed()
        return headers | {"webhook-timestamp": spelling.format(headers["webhook-timestamp"])}

    return make


def with_signature(change: Callable[[str], str]) -> Callable[[], dict[str, str]]:
    def make() -> dict[str, str]:
        headers = signed()
        return headers | {"webhook-signature": change(headers["webhook-signature"])}

    return make


def loosely_ended(signature: str) -> str:
    """The same 32 bytes with the two bits set that base64 has to spare at the end."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return signature[:-2] + digits[digits.index(signature[-2]) + 1] + "="


STRICTER: dict[str, Callable[[], dict[str, str]]] = {
    # One number, many spellings: only the canonical one is what the sender signed.
    "a blank before the timestamp": with_timestamp(" {}"),
    "a line feed after the timestamp": with_timestamp("{}\n"),
    "a sign": with_timestamp("+{}"),
    "a leading zero": with_timestamp("0{}"),
    "a fraction": with_timestamp("{}.5"),
    "an exponent": with_timestamp("{}e0"),
    "Arabic-Indic digits": lambda: (
        (h := signed()) | {"webhook-timestamp": "".join(chr(0x660 + int(d)) for d in h["webhook-timestamp"])}
    ),
    # The signed text is id.timestamp.body: a dot in the id makes it ambiguous, the rest has no place in a header or a log.
    "a dot in the id": lambda: signed(webhook_id="sn.1"),
    "a blank in the id": lambda: signed(webhook_id="sn 1"),
    "a line feed in the id": lambda: signed(webhook_id="sn\n1"),
    "an id outside ASCII": lambda: signed(webhook_id="sn_é"),
    "an id of 257 characters": lambda: signed(webhook_id="i" * 257),
    # Their base64 passes over what is not in its alphabet.
    "foreign characters in a signature": with_signature(lambda good: good.replace("v1,", "v1,*-")),
    "spare bits at the end of a signature": with_signature(loosely_ended),
    # Nine signatures are nine comparisons for everyone who asks.
    "nine signatures": with_signature(lambda good: " ".join([good] * 9)),
}


@pytest.mark.parametrize("make", STRICTER.values(), ids=STRICTER.keys())
def test_we_refuse_what_they_let_pass(make: Callable[[], dict[str, str]]) -> None:
    headers = make()
    assert they_accept(KEY, headers, BODY)
    assert not we_accept([KEY], headers, BODY)


def test_their_signature_covers_two_readings_of_an_id_with_a_dot() -> None:
    one = Webhook(KEY).sign("a.1", datetime.fromtimestamp(5, UTC), "x")
    other = Webhook(KEY).sign("a", datetime.fromtimestamp(1, UTC), "5.x")
    assert one == other


@pytest.mark.parametrize("signature", ["junk", "v1,a,b", "v1,AAAA  v1,BBBB", "v1,A", ""])
def test_we_refuse_quietly_what_makes_them_stumble(signature: str) -> None:
    with pytest.raises((ValueError, WebhookVerificationError)):
        Webhook(KEY).verify(BODY, signed() | {"webhook-signature": signature})
    assert not we_accept([KEY], signed() | {"webhook-signature": signature}, BODY)


def test_bytes_that_are_no_text_are_only_bytes_to_us_and_too_much_for_them() -> None:
    body = b"\xff"
    timestamp = str(int(now().timestamp()))
    mac = hmac.digest(KEY, f"sn_1.{timestamp}.".encode() + body, "sha256")
    headers = signed() | {"webhook-timestamp": timestamp, "webhook-signature": "v1," + base64.b64encode(mac).decode()}
    with pytest.raises(UnicodeDecodeError):
        Webhook(KEY).verify(body, headers)
    assert we_accept([KEY], headers, body)


@given(st.binary(max_size=80))
def test_a_key_that_we_read_they_read_alike(key: bytes) -> None:
    text = "whsec_" + base64.b64encode(key).decode()
    try:
        ours = parse_key(text)
    except ValueError:
        assert len(key) < 24
    else:
        assert ours == key == Webhook(text)._whsecret


# ---- CloudEvents

FORMAT = JSONFormat()
SAID: dict[str, Any] = {"subject": "adele.vance@contoso.com", "profile": "full-reset", "requestedBy": "soar"}
sources = st.from_regex(r"(urn|https):[a-z0-9/.:-]{1,200}", fullmatch=True)
event_ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=256)
lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
extensions = st.dictionaries(
    st.from_regex(r"x[a-z0-9]{1,19}", fullmatch=True), lines | st.booleans() | st.integers(-(2**31), 2**31 - 1), max_size=4
)
times = st.datetimes(timezones=st.just(UTC))


def theirs(**changes: Any) -> str:
    attributes = {"id": "4711", "source": "urn:contoso:soar", "type": EVENT_TYPE, "time": now()} | changes
    return FORMAT.write(CloudEvent(attributes, dict(SAID))).decode()


@given(event_ids, sources, times, lines, extensions)
def test_what_they_write_we_read(event_id: str, source: str, time: datetime, subject: str, extra: dict[str, Any]) -> None:
    text = theirs(id=event_id, source=source, time=time, subject=subject, datacontenttype="application/json", **extra)
    event = message_event(text).event
    assert event.cause == Cause(source, event_id)
    assert event.time == time
    assert (event.subject, event.profile, event.requested_by) == (SAID["subject"], Profile.FULL_RESET, "soar")


@given(ids, times, st.none() | times, st.text("0123456789abcdef", min_size=64, max_size=64))
def test_what_we_write_they_read(webhook_id: str, time: datetime, first: datetime | None, fingerprint: str) -> None:
    event = Event(Cause(WEBHOOK_SOURCE, webhook_id), time, fingerprint, ticket=TICKET)
    read = FORMAT.read(None, message(event, first_inserted_at=first))
    assert read.get_specversion() == "1.0"
    assert (read.get_source(), read.get_id(), read.get_type()) == (WEBHOOK_SOURCE, webhook_id, EVENT_TYPE)
    assert read.get_time() == time
    assert read.get_datacontenttype() == "application/json"
    assert read.get_data() == {
        "ticket": {"system": TICKET.system, "table": TICKET.table, "sysId": TICKET.sys_id, "number": TICKET.number}
    }
    assert read.get_extension("reregisterfingerprint") == fingerprint
    assert (read.get_extension("reregisteraccepted") is None) == (first is None)


def test_a_message_that_passed_through_their_hands_says_the_same() -> None:
    event = Event(Cause(WEBHOOK_SOURCE, "sn_1"), now(), "ab" * 32, ticket=TICKET)
    text = message(event, first_inserted_at=now())
    assert message_event(FORMAT.write(FORMAT.read(None, text)).decode()) == message_event(text)


@given(times, extensions)
def test_what_we_return_to_the_queue_they_read_as_before(first: datetime, extra: dict[str, Any]) -> None:
    before = FORMAT.read(None, theirs(**extra))
    after = FORMAT.read(None, returned(theirs(**extra | {"time": before.get_time()}), first))
    memory = after.get_attributes().pop("reregisteraccepted")
    assert datetime.fromisoformat(memory) == first
    assert (after.get_attributes(), after.get_data()) == (before.get_attributes(), before.get_data())


def altered(**members: Any) -> str:
    """Their message with members of another kind; None takes one out."""
    said = json.loads(theirs()) | members
    return json.dumps({name: value for name, value in said.items() if value is not None})


LOOSE: dict[str, str] = {
    # They take a missing time for now: a copy would never grow old.
    "no time": altered(time=None),
    "a time in the basic form of ISO 8601": altered(time="20261124T023516Z"),
    # Of two members with one name they believe the last, another reader may believe the first.
    "a name that stands twice": theirs().replace('"id"', '"id": "0815", "id"', 1),
    "an id with a blank": altered(id="47 11"),
    "a source that is no URI reference": altered(source="<soar>"),
    "an extension that is a list": altered(roles=["admin"]),
    "an extension with a long name": altered(**{"x" * 21: "1"}),
    "data that is text": altered(data="{}"),
    "data in base64": altered(data=None, data_base64=base64.b64encode(json.dumps(SAID).encode()).decode()),
}


@pytest.mark.parametrize("text", LOOSE.values(), ids=LOOSE.keys())
def test_we_refuse_messages_that_they_let_pass(text: str) -> None:
    assert FORMAT.read(None, text).get_type() == EVENT_TYPE
    with pytest.raises(InvalidMessage):
        message_event(text)


@pytest.mark.parametrize("text", ["", "[]", "1", '{"time": 1}', '{"data_base64": 1}'])
def test_we_refuse_with_one_error_what_makes_them_stumble(text: str) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        FORMAT.read(None, text)
    with pytest.raises(InvalidMessage):
        message_event(text)
