"""Whether a tenant may be tried on: facts and what was typed → every reason why not. None: it looks like a test tenant.

Pure. A fact that could not be read is a reason; there is no value that a rule could take for a yes.
"""

from collections.abc import Callable
from dataclasses import dataclass

MOST_USERS = 200
MOST_SEATS = 200
TEST_WORDS = frozenset({"test", "tests", "testing", "dev", "development", "developer", "sandbox", "demo", "lab", "trial"})
OWN_DOMAINS = (".onmicrosoft.com", ".onmicrosoft.us", ".partner.onmschina.cn")
"""What every tenant gets from Microsoft, in each cloud; a domain that somebody brought along says that people work there."""
NEEDED = frozenset({"User.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All"})
"""To make a user is also to be able to delete it: a token that lacks one of these would leave something behind."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What a human has typed about the tenant that they mean."""

    tenant: str
    confirmed: str
    domains: frozenset[str] = frozenset()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the services say. `seats` is the largest number of seats in use of one licence.

    `app_tenant` is None without a token of the app's identity, `mode` without a deployed app.
    """

    tenant: str | Unread
    name: str | Unread
    domains: tuple[str, ...] | Unread
    synced: bool | Unread
    users: int | Unread
    seats: int | Unread
    permissions: frozenset[str] | Unread
    app_tenant: str | Unread | None
    mode: str | Unread | None


type Rule = Callable[[Facts, Typed], str | None]


def typed_twice(_: Facts, typed: Typed) -> str | None:
    if typed.tenant.casefold() != typed.confirmed.casefold():
        return "LIVE_CONFIRM is not the tenant id of LIVE_TENANT_ID."
    return None


def the_tenant_that_was_typed(facts: Facts, typed: Typed) -> str | None:
    if isinstance(facts.tenant, Unread):
        return _unread("which tenant the token is for", facts.tenant)
    if facts.tenant.casefold() != typed.tenant.casefold():
        return f"The token is for another tenant: {facts.tenant}."
    return None


def named_for_tests(facts: Facts, typed: Typed) -> str | None:
    if isinstance(facts.name, Unread):
        return _unread("the tenant's name", facts.name)
    words = "".join(one if one.isalnum() else " " for one in facts.name.casefold()).split()
    if TEST_WORDS.isdisjoint(words) and (not facts.name or facts.name != typed.name):
        return f"The tenant's name does not say that it is for tests: “{facts.name}”. If it is, type it in LIVE_ALLOWED_NAME."
    return None


def no_domain_of_its_own(facts: Facts, typed: Typed) -> str | None:
    if isinstance(facts.domains, Unread):
        return _unread("the tenant's verified domains", facts.domains)
    if not facts.domains:
        return "No verified domain is shown, and every tenant has one."
    allowed = {one.casefold() for one in typed.domains}
    own = [one for one in facts.domains if not one.casefold().endswith(OWN_DOMAINS) and one.casefold() not in allowed]
    if own:
        return f"The tenant has domains of its own: {', '.join(sorted(own))}. If none is for work: LIVE_ALLOWED_DOMAINS."
    return None


def not_synchronised(facts: Facts, _: Typed) -> str | None:
    if isinstance(facts.synced, Unread):
        return _unread("whether users come from another directory", facts.synced)
    return "Users are synchronised from another directory." if facts.synced else None


def few_users(facts: Facts, _: Typed) -> str | None:
    if isinstance(facts.users, Unread):
        return _unread("how many users there are", facts.users)
    if not 1 <= facts.users <= MOST_USERS:
        return f"There are {facts.users} users; a test tenant has 1 to {MOST_USERS}."
    return None


def few_seats(facts: Facts, _: Typed) -> str | None:
    if isinstance(facts.seats, Unread):
        return _unread("how many seats of a licence are in use", facts.seats)
    if not 0 <= facts.seats <= MOST_SEATS:
        return f"{facts.seats} seats of one licence are in use; in a test tenant there are at most {MOST_SEATS}."
    return None


def may_clean_up(facts: Facts, _: Typed) -> str | None:
    if isinstance(facts.permissions, Unread):
        return _unread("what the token may do", facts.permissions)
    if lacking := NEEDED - facts.permissions:
        return f"The token could not remove what it makes: it lacks {', '.join(sorted(lacking))}."
    return None


def the_apps_identity_is_of_this_tenant(facts: Facts, typed: Typed) -> str | None:
    if isinstance(facts.app_tenant, Unread):
        return _unread("which tenant LIVE_APP_TOKEN is for", facts.app_tenant)
    if facts.app_tenant is not None and facts.app_tenant.casefold() != typed.tenant.casefold():
        return f"LIVE_APP_TOKEN is for another tenant: {facts.app_tenant}."
    return None


def the_app_only_looks(facts: Facts, _: Typed) -> str | None:
    if isinstance(facts.mode, Unread):
        return _unread("the mode of the app", facts.mode)
    if facts.mode not in (None, "dry-run"):
        return f"The app at LIVE_APP_URL does not run in dry-run but in {facts.mode}."
    return None


SAME_TENANT: tuple[Rule, ...] = (typed_twice, the_tenant_that_was_typed)
"""Enough to remove what an earlier run has made there."""
RULES: tuple[Rule, ...] = (
    *SAME_TENANT,
    named_for_tests,
    no_domain_of_its_own,
    not_synchronised,
    few_users,
    few_seats,
    may_clean_up,
    the_apps_identity_is_of_this_tenant,
    the_app_only_looks,
)


def refusals(facts: Facts, typed: Typed, rules: tuple[Rule, ...] = RULES) -> list[str]:
    """Every reason why nothing may be written there, in the order of the rules."""
    return [why for rule in rules if (why := rule(facts, typed))]


def _unread(what: str, fact: Unread) -> str:
    return f"Nobody can say {what}: {fact.why}."
