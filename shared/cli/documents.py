"""pure: what a command found → the one JSON document that programs read, and that `tables` shows to people."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from shared import velocity
from shared.doctor.findings import Finding
from shared.doctor.findings import Status as FindingStatus
from shared.doctor.permissions import Identity
from shared.model import DeadLetter, Order, OrderReply, Reset, Switch, Switches, SwitchName, TicketRef
from shared.record import Record
from shared.settings import Settings
from shared.simulation import Simulation
from shared.verification import Checked

type Document = dict[str, Any]


def status(
    version: str,
    settings: Settings,
    switches: Switches,
    last_hour: Sequence[Reset],
    requests: Iterable[Document],
    *,
    complete: bool,
) -> Document:
    return {
        "version": version,
        "mode": settings.mode,
        "problems": {},
        "switches": {"pause": switch(switches.pause), "breaker": switch(switches.breaker)},
        "resets": {
            "lastHour": len(last_hour),
            "countedByBreaker": len(velocity.since_closed(last_hour, switches)),
            "breakerLimit": settings.limits.breaker_limit,
        },
        "requests": list(requests),
        "complete": complete,
    }


def request(record: Record) -> Document:
    """One that still has something to do, in a line."""
    return {
        "id": record.id,
        "status": record.status,
        "attempt": record.attempt,
        "waitingFor": record.waiting_for,
        "nextTryAt": _time(record.next_try_at),
        "ticket": record.ticket.number if record.ticket else None,
        "owes": [owed.kind for owed in record.owed],
    }


def unreadable(request_id: str) -> Document:
    return {"id": request_id, "status": "unreadable"}


def newer(request_id: str) -> Document:
    """Left to the newer version of the app that wrote it."""
    return {"id": request_id, "status": "newer-version"}


def simulation(made: Simulation) -> Document:
    asked = [(one.rule, one.reason, "refuses" if one.refuses else "passes", one.fact) for one in made.verdicts]
    skipped = [(rule, None, "not asked", one.why) for one in made.not_asked for rule in one.rules]
    return {
        "outcome": made.outcome,
        "reasons": made.reasons,
        "mode": made.mode,
        "profile": made.profile,
        "taken": made.taken,
        "requestId": made.request_id,
        "ticket": _ticket(made.ticket),
        "subjectId": made.subject_id,
        "rules": [dict(zip(("rule", "reason", "verdict", "fact"), one, strict=True)) for one in (*asked, *skipped)],
        "wouldRemove": [{"type": one.method.type, "id": one.method.id, "action": one.action} for one in made.removals],
        "leftAlone": [{"type": one.type, "id": one.id, "why": one.why} for one in made.left_alone],
        "lackingPermissions": made.lacking,
        "holds": [{"waitingFor": one.waiting_for, "why": one.why, "until": _time(one.until)} for one in made.holds],
        "unread": [{"what": one.what, "cause": one.cause} for one in made.unread],
    }


def breaker(now: Switch | None, limit: int, changes: Iterable[Switch]) -> Document:
    return {**switch(now), "limit": limit, "changes": [{"switch": SwitchName.BREAKER, **switch(one)} for one in changes]}


def turned(name: SwitchName, now: Switch | None, *, changed: bool) -> Document:
    return {"switch": name, "changed": changed, **switch(now)}


def dead_letters(letters: Iterable[DeadLetter], *, complete: bool) -> Document:
    return {"deadLetters": [_letter(one) for one in letters], "complete": complete}


def dead_letter(letter: DeadLetter) -> Document:
    return {**_letter(letter), "text": letter.text}


def orders(given: Iterable[tuple[Order, OrderReply | None]], *, complete: bool) -> Document:
    """`complete`: these are all that were meant."""
    return {"orders": [_order(order, reply) for order, reply in given], "complete": complete}


def verified(checked: Iterable[Checked]) -> Document:
    return {"receipts": [_checked(one) for one in checked]}


def _checked(one: Checked) -> Document:
    """`anchors` are what the receipt was held against, and who knew it; `unheard` who should know and could not be asked;
    `untold` who cannot know.
    """
    return {
        "id": one.request_id,
        "holds": one.holds,
        "entries": one.entries,
        "anchors": [
            {"from": said.witness, "hash": said.anchor.hash, "sequence": said.anchor.sequence} for said in one.testimonies
        ],
        "findings": [
            {"fault": found.fault, "line": found.line, "anchor": found.anchor.hash if found.anchor else None}
            for found in one.findings
        ],
        "unheard": [{"from": silent.witness, "cause": silent.cause} for silent in one.unheard],
        "untold": [{"from": silent.witness, "cause": silent.cause} for silent in one.untold],
    }


def doctor(version: str, settings: Settings | None, who: Identity | None, findings: Sequence[Finding], *, ok: bool) -> Document:
    """What is asked of a tenant and answered, in a constant order; `ok` is what the exit status says."""
    return {
        "version": version,
        "mode": settings.mode if settings else None,
        "ok": ok,
        "identity": {"tenant": who.tenant, "appId": who.app_id, "objectId": who.object_id} if who else None,
        "findings": [
            {
                "id": one.id,
                "status": one.status,
                "mandatory": one.mandatory,
                "what": one.what,
                "why": one.why,
                "mend": one.mend if one.status is not FindingStatus.OK else None,
            }
            for one in findings
        ],
    }


def _order(order: Order, reply: OrderReply | None) -> Document:
    """`done` is None while the app has not come to it."""
    return {
        "id": order.id,
        "what": order.what,
        "target": order.target,
        "by": order.by,
        "why": order.why,
        "done": reply.done if reply else None,
        "said": reply.said if reply else "It waits to be carried out.",
        "requestId": reply.request_id if reply else None,
    }


def _letter(letter: DeadLetter) -> Document:
    done = letter.resolution
    return {
        "id": letter.id,
        "reason": letter.reason,
        "detail": letter.detail,
        "requestId": letter.request_id,
        "ticket": _ticket(letter.ticket),
        "firstSeen": _time(letter.first_seen),
        "resolution": {"how": done.how, "by": done.by, "why": done.why, "at": _time(done.at)} if done else None,
    }


def switch(one: Switch | None) -> Document:
    if one is None:
        return {"on": False}
    return {"on": one.on, "by": one.by, "why": one.why, "since": _time(one.at)}


def _ticket(ref: TicketRef | None) -> Document | None:
    return {"system": ref.system, "table": ref.table, "sysId": ref.sys_id, "number": ref.number} if ref else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
