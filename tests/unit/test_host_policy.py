"""host.json, value by value, with the reason for each: the host decides what becomes of a message when our code cannot.

Sources: Microsoft Learn, "host.json reference for Azure Functions" and "Azure Queue storage trigger and bindings".
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared import delivery, wording, work
from tests.unit import build

HOST: dict[str, Any] = json.loads((Path(__file__).parents[2] / "host.json").read_text("utf-8"))
QUEUES = "/extensions/queues"
LEVELS = "/logging/logLevel"

POLICY: dict[str, tuple[object, str]] = {
    "/version": ("2.0", "the schema of every host since version 2"),
    "/extensionBundle/id": ("Microsoft.Azure.Functions.ExtensionBundle", "brings the storage bindings"),
    "/extensionBundle/version": ("[4.*, 5.0.0)", "fixes come by themselves, a new major version does not"),
    "/telemetryMode": ("OpenTelemetry", "the host sends what our functions log, by its identity: docs/adr/0007-telemetry.md"),
    "/functionTimeout": ("00:05:00", "a hung invocation lets go of its slot; the default may be half an hour or none"),
    "/extensions/http/routePrefix": ("api", "the addresses that senders know"),
    f"{QUEUES}/batchSize": (4, "few at a time: Graph throttles, and all of them share one process"),
    f"{QUEUES}/newBatchThreshold": (4, "eight at once at most, some of them waiting for lag; the default grows with processors"),
    f"{QUEUES}/maxDequeueCount": (5, "what breaks an invocation five times is put aside for people to see"),
    f"{QUEUES}/visibilityTimeout": ("00:00:30", "a message that broke an invocation does not come back at once, as by default"),
    f"{QUEUES}/maxPollingInterval": ("00:00:05", "an approved ticket does not wait a minute for an idle host"),
    f"{QUEUES}/messageEncoding": (
        "base64",
        "as every sender and our own client write; anything else goes to poison without a word",
    ),
    f"{LEVELS}/default": ("Information", "one line for each thing that happened"),
    f"{LEVELS}/Azure.Core": ("Warning", "the SDK's lines about each call name addresses with people in them"),
    f"{LEVELS}/Azure.Storage": ("Warning", "the host's own polling is not news"),
}


def values(node: object, pointer: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield from values(child, f"{pointer}/{name}")
    else:
        yield pointer, node


def seconds(text: str) -> float:
    hours, minutes, rest = map(int, text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=rest).total_seconds()


@pytest.mark.parametrize("pointer", POLICY)
def test_the_host_is_told(pointer: str) -> None:
    value, why = POLICY[pointer]
    assert dict(values(HOST)).get(pointer) == value, why


def test_the_host_is_told_nothing_without_a_reason() -> None:
    assert dict(values(HOST)).keys() == POLICY.keys()


def test_a_turn_with_everything_that_it_may_deliver_ends_before_the_host_ends_it() -> None:
    notes_and_result = 3 * delivery.PATIENCE_SECONDS
    assert work.TURN_SECONDS + notes_and_result < seconds(HOST["functionTimeout"])


def test_status_addresses_are_below_the_route_prefix() -> None:
    prefix = HOST["extensions"]["http"]["routePrefix"]
    assert wording.accepted(build.record(), ended=False).headers["Location"].startswith(f"/{prefix}/requests/")
