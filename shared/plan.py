"""Which methods go, in which order, and what the read-back proves. Pure.

Microsoft documents no single action for *require re-register*; what the admin center's button does is the profile
`require-reregister` (Microsoft Learn, "Manage user authentication methods for Microsoft Entra multifactor authentication").
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from shared.model import Action, Inventory, LeftAlone, Method, Profile, Removal, Why
from shared.record import RemovalEntry

# Fixed ids of phone methods (Microsoft Graph, "Delete phoneAuthenticationMethod")
MOBILE = "3179e48a-750b-4051-897c-87b9720928f7"
ALTERNATE_MOBILE = "b6332ec1-7057-4abe-9331-3d72feddfe41"
OFFICE = "e37fc753-ff3b-4958-9484-eaa9425c82bc"

PARITY = frozenset({"phone", "microsoftAuthenticator", "softwareOath", "hardwareOath"})
DELETABLE = PARITY | {
    "email",
    "fido2",
    "windowsHelloForBusiness",
    "platformCredential",
    "temporaryAccessPass",
    "external",
    "qrCodePin",
}
PASSWORD = "password"  # noqa: S105
KNOWN = DELETABLE | {PASSWORD}

_ORDER = (
    *("email", "fido2", "windowsHelloForBusiness", "platformCredential", "external", "qrCodePin", "temporaryAccessPass"),
    OFFICE,
    ALTERNATE_MOBILE,  # Graph deletes no mobile number while there is an alternate one
    "softwareOath",
    "microsoftAuthenticator",
    MOBILE,
    "phone",
    "hardwareOath",
)

# Which methods a value of userPreferredMethodForSecondaryAuthentication may stand for
_DEFAULTS = {
    "push": frozenset({"microsoftAuthenticator"}),
    "oath": frozenset({"softwareOath", "hardwareOath", "microsoftAuthenticator"}),
    "voiceMobile": frozenset({MOBILE}),
    "sms": frozenset({MOBILE}),
    "voiceAlternateMobile": frozenset({ALTERNATE_MOBILE}),
    "voiceOffice": frozenset({OFFICE}),
}
_PREFERENCES = {"microsoftAuthenticator": "push", "softwareOath": "oath", MOBILE: "voiceMobile", OFFICE: "voiceOffice"}


@dataclass(frozen=True, slots=True)
class Plan:
    """`removals` in the order in which Graph will accept them; `left_alone` what stays, and why.

    `staying` are those that stay and can be a default: a passkey or Windows Hello key cannot. `listed_again` can be one too: they
    are gone already, and are listed by lag, or because the person has registered them again.
    """

    removals: tuple[Removal, ...]
    left_alone: tuple[LeftAlone, ...]
    default: str | None = None
    staying: tuple[Method, ...] = ()
    listed_again: tuple[Method, ...] = ()

    @property
    def deadlocked(self) -> bool:
        """Graph is known to refuse the default: a default goes last, but another method stays, or must go after it.

        The alternate mobile number goes before the mobile number in any case. Where what stays may be the default itself,
        nothing is known.
        """
        may_be_default = [removal.method for removal in self.removals if _is_default(removal.method, self.default)]
        if not may_be_default or any(_is_default(method, self.default) for method in self.staying):
            return False
        ids = {removal.method.id for removal in self.removals}
        return bool(self.staying) or (self.default == "voiceAlternateMobile" and {MOBILE, ALTERNATE_MOBILE} <= ids)

    @property
    def other_default(self) -> str | None:
        """A default to choose so that the present one may be deleted: what stays, else what goes last, else what is back."""
        return _preference(self.staying) or preferable(self.removals, self.default) or _preference(self.listed_again)

    def with_default(self, default: str) -> "Plan":
        """The same plan after the default was changed."""
        return replace(self, removals=in_order(self.removals, default), default=default)


def _kind(method: Method) -> str:
    return method.id if method.type == "phone" and method.id in (MOBILE, ALTERNATE_MOBILE, OFFICE) else method.type


def _key(thing: Method | RemovalEntry) -> tuple[str, str]:
    return thing.type, thing.id


def _is_default(method: Method, default: str | None) -> bool:
    return default is not None and _kind(method) in _DEFAULTS.get(default, frozenset())


def in_order(removals: Iterable[Removal], default: str | None) -> tuple[Removal, ...]:
    """The documented order, with everything that may be the default at its end."""
    return tuple(
        sorted(
            removals,
            key=lambda r: (_is_default(r.method, default), _ORDER.index(_kind(r.method)), r.method.id),
        )
    )


def preferable(removals: Iterable[Removal], default: str | None) -> str | None:
    """Another default to choose, so that the present one may be deleted before it: what will be deleted last, if there is any."""
    others = [removal.method for removal in in_order(removals, None) if not _is_default(removal.method, default)]
    return _preference(reversed(others))


def _preference(methods: Iterable[Method]) -> str | None:
    """The default that the first of these methods which can be one stands for."""
    return next((_PREFERENCES[_kind(method)] for method in methods if _kind(method) in _PREFERENCES), None)


def make_plan(
    first: Iterable[Method],
    current: Inventory,
    entries: Iterable[RemovalEntry],
    profile: Profile,
    accepted_at: datetime,
) -> Plan:
    """What is still to be removed of the first inventory, given what is registered now and what is gone already.

    A method that was created at or after `accepted_at`, or that changed since the first inventory, is left alone.
    """
    full = profile is Profile.FULL_RESET
    gone = {_key(entry) for entry in entries if entry.gone_at and not (full and entry.action is Action.DEACTIVATE)}
    now = {_key(method): method for method in current.methods}
    removals = []
    left = [
        LeftAlone(method.type, method.id, Why.REGISTERED_SINCE)
        for key, method in now.items()
        if key not in {_key(m) for m in first}
    ]
    for method in first:
        if _key(method) in gone:
            continue
        why = _why_left(method, now.get(_key(method)), profile, accepted_at)
        if why:
            left.append(LeftAlone(method.type, method.id, why))
        elif method.type == "hardwareOath" and profile is Profile.REQUIRE_REREGISTER:
            if method.active is not False:
                removals.append(Removal(method, Action.DEACTIVATE))
        else:
            removals.append(Removal(method))
    stays = {(one.type, one.id) for one in left}
    can_be_default = {key: method for key, method in now.items() if method.type in PARITY and method.active is not False}
    staying = tuple(method for key, method in can_be_default.items() if key in stays)
    listed_again = tuple(method for key, method in can_be_default.items() if key in gone)
    return Plan(in_order(removals, current.default), tuple(left), current.default, staying, listed_again)


def _why_left(method: Method, now: Method | None, profile: Profile, accepted_at: datetime) -> Why | None:
    if method.type not in KNOWN:
        return Why.UNKNOWN_TYPE
    if method.type == PASSWORD:
        return Why.PROFILE
    if _is_new(method, accepted_at) or (now is not None and (_is_new(now, accepted_at) or now.created_at != method.created_at)):
        return Why.REGISTERED_SINCE
    return Why.PROFILE if profile is Profile.REQUIRE_REREGISTER and method.type not in PARITY else None


def _is_new(method: Method, accepted_at: datetime) -> bool:
    """Graph's times are whole seconds: a method of the same second is a tie, and left alone."""
    return method.created_at is not None and method.created_at >= accepted_at.replace(microsecond=0)


