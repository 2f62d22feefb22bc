"""The business rule that tells the outside world of an approval: a webhook, signed, repeated until it was taken.

Source: Standard Webhooks 1.0.0 (headers `webhook-id`, `webhook-timestamp`, `webhook-signature`; signed text `id.timestamp.body`;
the id is the same on every try; 2xx is success, 410 ends the subscription, `Retry-After` is honoured).
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from sandbox.servicenow.store import Record

EVENT = "mfa.reregistration.requested"
SECRET_PREFIX = "whsec_"
GONE = 410
PATIENCE = aiohttp.ClientTimeout(total=30)


def sign(key: str, event_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a body under one `whsec_` key."""
    if not key.startswith(SECRET_PREFIX):
        raise ValueError(f"a webhook key starts with {SECRET_PREFIX}")
    try:
        secret = base64.b64decode(key.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a webhook key is base64 after {SECRET_PREFIX}") from error
    mac = hmac.digest(secret, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac).decode()


@dataclass(slots=True)
class Delivery:
    """One event on its way: every try with its answer, and how it ended (`pending`, `delivered`, `failed`)."""

    id: str
    ticket: dict[str, str]
    url: str
    body: str
    state: str = "pending"
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


class Sender:
    """Sends events for tickets; configured with `url` and `key`, silent without both.

    `on_every_update` makes it a careless rule, one that fires for each later change of an approved ticket too. `backoff` is the
    first pause in seconds where the receiver names none; it doubles up to a minute.
    """

    def __init__(self, now: Callable[[], datetime], url: str = "", key: str = "", *, tries: int = 10, backoff: float = 1) -> None:
        self.now = now
        self.url = url
        self._key = ""
        self.key = key
        self.tries = tries
        self.backoff = backoff
        self.on_every_update = False
        self.deliveries: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def key(self) -> str:
        """The `whsec_` key that signs; setting one that is none raises `ValueError`."""
        return self._key

    @key.setter
    def key(self, key: str) -> None:
        if key:
            sign(key, "", 0, b"")
        self._key = key

    def approved(self, ticket: Record, before: str) -> None:
        """The rule itself: `approval CHANGES TO approved` (or any update of what is approved, when careless)."""
        if self.url and self.key and ticket["approval"] == "approved" and (before != "approved" or self.on_every_update):
            self.send(ticket)

    def send(self, ticket: Record, event_id: str | None = None) -> Delivery:
        """Starts the delivery of one event for a ticket; needs a running event loop. An `event_id` given makes a copy."""
        if not (self.url and self.key):
            raise ValueError("the webhook needs an address and a key first")
        reference = {"table": ticket.table, "sys_id": ticket.sys_id, "number": ticket["number"]}
        stamp = self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = json.dumps({"type": EVENT, "timestamp": stamp, "data": reference}, separators=(",", ":"))
        identity = event_id or f"sn_{ticket.sys_id}_{ticket['sys_mod_count']}"
        delivery = Delivery(identity, reference, self.url, body)
        self.deliveries.append(delivery)
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return delivery

    async def drain(self) -> None:
        """Returns when every delivery has ended."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Gives up what is still on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, delivery: Delivery) -> None:
        pause = self.backoff
        async with aiohttp.ClientSession(timeout=PATIENCE) as session:
            for attempt in range(1, self.tries + 1):
                outcome = await self._attempt(session, delivery)
                delivery.attempts.append(outcome)
                status = outcome.get("status", 0)
                if 200 <= status < 300:
                    delivery.state = "delivered"
                    return
                if (300 <= status < 500 and status != 429) or attempt == self.tries:
                    break
                wanted = outcome.get("retryAfter")
                await asyncio.sleep(pause if wanted is None else wanted)
                pause = min(2 * pause, 60)
        delivery.state = "failed"
        if status == GONE:
            self.url = ""

    async def _attempt(self, session: aiohttp.ClientSession, delivery: Delivery) -> dict[str, Any]:
        moment, body = self.now(), delivery.body.encode()
        timestamp = int(moment.timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self.key, delivery.id, timestamp, body),
        }
        outcome: dict[str, Any] = {"at": moment.isoformat()}
        try:
            async with session.post(delivery.url, data=body, headers=headers, allow_redirects=False) as answer:
                outcome |= {"status": answer.status, "location": answer.headers.get("location"), "body": await answer.text()}
                outcome["retryAfter"] = self._seconds(answer.headers.get("retry-after"))
        except (aiohttp.ClientError, TimeoutError) as error:
            outcome["error"] = f"{type(error).__name__}: {error}"
        return outcome

    def _seconds(self, retry_after: str | None) -> float | None:
        """`Retry-After` in seconds, from a number or an HTTP date (RFC 9110, 10.2.3)."""
        if retry_after is None:
            return None
        if retry_after.strip().isdecimal():
            return float(retry_after)
        try:
            return max(0.0, (parsedate_to_datetime(retry_after) - self.now()).total_seconds())
        except (ValueError, TypeError):
            return None
