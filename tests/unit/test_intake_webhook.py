"""The webhook's door: who sent it, is it JSON of our shape, can it be."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.intake import (
    MAX_BODY,
    WEBHOOK_SOURCE,
    BadShape,
    BadValue,
    NotAuthentic,
    TooLarge,
    check_size,
    parse_key,
    verify,
    webhook_event,
)
from shared.model import Cause, Event, TicketRef

CASES = Path(__file__).parent / "cases"
NOW = datetime(2026, 11, 24, 2, 35, 16, tzinfo=UTC)
KEYS = {"now": b"n" * 32, "old": b"o" * 24, "stranger": b"s" * 32, "short": b"x" * 23, "empty": b""}
BODY: dict[str, Any] = {
    "type": "mfa.reregistration.requested",
    "timestamp": "2026-11-24T02:35:16Z",
    "data": {"table": "sc_req_item", "sys_id": "0123456789abcdef0123456789abcdef", "number": "RITM0010001"},
}
RAW = json.dumps(BODY).encode()
TABLES = frozenset({"sc_req_item", "sc_task"})


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["case"]) for case in yaml.safe_load((CASES / name).read_text("utf-8"))]


def sign(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    signed = webhook_id.encode() + b"." + timestamp.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def delivery(case: dict[str, Any]) -> dict[str, str]:
    """The headers of a case, signed over what they say themselves."""
    now = str(int(NOW.timestamp()) + case.get("seconds", 0))
    webhook_id = case.get("webhook-id", "sn_1")
    timestamp = case.get("webhook-timestamp", "{now}").replace("{now}", now)
    signature = case.get("webhook-signature", "{good}")
    for word, key in {"{good}": "now", "{old}": "old", "{foreign}": "stranger"}.items():
        signature = signature.replace(word, sign(KEYS[key], webhook_id, timestamp, RAW))
    headers = {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    return {name: value for name, value in headers.items() if name not in case.get("drop", [])}


def read(body: bytes) -> Event:
    return webhook_event("sn_1", body, tables=TABLES, max_age=timedelta(hours=24), now=NOW)


GOOD = delivery({})
ACCEPTED_KEYS = (KEYS["now"], KEYS["old"])


# ---- size


def test_a_body_of_64_kib_is_read_and_a_byte_more_is_not() -> None:
    check_size(b"x" * 65536)
    with pytest.raises(TooLarge):
        check_size(b"x" * 65537)
    assert MAX_BODY == 65536


# ---- keys


def test_a_key_is_the_bytes_behind_its_prefix() -> None:
    assert parse_key("whsec_" + base64.b64encode(b"k" * 24).decode()) == b"k" * 24


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "a2trawtra2tra2tra2tra2tra2tra2tra2tra2s=",  # no prefix
        "WHSEC_a2tra2tra2tra2tra2tra2tra2tra2tr",
        "whsec_a2tra2tra2tra2tra2tra2tra2tra2s=",  # 23 bytes
        "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2s",  # 26 bytes, no padding
        "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2t=",  # the same, with bits that count for nothing
        "whsec_a2tra2tra2tra2tra2tra2tra2tra2t-",  # the URL-safe alphabet
        "whsec_a2tra2tra2tra2tra2tra2tra2tra2tr\n",
        " whsec_a2tra2tra2tra2tra2tra2tra2tra2tr",
        "whsec_a2tra2tra2tra2tra2tra2tra2tra2tré",
        "whsec_whsec_a2tra2tra2tra2tra2tra2tra2tra2tr",
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="at least 24 bytes") as caught:
        parse_key(text)
    assert text.removeprefix("whsec_") not in str(caught.value) or not text.removeprefix("whsec_")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@given(st.text() | st.text("whsec_ABCab01+/=-", max_size=60))
def test_any_text_is_a_key_in_its_one_spelling_or_a_value_error(text: str) -> None:
    try:
        key = parse_key(text)
    except ValueError:
        return
    assert text == "whsec_" + base64.b64encode(key).decode()
    assert len(key) >= 24


# ---- signatures


@pytest.mark.parametrize("case", cases("intake_signatures.yml"))
def test_a_delivery_is_authentic_only_as_the_standard_says(case: dict[str, Any]) -> None:
    keys = [KEYS[name] for name in case.get("keys", ["now", "old"])]
    headers = delivery(case)
    if "why" not in case:
        assert verify(headers, RAW, keys, NOW) == headers["webhook-id"]
        return
    with pytest.raises(NotAuthentic) as caught:
        verify(headers, RAW, keys, NOW)
    assert caught.value.why == case["why"]
    assert str(caught.value) == "not authentic"


def test_header_names_count_in_any_case() -> None:
    headers = {name.title(): value for name, value in GOOD.items()}
    assert verify(headers, RAW, ACCEPTED_KEYS, NOW) == "sn_1"


def test_other_headers_do_not_matter() -> None:
    assert verify(GOOD | {"content-type": "application/json", "webhook-ids": "x"}, RAW, ACCEPTED_KEYS, NOW) == "sn_1"


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_header_that_comes_twice_in_two_cases_is_refused(name: str) -> None:
    with pytest.raises(NotAuthentic) as caught:
        verify(GOOD | {name.upper(): GOOD[name]}, RAW, ACCEPTED_KEYS, NOW)
    assert caught.value.why == name


@pytest.mark.parametrize("value", [None, 1, b"sn_1", ["sn_1"]])
@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_header_that_is_no_text_is_refused(name: str, value: object) -> None:
    with pytest.raises(NotAuthentic) as caught:
        verify({**GOOD, name: value}, RAW, ACCEPTED_KEYS, NOW)
    assert caught.value.why == name


def test_parts_of_a_second_count_towards_the_300() -> None:
    moment = NOW + timedelta(seconds=300)
    assert verify(GOOD, RAW, ACCEPTED_KEYS, moment)
    with pytest.raises(NotAuthentic):
        verify(GOOD, RAW, ACCEPTED_KEYS, moment + timedelta(milliseconds=1))


def test_the_body_is_signed_as_bytes_whatever_they_are() -> None:
    body = b"\xff\x00not text"
    headers = GOOD | {"webhook-signature": sign(KEYS["now"], "sn_1", GOOD["webhook-timestamp"], body)}
    assert verify(headers, body, ACCEPTED_KEYS, NOW) == "sn_1"


def test_every_key_meets_every_signature_even_after_a_match(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr("shared.intake.signature.hmac.compare_digest", compare)
    verify(delivery({"webhook-signature": "{good} {foreign} {old}"}), RAW, ACCEPTED_KEYS, NOW)
    assert len(compared) == 6


@given(
    st.dictionaries(
        st.sampled_from(sorted(GOOD)) | st.text() | st.integers(),
        st.text() | st.binary() | st.none() | st.sampled_from(sorted(GOOD.values())),
    ),
    st.binary(),
    st.lists(st.binary(max_size=40), max_size=3),
)
def test_any_other_headers_and_bytes_are_not_authentic_and_nothing_worse(
    headers: dict[Any, Any], body: bytes, keys: list[bytes]
) -> None:
    with pytest.raises(NotAuthentic):
        verify(headers, body, keys, NOW)


@given(st.sampled_from(sorted(GOOD)), st.integers(0, 40), st.characters())
def test_another_character_in_a_header_makes_it_not_authentic(name: str, place: int, character: str) -> None:
    value = GOOD[name]
    place %= len(value)
    changed = value[:place] + character + value[place + 1 :]
    if changed == value:
        return
    with pytest.raises(NotAuthentic):
        verify(GOOD | {name: changed}, RAW, ACCEPTED_KEYS, NOW)


@given(st.integers(0, len(RAW) * 8 - 1))
def test_another_bit_in_the_body_makes_it_not_authentic(bit: int) -> None:
    body = bytearray(RAW)
    body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotAuthentic):
        verify(GOOD, bytes(body), ACCEPTED_KEYS, NOW)


# ---- bodies


def changed(case: dict[str, Any]) -> bytes:
    if "raw" in case:
        return str(case["raw"]).encode()
    body = json.loads(RAW)
    for pointer, value in case.get("set", {}).items():
        *path, last = pointer.split("/")[1:]
        (body[path[0]] if path else body)[last] = value
    if pointer := case.get("drop"):
        *path, last = pointer.split("/")[1:]
        del (body[path[0]] if path else body)[last]
    return json.dumps(body).encode()


@pytest.mark.parametrize("case", cases("intake_webhook_bodies.yml"))
def test_a_body_is_accepted_only_as_the_contract_says(case: dict[str, Any]) -> None:
    body = changed(case)
    refused = BadShape if "shape" in case else BadValue
    if "shape" not in case and "value" not in case:
        assert read(body).fingerprint == hashlib.sha256(body).hexdigest()
        return
    with pytest.raises(refused) as caught:
        read(body)
    assert caught.value.pointer == case.get("shape", case.get("value"))
    assert caught.value.message
    assert caught.value.message in str(caught.value)


def test_an_event_says_what_the_body_said() -> None:
    body = changed({"set": {"/timestamp": "2026-11-24T01:30:00.25-01:00"}})
    assert read(body) == Event(
        cause=Cause(source=WEBHOOK_SOURCE, id="sn_1"),
        time=datetime(2026, 11, 24, 2, 30, 0, 250000, tzinfo=UTC),
        fingerprint=hashlib.sha256(body).hexdigest(),
        ticket=TicketRef("servicenow", "sc_req_item", "0123456789abcdef0123456789abcdef", "RITM0010001"),
    )
    assert read(body).time.tzinfo is UTC
    assert WEBHOOK_SOURCE == "urn:reregister:webhook:servicenow"


def test_without_tables_every_ticket_is_refused() -> None:
    with pytest.raises(BadValue):
        webhook_event("sn_1", RAW, tables=frozenset(), max_age=timedelta(hours=24), now=NOW)


def test_text_in_another_encoding_is_no_json() -> None:
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        with pytest.raises(BadShape):
            read(RAW.decode().encode(encoding))
    with pytest.raises(BadShape):
        read(RAW.replace(b"RITM", b"RIT\xcd"))


@pytest.mark.parametrize("text", ["[" * 65536, '{"a":' * 13000, "[" * 30000 + "]" * 30000, "9" * 65536, "1e" + "9" * 60000])
def test_what_only_means_to_exhaust_us_is_no_json(text: str) -> None:
    with pytest.raises(BadShape):
        read(text.encode())


def test_a_refusal_repeats_nothing_that_was_sent() -> None:
    secret = "adele.vance@contoso.com"
    for case in ({"set": {"/data/number": secret}}, {"set": {"/timestamp": secret}}, {"set": {f"/{secret}": 1}}, {"raw": secret}):
        with pytest.raises((BadShape, BadValue)) as caught:
            read(changed(case))
        assert secret not in str(caught.value)
        assert caught.value.__cause__ is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["type", "data"]), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_other_body_is_refused_and_nothing_worse(body: bytes) -> None:
    with pytest.raises((BadShape, BadValue)):
        read(body)


@given(st.sampled_from(["type", "timestamp", "data", "/table", "/sys_id", "/number"]), json_values)
def test_any_value_in_any_member_is_accepted_or_refused(name: str, value: object) -> None:
    body = json.loads(RAW)
    (body["data"] if name[0] == "/" else body)[name.lstrip("/")] = value
    try:
        event = read(json.dumps(body).encode())
    except (BadShape, BadValue):
        return
    assert event.ticket is not None
    assert body["data"] == {"table": event.ticket.table, "sys_id": event.ticket.sys_id, "number": event.ticket.number}


@settings(max_examples=300)
@given(st.integers(0, len(RAW) - 1), st.binary(max_size=2))
def test_a_body_with_other_bytes_in_it_is_read_whole_or_refused(place: int, other: bytes) -> None:
    body = RAW[:place] + other + RAW[place + 1 :]
    try:
        event = read(body)
    except (BadShape, BadValue):
        return
    assert event.ticket is not None
    assert event.ticket.number.encode() in body
    assert event.ticket.sys_id.encode() in body
