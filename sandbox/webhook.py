"""One event for a ticket, signed and sent to the app as ServiceNow would, by whoever wants to see the answer."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.servicenow.sender import EVENT, sign
from sandbox.stack import Stack


async def deliver(stack: Stack, ticket: Mapping[str, Any], *, event_id: str = "", key: str = "") -> tuple[int, str]:
    """Status and body of the answer. The event is a new one unless `event_id` is given, the key the app's own unless `key` is."""
    now = datetime.now(UTC)
    body = {
        "type": EVENT,
        "timestamp": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "data": {"table": "sc_req_item", "sys_id": ticket["sys_id"], "number": ticket["number"]},
    }
    raw, event_id, stamp = json.dumps(body).encode(), event_id or str(uuid.uuid4()), int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(key or stack.webhook_key, event_id, stamp, raw),
    }
    async with stack.session.post(f"{stack.app.url}/api/webhooks/servicenow", data=raw, headers=headers) as answer:
        return answer.status, await answer.text()
