"""The deployed app in dry-run: its routes and keys, one ticket from webhook to receipt; and the operator's command."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.live.claims import confirms
from tests.live.graph import Unexpected
from tests.live.people import until
from tests.live.run import Live
from tests.live.settings import ROOT, DeployedApp

WEBHOOK = "/api/webhooks/servicenow"
AN_ATTEMPT = 180.0
DEPLOYED, COMMAND = "LIVE_APP_URL", "LIVE_APP_SETTINGS"
LENT_BY_THE_SHELL = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(scope="module")
def client(app: DeployedApp) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def dry_run(app: DeployedApp, client: httpx.Client) -> dict[str, Any]:
    """The status of the ticket's request once the attempt that we asked for has ended."""
    body = event(app)
    answer = client.post(WEBHOOK, content=body, headers=signed(app, body))
    if answer.status_code != 202:
        raise Unexpected(f"the webhook answered {answer.status_code}: is the ticket to be attempted at all, and now?")

    def status() -> dict[str, Any]:
        seen: dict[str, Any] = client.get(answer.headers["Location"], headers={"x-functions-key": app.function_key}).json()
        return seen

    ended = until(status, lambda seen: "outcome" in seen, within=AN_ATTEMPT)
    if ended.get("mode") != "dry-run" or "outcome" not in ended:
        raise Unexpected(f"the attempt did not end as a dry run in time: {ended.get('mode')}, {ended.get('status')}")
    return ended


def event(app: DeployedApp) -> bytes:
    reference = {"table": app.ticket.table, "sys_id": app.ticket.sys_id, "number": app.ticket.number}
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"type": "mfa.reregistration.requested", "timestamp": stamp, "data": reference}).encode()


def signed(app: DeployedApp, body: bytes) -> dict[str, str]:
    """As Standard Webhooks has it: the MAC over id, time and body."""
    identifier, stamp = f"live_{secrets.token_hex(12)}", str(int(time.time()))
    key = base64.b64decode(app.webhook_key.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{identifier}.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def command(live: Live, *words: str) -> subprocess.CompletedProcess[str]:
    """The operator's command with the app's settings, and with none of this shell's."""
    line = [sys.executable, "-m", "shared.cli", *words, "--settings", str(live.settings.app_settings), "--json"]
    lent = {name: os.environ[name] for name in LENT_BY_THE_SHELL if name in os.environ}
    return subprocess.run(line, cwd=ROOT, env=lent, capture_output=True, text=True, check=False, timeout=300)


@confirms(None, needs=(DEPLOYED,))
def test_the_status_route_wants_the_function_key_and_knows_no_request_that_was_not_made(
    app: DeployedApp, client: httpx.Client
) -> None:
    unknown = f"/api/requests/{'0' * 32}"
    assert client.get(unknown).status_code == 401
    assert client.get(unknown, headers={"x-functions-key": app.function_key}).status_code == 404


@confirms(None, needs=(DEPLOYED,))
def test_an_event_that_is_signed_with_another_key_is_refused(app: DeployedApp, client: httpx.Client) -> None:
    body = event(app)
    headers = signed(app, body)
    flipped = "A" if headers["webhook-signature"][3] != "A" else "B"
    headers["webhook-signature"] = f"v1,{flipped}{headers['webhook-signature'][4:]}"
    assert client.post(WEBHOOK, content=body, headers=headers).status_code == 401


@confirms("Chunked webhook bodies arrive empty on the real host", needs=(DEPLOYED,))
def test_a_chunked_event_is_refused_as_not_authentic(app: DeployedApp, client: httpx.Client) -> None:
    body = event(app)
    assert client.post(WEBHOOK, content=iter([body]), headers=signed(app, body)).status_code == 401


@confirms("ServiceNow accepts the identity's token for `SERVICENOW_AUDIENCE`", needs=(DEPLOYED,))
def test_a_dry_run_goes_from_the_webhook_to_its_outcome_on_what_the_ticket_says(dry_run: dict[str, Any]) -> None:
    assert (dry_run["outcome"], dry_run["reason"]) == ("done", "dry-run"), (dry_run["outcome"], dry_run["reason"])


@confirms(None, needs=(DEPLOYED, COMMAND))
def test_the_receipt_of_the_dry_run_holds(live: Live, dry_run: dict[str, Any]) -> None:
    done = command(live, "verify", dry_run["id"])
    if done.returncode not in (0, 1):
        raise Unexpected(f"reregister verify ended with {done.returncode}")
    assert done.returncode == 0


@confirms(None, needs=(COMMAND,))
def test_the_doctor_finds_no_fault(live: Live) -> None:
    done = command(live, "doctor")
    if done.returncode not in (0, 1):
        raise Unexpected(f"reregister doctor ended with {done.returncode}")
    assert done.returncode == 0