def effected(current: Inventory, entries: Iterable[RemovalEntry]) -> tuple[RemovalEntry, ...]:
    """Deactivations that were meant, and that the listing shows as done: their answer was lost, and a second one is refused."""
    inactive = {_key(method) for method in current.methods if method.active is False}
    return tuple(
        entry for entry in entries if entry.action is Action.DEACTIVATE and not entry.gone_at and _key(entry) in inactive
    )


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a later listing shows: what should be gone and is not (lag, at first), and what is there and may be."""

    still_there: tuple[Method, ...]
    left_alone: tuple[LeftAlone, ...]


def read_back(
    first: Iterable[Method], current: Inventory, entries: Iterable[RemovalEntry], profile: Profile, accepted_at: datetime
) -> ReadBack:
    """Compares a listing with what was removed. An id that is back with another creation time has been registered since."""
    entries = tuple(entries)
    before = {_key(method): method for method in first}
    gone = {_key(entry): entry for entry in entries if entry.gone_at}
    still_there = []
    left = list(make_plan(tuple(before.values()), current, entries, profile, accepted_at).left_alone)
    for method in current.methods:
        entry = gone.get(_key(method))
        if entry is None:
            continue
        if method.created_at != before[_key(method)].created_at or _is_new(method, accepted_at):
            left.append(LeftAlone(method.type, method.id, Why.REGISTERED_SINCE))
        elif entry.action is not Action.DEACTIVATE or method.active:
            still_there.append(method)
    listed = {_key(method) for method in current.methods}
    return ReadBack(tuple(still_there), tuple(one for one in left if (one.type, one.id) in listed))
