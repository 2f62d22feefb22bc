"""pure: what the entries of a receipt say. Identifiers, codes and times; never numbers, names, addresses or ticket text."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from shared.model import Inventory, LeftAlone, Method, Removal, Standing, Ticket, Verdict
from shared.record import Owed, Pins, Record, RemovalEntry, StepTaken

type Statement = dict[str, Any]

REVOCATION: Statement = {"action": "revoke-sessions"}


def accepted(record: Record) -> Statement:
    """What asked for it, and since when it is taken to have asked. Who did stands in the sender's own records."""
    ticket = record.ticket
    return {
        "cause": {"source": record.cause.source, "id": record.cause.id},
        "ticket": ticket and {"system": ticket.system, "table": ticket.table, "sysId": ticket.sys_id, "number": ticket.number},
        "mode": record.mode,
        "profile": record.profile,
        "acceptedAt": iso(record.accepted_at),
    }


def ticket_facts(ticket: Ticket, pins: Pins) -> Statement:
    """The ticket as it was read, and what its first reading has bound."""
    return {
        "of": "ticket",
        "active": ticket.active,
        "state": ticket.state,
        "approval": ticket.approval,
        "catalogItem": ticket.catalog_item,
        "requestedFor": ticket.requested_for,
        "openedBy": ticket.opened_by,
        "approvals": [
            {"approver": one.approver, "state": one.state, "updatedAt": one.updated_at and iso(one.updated_at)}
            for one in ticket.approvals
        ],
        "pins": {
            "subjectId": pins.subject_id,
            "requestedFor": pins.ticket_subject,
            "openedBy": pins.ticket_opened_by,
        },
    }


def person_facts(person_id: str, standing: Standing, last_reset: datetime | None) -> Statement:
    return {
        "of": "person",
        "subjectId": person_id,
        "activeRoles": list(standing.active),
        "eligibleRoles": list(standing.eligible),
        "roleGroups": list(standing.role_groups),
        "lastReset": last_reset and iso(last_reset),
    }


def decision(verdicts: Iterable[Verdict]) -> Statement:
    return {"verdicts": [{"rule": one.rule, "reason": one.reason, "refuses": one.refuses, "fact": one.fact} for one in verdicts]}


def inventory(listing: Inventory) -> Statement:
    return {"methods": [_method(one) for one in listing.methods], "requestId": listing.request_id}


def removal(one: Removal) -> Statement:
    """What is meant by an intent, or was done by a call."""
    return {"action": one.action, "type": one.method.type, "id": one.method.id}


def change_of_default(target: str) -> Statement:
    return {"action": "change-default", "to": target}


def answered(status: int, request_id: str | None) -> Statement:
    return {"status": status, "requestId": request_id}


def failed(cause: str) -> Statement:
    """`cause` is an adapter's own words: the call, its status, the other side's code and request id."""
    return {"failed": cause}


def outcome(record: Record) -> Statement:
    """How the attempt ended, and what the journal knows of its changes: what a worker that died had seen may be here alone."""
    return {
        "outcome": record.outcome,
        "reasons": list(record.reasons),
        "mode": record.mode,
        "profile": record.profile,
        "subjectId": record.pins.subject_id,
        "removed": [_entry(one) for one in record.removals if one.gone_at],
        "notRemoved": [_entry(one) for one in record.removals if not one.gone_at],
        "wouldRemove": [_identity(one) for one in record.would_remove],
        "leftAlone": [{**_identity(one), "why": one.why} for one in record.left_alone],
        "sessionsRevokedAt": record.revoked_at and iso(record.revoked_at),
        "steps": [_step(one) for one in record.steps if one.at >= record.attempts_opened[-1]],
    }


def told(owed: Owed) -> Statement:
    return {"what": owed.kind}


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _method(method: Method) -> Statement:
    return {**_identity(method), "createdAt": method.created_at and iso(method.created_at)}


def _identity(one: Method | LeftAlone | RemovalEntry) -> Statement:
    return {"type": one.type, "id": one.id}


def _entry(one: RemovalEntry) -> Statement:
    return {
        **_identity(one),
        "action": one.action,
        "attempt": one.attempt,
        "intendedAt": iso(one.intended_at),
        "goneAt": one.gone_at and iso(one.gone_at),
    }


def _step(one: StepTaken) -> Statement:
    return {"name": one.name, "at": iso(one.at), "detail": one.detail, "requestId": one.graph_request_id}
