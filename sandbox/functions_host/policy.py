"""`host.json` as frozen values, with the platform's defaults. Source: "host.json reference for Azure Functions 2.x and later"."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

MAX_BATCH = 32
SHORTEST_POLL = 0.1  # seconds
TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")


class PolicyInvalid(ValueError):
    """`host.json` cannot be used; the real host would not start either."""


def seconds(time_span: str) -> float:
    """The seconds of a .NET time span, `[d.]hh:mm:ss[.fff]`."""
    if not (parts := TIME_SPAN.fullmatch(time_span)):
        raise PolicyInvalid(f"not a time span: {time_span!r}")
    days, hours, minutes, rest = parts.groups(default="0")
    return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(rest)


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """`extensions.queues`; times in seconds."""

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    visibility_timeout: float
    max_polling_interval: float
    encoding: Literal["base64", "none"]


@dataclass(frozen=True, slots=True)
class Policy:
    route_prefix: str
    queues: QueuePolicy


def _queues(given: dict[str, Any]) -> QueuePolicy:
    batch = int(given.get("batchSize", 16))
    encoding = str(given.get("messageEncoding", "base64")).lower()
    if not 1 <= batch <= MAX_BATCH:
        raise PolicyInvalid(f"queues.batchSize must be 1 to {MAX_BATCH}: {batch}")
    if encoding not in {"base64", "none"}:
        raise PolicyInvalid(f"queues.messageEncoding must be base64 or none: {encoding}")
    policy = QueuePolicy(
        batch_size=batch,
        new_batch_threshold=int(given.get("newBatchThreshold", batch // 2 * (os.cpu_count() or 1))),
        max_dequeue_count=int(given.get("maxDequeueCount", 5)),
        visibility_timeout=seconds(given.get("visibilityTimeout", "00:00:00")),
        max_polling_interval=seconds(given.get("maxPollingInterval", "00:01:00")),
        encoding=cast("Literal['base64', 'none']", encoding),
    )
    if policy.max_dequeue_count < 1 or policy.new_batch_threshold < 0 or policy.max_polling_interval < SHORTEST_POLL:
        raise PolicyInvalid(f"queues: a value is out of range: {policy}")
    return policy


def read(app: Path) -> Policy:
    """The policy of the app in this folder; without a `host.json` the defaults. `PolicyInvalid` when it is not usable."""
    file = app / "host.json"
    try:
        given: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {"version": "2.0"}
        if given.get("version") != "2.0":
            raise PolicyInvalid('host.json must say "version": "2.0"')
        extensions = given.get("extensions", {})
        return Policy(extensions.get("http", {}).get("routePrefix", "api").strip("/"), _queues(extensions.get("queues", {})))
    except (ValueError, TypeError, AttributeError) as error:
        raise error if isinstance(error, PolicyInvalid) else PolicyInvalid(f"host.json: {error}") from error
