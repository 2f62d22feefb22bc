"""Everything the app says to people and programs: ticket notes, HTTP answers, result events. Pure; all sentences are here.

What each audience learns differs on purpose: work notes and events carry the reason, the customer's comment never does, so that
it cannot hint that somebody is an administrator. Nowhere is there a phone number, a device name or ticket text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import guardrails
from shared.identity import event_request_id
from shared.intake import WEBHOOK_SOURCE
from shared.model import (
    AlertKind,
    Cause,
    DeadLetter,
    LeftAlone,
    Mode,
    Note,
    Outcome,
    Profile,
    Reason,
    Switch,
    TicketRef,
    WaitingFor,
    Why,
)
from shared.receipt import Anchor
from shared.record import Owed, OwedKind, Record, RemovalEntry

SOURCE = "urn:reregister"
TYPE = "mfa.reregistration"
_RECEIPT = "Receipt: "  # what stands before the hash in an outcome note

SENTENCES: dict[Reason, str] = {
    Reason.PAYLOAD_INVALID: "The request was not well formed.",
    Reason.PAYLOAD_MISMATCH: "The same event was sent again with other content.",
    Reason.REQUEST_EXPIRED: "The event that asked for it is too old.",
    Reason.SOURCE_NOT_TRUSTED: "The sender may not ask without a ticket.",
    Reason.PROFILE_NOT_ALLOWED: "The profile that was asked for does not exist or is not allowed.",
    Reason.TICKET_SYSTEM_NOT_CONFIGURED: "No ticket system is configured to read the ticket from.",
    Reason.TICKET_NOT_FOUND: "The ticket does not exist, may not be read, or has another number.",
    Reason.TICKET_CHANGED: "The ticket's subject or opener is no longer who it was at the first reading.",
    Reason.TICKET_NOT_FOR_RESET: "A ticket of this table or catalog item does not justify a reset.",
    Reason.TICKET_CLOSED: "The ticket is closed.",
    Reason.TICKET_NOT_APPROVED: "The ticket is not approved by as many people on record as are required.",
    Reason.APPROVER_NOT_INDEPENDENT: (
        "Too few approvals come from somebody who may give one: neither the subject, nor who opened the ticket, nor our own "
        "account, and a member of the approver group where there is one."
    ),
    Reason.APPROVAL_EXPIRED: "The approval is too old.",
    Reason.PROOF_MISSING: "The ticket does not attest that identity was proven in a way that is accepted.",
    Reason.TICKET_SUBJECT_MISSING: "The ticket is for nobody who can be found in the directory by an identifier.",
    Reason.USER_NOT_FOUND: "The directory has no such user.",
    Reason.USER_GUEST: "The person is a guest; their methods live in their home tenant.",
    Reason.USER_DISABLED: "The account is disabled.",
    Reason.USER_PROTECTED: "The person is protected from automatic resets.",
    Reason.USER_PRIVILEGED: (
        "The person holds a directory role or may activate one, or belongs to a role-assignable group; administrators are reset "
        "by hand only."
    ),
    Reason.USER_MANAGEMENT_RESTRICTED: "The person is in a restricted management administrative unit.",
    Reason.USER_OUT_OF_SCOPE: "The person is not in a group that this service is for.",
    Reason.COOLDOWN: "The person was reset only recently.",
    Reason.REMOVED: "The person must register for multifactor authentication again; this was read back.",
    Reason.NOTHING_TO_REMOVE: "Nothing was registered that the profile removes; this was read back.",
    Reason.DRY_RUN: "This was a dry run: nothing was changed.",
    Reason.DEFAULT_METHOD_STUCK: "Microsoft Entra will not delete the default method; change the default, then try again.",
    Reason.UNKNOWN_METHOD: "A method of a type that this service does not know is still registered.",
    Reason.NOT_REMOVED: "A method that was deleted is still listed after waiting.",
    Reason.GRAPH_FORBIDDEN: "Microsoft Graph refused: the managed identity lacks a permission.",
    Reason.GRAPH_UNAVAILABLE: "Microsoft Graph could not be reached for too long.",
    Reason.TICKET_SYSTEM_FORBIDDEN: "The ticket system refused the managed identity.",
    Reason.TICKET_SYSTEM_UNAVAILABLE: "The ticket system could not be reached for too long.",
    Reason.INTERNAL_ERROR: "Something went wrong that has no name; the service's own log says more.",
}

_WAITING: dict[WaitingFor | None, str] = {
    WaitingFor.GRAPH: "Microsoft Graph is not available or asks us to wait",
    WaitingFor.TICKET_SYSTEM: "the ticket system is not available or asks us to wait",
    WaitingFor.STORAGE: "our own storage is not available",
    WaitingFor.RATE_LIMIT: "an hourly limit is reached",
    WaitingFor.BREAKER: "the safety switch has opened",
    WaitingFor.PAUSED: "the service is paused",
    None: "something went wrong and is tried again",
}

_COMMENT_DONE = (
    "Your sign-in methods were reset as you asked. Sign in as usual from a device you trust: you will be asked to set up "
    "multifactor authentication again. Nobody will call you or send you a link for this. If you did not ask for it, tell the "
    "service desk now."
)
_COMMENT_NOTHING = (
    "No sign-in methods were registered for you that had to be reset. You will be asked to set up multifactor authentication "
    "when you next sign in. Nobody will call you or send you a link for this. If you did not ask for it, tell the service desk."
)
_COMMENT_OTHERWISE = "This request needs a person to look at it. The service desk will be in touch."

# ---- notes on the ticket


def marker(record: Record, kind: OwedKind) -> str:
    return f"[{record.id}#{record.attempt} {kind}]"


def told_anchors(activity: str, request_id: str) -> tuple[Anchor, ...]:
    """The receipts' hashes that stand in the outcome notes of this request, in a ticket with this `activity`."""
    told = rf"\[{request_id}#\d+ {OwedKind.OUTCOME_NOTE}\] Outcome: (?:(?!\[{request_id}#).)*?{_RECEIPT}([0-9a-f]{{64}})"
    return tuple(Anchor(found) for found in re.findall(told, activity, re.DOTALL))


