"""Test users: made with a mark by which they are known again, and removed only if they carry it."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from tests.live.graph import Graph, Unexpected, said
from tests.live.made import Entry, Made

PREFIX = "reregister-live-"
DISPLAY_NAME = "Reregister live test (may be deleted)"
NOT_SHOWN_YET = 600.0
"""So long a user who was made may not be shown anywhere yet; who is not shown later is not there."""
_REFUSED = (400, 401, 403, 409)
_WAIT = 60.0
_PHONES = {"mobile": "+1 2065550143", "alternateMobile": "+1 2065550144", "office": "+1 2065550145"}
"""From the range that is kept for fiction."""


class Left(Exception):
    """The user is still there, or nobody knows; the reason as a sentence."""


@dataclass(frozen=True, slots=True)
class Person:
    """A test user and the calls about them."""

    graph: Graph
    id: str

    def path(self, rest: str, version: str = "") -> str:
        return f"{version}/users/{self.id}/{rest}"

    def give_phone(self, kind: str) -> str:
        """A phone is registered for them; its id."""
        body = {"phoneNumber": _PHONES[kind], "phoneType": kind}
        answer = self.graph.ask("POST", self.path("authentication/phoneMethods"), body)
        if answer.status_code != 201:
            raise Unexpected(said(answer))
        return str(answer.json()["id"])

    def prefer(self, default: str) -> httpx.Response:
        body = {"userPreferredMethodForSecondaryAuthentication": default}
        return self.graph.ask("PATCH", self.path("authentication/signInPreferences", "/beta"), body)

    def set_default(self, default: str) -> None:
        """Their default is this from now on; `Unexpected` when Graph does not take it."""
        answer = self.prefer(default)
        if answer.status_code != 204:
            raise Unexpected(said(answer))

    def delete_phone(self, identifier: str) -> httpx.Response:
        return self.graph.ask("DELETE", self.path(f"authentication/phoneMethods/{identifier}"))

    def methods(self, version: str = "") -> set[str]:
        """The ids of what is listed, the password's among them."""
        return {str(one["id"]) for one in self.graph.list(self.path("authentication/methods", version))}


@dataclass(frozen=True, slots=True)
class People:
    """Makes and removes the test users of one run in one tenant."""

    graph: Graph
    made: Made
    tenant: str
    run: str

    def make(self, domain: str) -> tuple[Entry, Person]:
        """A new user who cannot sign in and has nothing but a password that nobody knows; Graph shows them."""
        name = f"{PREFIX}{self.run}-{secrets.token_hex(4)}@{domain}"
        entry = Entry(self.tenant, name, f"{PREFIX}{self.run}", time.time())
        self.made.meant(entry)
        body = {
            "accountEnabled": False,
            "displayName": DISPLAY_NAME,
            "mailNickname": name.partition("@")[0],
            "userPrincipalName": name,
            "employeeType": entry.mark,
            "passwordProfile": {"forceChangePasswordNextSignIn": True, "password": f"Aa1!{secrets.token_urlsafe(24)}"},
        }
        answer = self.graph.ask("POST", "/users", body, tries=1)  # a second try would find the first one's user in its way
        if answer.status_code in _REFUSED:
            self.made.gone(entry)
        if answer.status_code != 201:
            raise Unexpected(said(answer))
        entry = self.made.made(entry, str(answer.json()["id"]))
        person = Person(self.graph, entry.id)
        shown = until(lambda: self.graph.ask("GET", person.path("authentication/methods")), lambda seen: seen.status_code != 404)
        if shown.status_code != 200:
            raise Unexpected(said(shown))
        return entry, person

    def remove(self, entry: Entry) -> None:
        """The user is deleted, or is not there; `Left`. Whoever does not carry the mark is not touched."""
        select = "$select=id,userPrincipalName,displayName,employeeType"
        seen = self.graph.ask("GET", f"/users/{quote(entry.id or entry.name, safe='')}?{select}")
        if seen.status_code == 404 and time.time() - entry.at > NOT_SHOWN_YET:
            return self.made.gone(entry)
        if seen.status_code != 200:
            raise Left(f"{entry.name} may still be there: {said(seen)}.")
        user = seen.json()
        marks = user["userPrincipalName"].casefold(), user["displayName"], user["employeeType"]
        if marks != (entry.name.casefold(), DISPLAY_NAME, entry.mark) or not entry.name.startswith(PREFIX):
            raise Left(f"{entry.name} does not carry the mark of the run that is said to have made them: not touched.")
        answer = self.graph.ask("DELETE", f"/users/{quote(user['id'], safe='')}")
        if answer.status_code not in (204, 404):  # it was shown a moment ago: somebody else, or a lost answer
            raise Left(f"{entry.name} is still there: {said(answer)}.")
        return self.made.gone(entry)

    def remove_all(self) -> list[str]:
        """Why those who are left are left."""
        why = []
        for entry in self.made.left(self.tenant):
            try:
                self.remove(entry)
            except Left as left:
                why.append(str(left))
            except httpx.HTTPError as error:
                why.append(f"{entry.name} may still be there: {type(error).__name__}.")
        return why


def until[T](look: Callable[[], T], wanted: Callable[[T], bool], *, within: float = _WAIT, every: float = 1.0) -> T:
    """What `look` says once it is `wanted`, else the last that it said."""
    deadline = time.monotonic() + within
    while not wanted(seen := look()) and time.monotonic() < deadline:
        time.sleep(every)
    return seen
