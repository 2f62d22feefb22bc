"""One user of the simulated tenant: their methods, what lists still show of former ones, which method serves which default."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.people import PHONE_IDS, DefaultMethod, Method, Person


@dataclass
class Ghost:
    """What lists still show of a method after a write: `was`, in place of `now` (None: it is gone)."""

    was: Method
    now: Method | None
    until: datetime
    reads: int


@dataclass
class Account:
    """A person and what has happened to them; `removals` has `{type, id, how, at}`, `how` being deleted or deactivated."""

    person: Person
    methods: list[Method] = field(default_factory=list)
    ghosts: list[Ghost] = field(default_factory=list)
    removals: list[dict[str, Any]] = field(default_factory=list)
    revocations: list[datetime] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def sessions_revoked_at(self) -> datetime | None:
        return self.revocations[-1] if self.revocations else None

    def method(self, kind: str, identifier: str) -> Method | None:
        return next((m for m in self.methods if m.type == kind and m.id == identifier), None)

    def types(self) -> list[str]:
        """The types of the methods that are really there, the password's among them."""
        return [method.type for method in self.methods]

    def listed(self, now: datetime, wanted: Callable[[Method], bool]) -> list[Method]:
        """The methods that a list shows at this time, lag included; each call counts as one read of what it shows too long."""
        self.ghosts = [ghost for ghost in self.ghosts if now < ghost.until or ghost.reads > 0]
        stale = {id(ghost.now): ghost for ghost in self.ghosts if ghost.now}
        present = {(method.type, method.id) for method in self.methods}
        pairs = [(stale[id(m)].was, stale[id(m)]) if id(m) in stale else (m, None) for m in self.methods]
        pairs += [(g.was, g) for g in self.ghosts if g.now is None and (g.was.type, g.was.id) not in present]
        shown = [(method, ghost) for method, ghost in pairs if wanted(method)]
        for _, ghost in shown:
            if ghost:
                ghost.reads -= 1
        return [method for method, _ in shown]


def is_active_token(method: Method) -> bool:
    return method.type == "hardwareOath" and method.properties["device"]["status"] == "activated"


def is_second_factor(method: Method) -> bool:
    """Whether it is one of the methods among which a user has a default."""
    return method.type in {"phone", "microsoftAuthenticator", "softwareOath"} or is_active_token(method)


def serves(default: DefaultMethod | None, method: Method) -> bool:
    """Whether the sign-in preference `default` is answered with this method."""
    match default:
        case "push":
            return method.type == "microsoftAuthenticator"
        case "oath":
            return method.type in {"microsoftAuthenticator", "softwareOath"} or is_active_token(method)
        case "sms" | "voiceMobile":
            return method.id == PHONE_IDS["mobile"]
        case "voiceAlternateMobile":
            return method.id == PHONE_IDS["alternateMobile"]
        case "voiceOffice":
            return method.id == PHONE_IDS["office"]
        case None:
            return False