def start_note(record: Record) -> Note:
    mark = marker(record, OwedKind.START_NOTE)
    how = "as a dry run, so nothing will be changed" if record.mode is Mode.DRY_RUN else f"with profile {record.profile}"
    return Note(mark, f"{mark} Work on requiring re-registration of multifactor authentication has started, {how}.")


def waiting_note(record: Record) -> Note:
    mark = marker(record, OwedKind.WAITING_NOTE)
    for_a_human = record.waiting_for in (WaitingFor.PAUSED, WaitingFor.BREAKER)
    until = f" Next try after {_clock(record.next_try_at)}." if record.next_try_at and not for_a_human else ""
    return Note(mark, f"{mark} Waiting, because {_WAITING[record.waiting_for]}.{until} Nothing is lost.")


def outcome_note(record: Record, *, done_state: str | None, withdrawn: bool) -> Note:
    """The one note with the outcome. `withdrawn`: the ticket no longer allows what had already begun."""
    mark = marker(record, OwedKind.OUTCOME_NOTE)
    lines = [f"{mark} Outcome: {record.outcome}, reason: {record.reason}.", *(SENTENCES[reason] for reason in record.reasons)]
    if others := record.reasons[1:]:
        lines.append(f"All reasons: {', '.join((record.reasons[0], *others))}.")
    lines += _verdicts(record)
    gone = removed(record)
    if gone:
        verb = "Would have been removed" if record.mode is Mode.DRY_RUN else "Removed"
        lines.append(f"{verb}: {_counted(entry.type for entry in gone)}.")
    for why, types in _left_alone_by_why(record).items():
        lines.append(f"Left alone ({why}): {_counted(types)}.")
    if record.revoked_at:
        lines.append(f"Sign-in sessions were revoked at {_clock(record.revoked_at)}.")
    if withdrawn:
        lines.append("The ticket no longer allowed this when it was finished; removal had begun, so it was carried to its end.")
    if record.receipt:
        lines.append(f"{_RECEIPT}{record.receipt.hash}")
    comment = None
    if record.mode is not Mode.DRY_RUN:
        done = _COMMENT_NOTHING if record.reason is Reason.NOTHING_TO_REMOVE else _COMMENT_DONE
        comment = f"{done if record.outcome is Outcome.DONE else _COMMENT_OTHERWISE} {mark}"
    finished = record.outcome is Outcome.DONE and record.mode is Mode.ENFORCE
    return Note(mark, "\n".join(lines), comment, done_state if finished else None)


