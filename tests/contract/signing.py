"""How schemathesis comes to be let in: its deliveries are signed as they go out, its readers have the function key.

The keys come from the environment of the process that it runs in.
"""

import base64
import hmac
import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis import Case, HookContext

KEY = base64.b64decode(os.environ["WEBHOOK_KEY"].removeprefix("whsec_"))
FUNCTION_KEY = os.environ["FUNCTION_KEY"]


class Signed(AuthBase):
    """Standard Webhooks over the bytes that are sent, whatever they are."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        event, stamp = str(uuid.uuid4()), str(int(time.time()))
        raw = request.body.encode() if isinstance(request.body, str) else request.body or b""
        assert isinstance(raw, bytes)
        signature = base64.b64encode(hmac.digest(KEY, f"{event}.{stamp}.".encode() + raw, "sha256")).decode()
        request.headers.update({"webhook-id": event, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"})
        return request


class WithKey(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["x-functions-key"] = FUNCTION_KEY
        return request


schemathesis.auth.set_from_requests(Signed()).apply_to(method="POST", path="/api/webhooks/servicenow")  # type: ignore[attr-defined]
schemathesis.auth.set_from_requests(WithKey()).apply_to(method="GET", path="/api/requests/{id}")  # type: ignore[attr-defined]


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """What is well-formed is also of a table that is accepted and of today: no schema can say either."""
    del context, kwargs
    if case.path == "/api/webhooks/servicenow" and case.meta and case.meta.generation.mode.is_positive:
        body: Any = case.body
        case.body = body | {"timestamp": datetime.now(UTC).isoformat(), "data": body["data"] | {"table": "sc_req_item"}}
