"""How many resets are let through: by person, by who asks and who approves, and in the whole tenant. Pure.

A reset counts from just before its first change, whatever becomes of it. A dry run never counts, and a
request never meets its own earlier attempt.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.guardrails import Limits
from shared.intake import WEBHOOK_SOURCE
from shared.journal import CLOCK_SKEW
from shared.model import Reset, Switches, WaitingFor
from shared.record import Record

HOUR = timedelta(hours=1)
KEPT = HOUR + 2 * CLOCK_SKEW  # for a worker whose clock is behind: its hour goes further back than ours


@dataclass(frozen=True, slots=True)
class Hold:
    """A reset waits: for `until`, when an hour has passed for enough of those before it; without one, for a human."""

    waiting_for: WaitingFor
    why: str
    until: datetime | None = None


def actors(record: Record, opened_by: str | None, approvers: Iterable[str]) -> tuple[str, ...]:
    """Who answers for a reset: who opened and approved its ticket, or whom its sender names; and the sender, save our webhook."""
    source = (f"source:{record.cause.source}",) if record.cause.source != WEBHOOK_SOURCE else ()
    if record.ticket is not None:
        return (*source, f"requester:{opened_by}", *(f"approver:{one}" for one in sorted(approvers)))
    return (*source, *((f"requester:{record.requested_by}",) if record.requested_by else ()))


def within_hour(resets: Iterable[Reset], now: datetime, *, but: str = "") -> tuple[Reset, ...]:
    """The resets of the last hour, those of request `but` left out."""
    return tuple(one for one in resets if now - one.at < HOUR and one.request_id != but)


def with_this(resets: Iterable[Reset], reset: Reset) -> tuple[Reset, ...]:
    """What the ledger holds once `reset` is counted: longer than anybody counts, and each request once."""
    others = (one for one in resets if one.request_id != reset.request_id)
    return (*(one for one in others if reset.at - one.at < KEPT), reset)


def held(resets: Iterable[Reset], reset: Reset, switches: Switches, limits: Limits) -> Hold | None:
    """What keeps `reset` from being made at its `at`; None when nothing does. At its limit the breaker is to be opened."""
    others = within_hour(resets, reset.at, but=reset.request_id)
    if len(since_closed(others, switches)) >= limits.breaker_limit:
        return Hold(WaitingFor.BREAKER, f"{limits.breaker_limit} resets in an hour")
    ends = [end for actor in reset.actors if (end := _frees(others, actor, limits.actor_hourly_limit, reset.at)) is not None]
    return Hold(WaitingFor.RATE_LIMIT, f"{limits.actor_hourly_limit} an hour for one actor", max(ends)) if ends else None


def since_closed(resets: Iterable[Reset], switches: Switches) -> tuple[Reset, ...]:
    """The resets that the breaker counts: those before a human closed it were looked at."""
    breaker = switches.breaker
    return tuple(one for one in resets if breaker is None or breaker.on or one.at > breaker.at)


def _frees(others: tuple[Reset, ...], actor: str, limit: int, now: datetime) -> datetime | None:
    """When this actor may act again; None when they may now."""
    times = sorted(one.at for one in others if actor in one.actors)
    if len(times) < limit:
        return None
    return times[len(times) - limit] + HOUR if limit else now + HOUR


def came_to_something(record: Record | None) -> bool:
    """Whether a counted reset changed anything: one that was kept from its first change did not."""
    return record is None or bool(record.removals) or record.revoked_at is not None