def _verdicts(record: Record) -> Iterable[str]:
    """Every rule's verdict. Rules that were not asked for want of their facts let nothing through: something refused before."""
    refusing = [verdict.rule for verdict in record.verdicts if verdict.refuses]
    passed = [verdict.rule for verdict in record.verdicts if not verdict.refuses]
    asked = {verdict.rule for verdict in record.verdicts}
    open_ = [rule.name for rule in guardrails.RULES if rule.name not in asked and asked and record.outcome is Outcome.REFUSED]
    for what, rules in (("Rules that refuse", refusing), ("Rules passed", passed), ("Rules not asked", open_)):
        if rules:
            yield f"{what}: {', '.join(rules)}."


def _left_alone_by_why(record: Record) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for left in record.left_alone:
        found.setdefault(left.why, []).append(left.type)
    return found


def _counted(types: Iterable[str]) -> str:
    return ", ".join(f"{kind} × {count}" if count > 1 else kind for kind, count in Counter(types).items())


def _clock(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


# ---- result events


def removed(record: Record) -> tuple[RemovalEntry, ...]:
    """What is gone by this request; in a dry run, what would have gone."""
    if record.mode is Mode.DRY_RUN:
        return record.would_remove
    return tuple(entry for entry in record.removals if entry.gone_at)


def result_event(record: Record) -> dict[str, Any]:
    """The CloudEvent that says how an attempt ended; its `id` is the same however often it is sent."""
    assert record.outcome is not None
    assert record.ended_at is not None
    data = {
        **_facts(record),
        "removed": [{"type": entry.type, "id": entry.id} for entry in removed(record)],
        "leftAlone": _left_alone(record),
        **_receipt(record),
    }
    return _event(record.outcome, f"{record.id}#{record.attempt}", record.id, record.ended_at, data)


def _facts(record: Record) -> dict[str, Any]:
    """What result and alert say of an attempt: how it ended, and by what its sender knows it."""
    data: dict[str, Any] = {
        "requestId": record.id,
        "attempt": record.attempt,
        "outcome": record.outcome,
        "reason": record.reason,
        "reasons": list(record.reasons),
        "profile": record.profile,
        "mode": record.mode,
    }
    if record.ticket:
        data["ticket"] = _ticket(record.ticket)
    if record.cause.source != WEBHOOK_SOURCE:  # a message: its sender knows it by this
        data["cause"] = _cause(record.cause)
    if record.reopened_by:
        data["reopenedBy"] = record.reopened_by
    if record.pins.subject_id:
        data["subjectId"] = record.pins.subject_id
    return data


def mismatch_event(record: Record, cause: Cause, now: datetime) -> dict[str, Any]:
    """The refusal of an event whose identity was used before with other content; the first request is not touched."""
    outcome, reason = Outcome.REFUSED, Reason.PAYLOAD_MISMATCH
    return _unattempted(outcome, record.id, record.attempt, reason, record.profile, record.mode, cause, now)


def invalid_event(cause: Cause, mode: Mode, now: datetime) -> dict[str, Any]:
    """The refusal of a message that has an identity and nothing else that can be read."""
    outcome, reason, profile = Outcome.REFUSED, Reason.PAYLOAD_INVALID, Profile.REQUIRE_REREGISTER
    return _unattempted(outcome, event_request_id(cause), 1, reason, profile, mode, cause, now)


def _unattempted(
    outcome: Outcome, request_id: str, attempt: int, reason: Reason, profile: Profile, mode: Mode, cause: Cause, now: datetime
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "requestId": request_id,
        "attempt": attempt,
        "outcome": outcome,
        "reason": reason,
        "reasons": [reason],
        "profile": profile,
        "mode": mode,
        "cause": _cause(cause),
        "removed": [],
        "leftAlone": [],
    }
    return _event(outcome, f"{event_request_id(cause)}#{reason}", request_id, now, data)


# ---- dead letters

NOT_ENCODED = "It is not base64 of UTF-8 text, as the messages on this queue are."
NOT_ORDERED = "It says that an operator wants a request attempted again, and no operator has ordered that."
NEVER_TAKEN_IN = "It was given up before anything of it could be remembered."
BROKEN_RECORD = (
    "What is stored of this request contradicts itself: somebody else has written to the journal. What was done about it before "
    "cannot be told, and nothing more will be."
)


def dead_letter_alert(letter: DeadLetter) -> dict[str, Any]:
    """A message could not be processed, and is kept until somebody has looked; the same id however often it is sent."""
    data: dict[str, Any] = {"kind": AlertKind.DEAD_LETTER, "deadLetterId": letter.id, "reason": letter.reason}
    if letter.request_id:
        data["requestId"] = letter.request_id
    if letter.ticket:
        data["ticket"] = _ticket(letter.ticket)
    event_id = f"{AlertKind.DEAD_LETTER}/{letter.id}#{_iso(letter.first_seen)}"
    return _event(ALERT, event_id, letter.request_id, letter.first_seen, data)


def dead_letter_result(letter: DeadLetter, cause: Cause, mode: Mode) -> dict[str, Any]:
    """What the sender of a dead letter learns: no attempt was made of it."""
    if letter.reason is Reason.PAYLOAD_INVALID:
        return invalid_event(cause, mode, letter.first_seen)
    outcome, request_id = _outcome(letter), letter.request_id or event_request_id(cause)
    event = _unattempted(outcome, request_id, 0, letter.reason, Profile.REQUIRE_REREGISTER, mode, cause, letter.first_seen)
    if letter.ticket:
        event["data"]["ticket"] = _ticket(letter.ticket)
    if cause.source == WEBHOOK_SOURCE:
        del event["data"]["cause"]
    return event


def dead_letter_note(letter: DeadLetter, mode: Mode) -> Note:
    """What the desk can do. It stands once on a ticket: the next letter about it has an alert of its own."""
    mark = f"[{letter.request_id}#0 {OwedKind.OUTCOME_NOTE}]"
    lines = [
        f"{mark} Outcome: {_outcome(letter)}, reason: {letter.reason}.",
        f"An event for this ticket could not be processed. {letter.detail}",
        f"It is kept as dead letter {letter.id} until somebody has looked at it. An operator may have it attempted again "
        f"(reregister reopen {letter.id}); where that is not possible, a new ticket is needed.",
    ]
    return Note(mark, "\n".join(lines), None if mode is Mode.DRY_RUN else f"{_COMMENT_OTHERWISE} {mark}")


def _outcome(letter: DeadLetter) -> Outcome:
    return Outcome.FAILED if letter.reason is Reason.INTERNAL_ERROR else Outcome.REFUSED


# ---- alerts: what somebody should look at, whatever becomes of the request

ALERT = "alert"
_REASON_ALERTS = {
    Reason.USER_PRIVILEGED: OwedKind.PRIVILEGED_ALERT,
    Reason.USER_PROTECTED: OwedKind.PROTECTED_ALERT,
    Reason.INTERNAL_ERROR: OwedKind.INTERNAL_ERROR_ALERT,
}


def alerts(record: Record) -> dict[OwedKind, dict[str, Any]]:
    """The alerts that an attempt which has ended gives rise to."""
    kinds = [kind for reason, kind in _REASON_ALERTS.items() if reason in record.reasons]
    if _registered_since(record):
        kinds.append(OwedKind.METHOD_ALERT)
    return {kind: _alert_event(record, kind) for kind in kinds}


def _registered_since(record: Record) -> list[LeftAlone]:
    return [left for left in record.left_alone if left.why is Why.REGISTERED_SINCE]


def _alert_event(record: Record, kind: OwedKind) -> dict[str, Any]:
    assert record.ended_at is not None
    more: dict[str, Any] = {"reason": record.reason, "reasons": list(record.reasons)}
    if kind is OwedKind.METHOD_ALERT:
        more["methods"] = [{"type": left.type, "id": left.id} for left in _registered_since(record)]
    return _request_alert(record, kind, record.ended_at, more)


def unfinished_alert(record: Record, now: datetime) -> dict[str, Any]:
    """A reset that has begun is not finished, and what it waits for: a service, or None after an error without a name."""
    begun = min(entry.intended_at for entry in record.removals if entry.attempt == record.attempt)
    more = {"waitingFor": record.waiting_for, "begun": _iso(begun)}
    return _request_alert(record, OwedKind.UNFINISHED_ALERT, now, more)


def not_delivered_alert(record: Record, lost: Iterable[Owed], now: datetime) -> dict[str, Any]:
    """Notes and events that were given up, each with its attempt. Another loss is another alert."""
    what = [{"attempt": one.attempt, "what": one.kind} for one in lost]
    told_apart = "+".join(f"{one['attempt']}-{one['what']}" for one in what)
    return _request_alert(record, OwedKind.NOT_DELIVERED_ALERT, now, {"notDelivered": what}, f"/{told_apart}")


def _request_alert(record: Record, kind: OwedKind, at: datetime, more: Mapping[str, Any], suffix: str = "") -> dict[str, Any]:
    """Only results say how an attempt ended, and only they have to be understood by senders."""
    facts = {name: fact for name, fact in _facts(record).items() if name not in ("outcome", "reason", "reasons")}
    return _event(ALERT, f"{record.id}#{record.attempt}/{kind}{suffix}", record.id, at, {"kind": kind, **facts, **more})


def breaker_alert(breaker: Switch) -> dict[str, Any]:
    """The breaker has opened: nothing is reset until a human closes it."""
    data = {"kind": AlertKind.BREAKER_OPENED, "by": breaker.by, "why": breaker.why, "at": _iso(breaker.at)}
    return _event(ALERT, f"{AlertKind.BREAKER_OPENED}#{_iso(breaker.at)}", None, breaker.at, data)


def intake_alert(failures: int, since: datetime, now: datetime) -> dict[str, Any]:
    """The webhook was called by many who could not authenticate. Workers that see it in one hour say it under one id."""
    kind = AlertKind.AUTHENTICATION_FAILURES
    data = {"kind": kind, "failures": failures, "since": _iso(since)}
    return _event(ALERT, f"{kind}#{now:%Y-%m-%dT%H}", None, now, data)


def _event(kind: str, event_id: str, subject: str | None, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": f"{TYPE}.{kind}",
        **({"subject": subject} if subject else {}),
        "time": _iso(at),
        "datacontenttype": "application/json",
        "data": data,
    }


def _ticket(ref: TicketRef) -> dict[str, str]:
    return {"system": ref.system, "table": ref.table, "sysId": ref.sys_id, "number": ref.number}


def _cause(cause: Cause) -> dict[str, str]:
    return {"source": cause.source, "id": cause.id}


def _receipt(record: Record) -> dict[str, Any]:
    """Where the outcome stands in the request's receipt."""
    return {"receipt": {"sequence": record.receipt.sequence, "hash": record.receipt.hash}} if record.receipt else {}


def _left_alone(record: Record) -> list[dict[str, str]]:
    return [{"type": left.type, "id": left.id, "why": left.why} for left in record.left_alone]


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ---- HTTP


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` becomes JSON."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


def status_body(record: Record) -> dict[str, Any]:
    """The public face of a record."""
    body: dict[str, Any] = {
        "id": record.id,
        "status": record.status,
        "attempt": record.attempt,
        "mode": record.mode,
        "outcome": record.outcome,
        "reason": record.reason,
        "reasons": list(record.reasons) or None,
        "waitingFor": record.waiting_for,
        "profile": record.profile,
        "ticket": _ticket(record.ticket) if record.ticket else None,
        "subjectId": record.pins.subject_id,
        "receivedAt": _iso(record.accepted_at),
        "updatedAt": _iso(record.updated_at),
    }
    return {name: value for name, value in body.items() if value is not None} | {
        "steps": [
            {
                name: value
                for name, value in {
                    "name": step.name,
                    "at": _iso(step.at),
                    "detail": step.detail,
                    "graphRequestId": step.graph_request_id,
                }.items()
                if value is not None
            }
            for step in record.steps
        ],
        "removed": [{"type": entry.type, "id": entry.id} for entry in removed(record)],
        "leftAlone": _left_alone(record),
        **(_receipt(record) if not record.is_open else {}),
    }


def accepted(record: Record, *, ended: bool) -> Answer:
    """202 while there is something to wait for, 200 for a copy of something that has ended."""
    url = f"/api/requests/{record.id}"
    body = {"id": record.id, "status": record.status, "statusUrl": url}
    return Answer(200 if ended else 202, body, {"Location": url})


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


def problem(status: int, detail: str, *, pointer: str | None = None, retry_after: int | None = None) -> Answer:
    """An RFC 9457 problem; `pointer` is the JSON pointer of the member at fault."""
    body: dict[str, Any] = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail}
    if pointer is not None:
        body["errors"] = [{"pointer": pointer, "detail": detail}]
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = "Webhook-Signature"
    return Answer(status, body, headers)


NOT_AUTHENTIC = problem(401, "The request could not be authenticated.")
