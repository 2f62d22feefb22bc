"""Microsoft Graph as the live tier speaks to it: one token, no redirects, and an exception for every answer not expected."""

import base64
import json
import shlex
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import httpx

EVENTUAL = {"ConsistencyLevel": "eventual"}
_BUSY = (429, 503, 504)
_TRIES = 5
_LONGEST_PAUSE = 30.0


class Unexpected(Exception):
    """A service answered neither what was claimed nor its opposite, so nothing is known."""


class Graph:
    """Calls below `/v1.0`, or `/beta` where the path begins so."""

    def __init__(self, root: str, token: str) -> None:
        self.root = root
        self._client = httpx.Client(base_url=root, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def ask(
        self, method: str, path: str, body: Any = None, *, tries: int = _TRIES, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer, whatever it says; a busy service is asked again."""
        path = path if path.startswith("/beta/") else f"/v1.0{path}"
        for attempt in range(1, tries + 1):
            answer = self._client.request(method, path, json=body, headers=headers)
            if answer.status_code not in _BUSY or attempt == tries:
                return answer
            time.sleep(_pause(answer))
        raise AssertionError("at least one try")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The body of a `200`; `Unexpected`."""
        answer = self.ask("GET", path, headers=headers)
        if answer.status_code != 200:
            raise Unexpected(said(answer))
        body: dict[str, Any] = answer.json()
        return body

    def list(self, path: str) -> list[dict[str, Any]]:
        """All of a short list; `Unexpected` when it has a second page."""
        body = self.get(path)
        if "@odata.nextLink" in body:
            raise Unexpected(f"GET {path}: more than one page")
        items: list[dict[str, Any]] = body["value"]
        return items

    def close(self) -> None:
        self._client.close()


def said(answer: httpx.Response) -> str:
    """What was asked and how it was answered: status and the service's own code, never its text."""
    try:
        code = answer.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        code = "no code"
    return f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {code}"


def printed_token(command: str) -> str:
    """What the command prints; `Unexpected` when it fails or prints nothing. Its own complaints go to the terminal."""
    try:
        done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, text=True, check=False, timeout=120)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise Unexpected(f"LIVE_GRAPH_TOKEN_COMMAND cannot be run: {type(error).__name__}") from None
    token = done.stdout.strip()
    if done.returncode or not token or len(token.split()) != 1:
        raise Unexpected(f"LIVE_GRAPH_TOKEN_COMMAND printed no token, and ended with {done.returncode}")
    return token


def claims(token: str) -> dict[str, Any]:
    """What a token says of itself, believed only where it speaks against itself; `ValueError` when it does not say."""
    try:
        payload = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("the token has no claims that can be read")  # noqa: TRY004
    return found


def permissions(token: str) -> frozenset[str]:
    """What a token says that it may do, application and delegated alike; `ValueError` when it does not say."""
    said = claims(token)
    roles, scopes = said.get("roles", []), said.get("scp", "")
    if not isinstance(roles, list) or not isinstance(scopes, str):
        raise ValueError("the token has no claims that can be read")  # noqa: TRY004
    return frozenset(roles) | frozenset(scopes.split())


def _pause(answer: httpx.Response) -> float:
    try:
        return min(max(float(answer.headers.get("Retry-After", "")), 0.5), _LONGEST_PAUSE)
    except ValueError:
        return 2.0
