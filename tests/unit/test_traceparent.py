"""In whose trace a message was sent: taken along where it is said rightly, else passed over; nothing rests on it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.intake import message, message_event, returned, trace_parent
from tests.unit import build

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BAD = [
    "",
    "Sigrid's handset",
    GOOD[:-1],
    f"{GOOD}0",
    f"{GOOD}\n",
    f" {GOOD}",
    GOOD.upper(),
    GOOD.replace("00-", "01-", 1),
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    GOOD.replace("-", "_"),
]


def sent(**attributes: Any) -> str:
    return json.dumps(json.loads(message(build.ticket_event())) | attributes)


@pytest.mark.parametrize("text", [GOOD, GOOD[:-2] + "00", GOOD[:-2] + "ff"])
def test_a_traceparent_is_one(text: str) -> None:
    assert trace_parent(text) == text


@pytest.mark.parametrize("text", [*BAD, None, 4711, True, [GOOD]])
def test_anything_else_is_none(text: object) -> None:
    assert trace_parent(text) is None


def test_the_app_writes_it_and_reads_it_back() -> None:
    event = build.ticket_event()
    text = message(event, traceparent=GOOD)
    assert json.loads(text) == json.loads(message(event)) | {"traceparent": GOOD}
    assert message_event(text) == replace(message_event(message(event)), traceparent=GOOD)
    assert message_event(message(event)).traceparent is None


def test_the_app_writes_none_that_it_would_not_read_back() -> None:
    with pytest.raises(ValueError, match="something else"):
        message(build.ticket_event(), traceparent=GOOD.upper())


def test_who_else_sends_may_say_it_too() -> None:
    assert message_event(sent(traceparent=GOOD)).traceparent == GOOD


@pytest.mark.parametrize("text", [text for text in BAD if text.isprintable()])
def test_a_message_with_a_wrong_one_is_the_same_message_without(text: str) -> None:
    assert message_event(sent(traceparent=text)) == message_event(sent())


def test_a_message_that_comes_back_still_says_it() -> None:
    assert message_event(returned(message(build.ticket_event(), traceparent=GOOD), build.NOW)).traceparent == GOOD
