"""What ServiceNow signs and says is what we take: the sender's tests (infra/servicenow/test) read the same vectors."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.intake import NotAuthentic, parse_key, verify, webhook_event
from shared.model import TicketRef
from shared.waits import retry_after

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "standard_webhooks.json").read_text("utf-8"))
KEYS = {name: parse_key("whsec_" + base64.b64encode(text.encode()).decode()) for name, text in VECTORS["keys"].items()}


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["case"]) for case in VECTORS[name]]


@pytest.mark.parametrize("delivery", cases("deliveries"))
def test_the_receiver_takes_what_the_sender_signed_and_nothing_else(delivery: dict[str, Any]) -> None:
    arrived = delivery | delivery.get("arrives", {})
    headers = {
        "webhook-id": arrived["id"],
        "webhook-timestamp": str(arrived["timestamp"]),
        "webhook-signature": arrived["signature"],
    }
    accepted = [KEYS[name] for name in delivery["accepted_keys"]]
    now = datetime.fromtimestamp(delivery["timestamp"], UTC)
    if delivery["authentic"]:
        assert verify(headers, arrived["body"].encode(), accepted, now) == delivery["id"]
    else:
        with pytest.raises(NotAuthentic) as refusal:
            verify(headers, arrived["body"].encode(), accepted, now)
        assert refusal.value.why == "no-match"


@pytest.mark.parametrize("delivery", cases("deliveries"))
def test_a_recorded_signature_is_that_of_its_keys(delivery: dict[str, Any]) -> None:
    """So that a case is refused for what it says, and not for a slip in the record."""
    signed = f"{delivery['id']}.{delivery['timestamp']}.{delivery['body']}".encode()
    macs = [hmac.new(KEYS[name], signed, hashlib.sha256).digest() for name in delivery["signed_by"]]
    assert delivery["signature"] == " ".join("v1," + base64.b64encode(mac).decode() for mac in macs)


def test_both_kinds_of_delivery_are_there() -> None:
    deliveries = VECTORS["deliveries"]
    assert {delivery["authentic"] for delivery in deliveries} == {True, False}
    assert any(len(delivery["signed_by"]) > 1 and delivery["authentic"] for delivery in deliveries)
    assert any(not delivery["body"].isascii() and delivery["authentic"] for delivery in deliveries)


@pytest.mark.parametrize("told", cases("events"))
def test_the_receiver_reads_the_body_that_the_sender_makes(told: dict[str, Any]) -> None:
    at = datetime.fromisoformat(told["at"])
    event = webhook_event(told["id"], told["body"].encode(), tables={told["table"]}, max_age=timedelta(hours=24), now=at)
    assert event.ticket == TicketRef("servicenow", told["table"], told["sys_id"], told["number"])
    assert event.cause.id == told["id"]
    assert event.time == at.replace(microsecond=0)


@pytest.mark.parametrize("case", [pytest.param(case, id=repr(case["header"])) for case in VECTORS["retry_after"]["cases"]])
def test_both_sides_wait_as_long_as_they_are_asked_to(case: dict[str, Any]) -> None:
    wait = retry_after(case["header"], datetime.fromisoformat(VECTORS["retry_after"]["now"]))
    assert (None if wait is None else wait.total_seconds()) == case["seconds"]
