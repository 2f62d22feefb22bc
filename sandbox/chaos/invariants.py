"""What must hold whatever happened, each asked of the evidence alone. Pure.

What a profile removes is written down here once more, from the product's contract: the app is not asked what it meant to do.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.chaos import receipts
from sandbox.chaos.evidence import COMMENT, WORK_NOTE, Evidence, Made, entries
from sandbox.chaos.plan import PROFILE, REFUSED

_OF_THE_PROFILE = frozenset({"phone", "microsoftAuthenticator", "softwareOath", "hardwareOath"})
_NEVER = frozenset({"password"})
_FINE_ANSWERS = frozenset({200, 202, 429, 503})

type Json = dict[str, Any]
type Identity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Violation:
    """`invariant` is a key of `INVARIANTS`; `made` is the demand that it is about, or the first of those for the person."""

    invariant: str
    what: str
    made: Made


type Found = Iterator[tuple[Made, str]]
type Check = Callable[[Evidence], Found]


def violations(evidence: Evidence) -> list[Violation]:
    """All that does not hold, in the order of `INVARIANTS`."""
    return [Violation(name, what, made) for name, check in INVARIANTS.items() for made, what in check(evidence)]


# ---- what is so


def outcome(evidence: Evidence, made: Made) -> str | None:
    """How the demand ended, by the last of its results."""
    told = sorted(evidence.told(made), key=lambda result: result["data"]["attempt"])
    return told[-1]["data"]["outcome"] if told else None


def _asked(evidence: Evidence) -> dict[str, list[Made]]:
    people: dict[str, list[Made]] = {}
    for made in evidence.made:
        people.setdefault(made.subject, []).append(made)
    return people


def _identity(method: Json) -> Identity:
    return method["type"], method["id"]


def _to_go(person: Json, profile: str) -> dict[Identity, Json]:
    """The person's methods that a profile removes."""
    return {
        _identity(method): method
        for method in person["methods"]
        if method["type"] not in _NEVER and (profile != PROFILE or method["type"] in _OF_THE_PROFILE)
    }


def _is_gone(method: Json, after: Json) -> bool:
    """Not registered any more, or not the same that it was; a hardware token: not active any more."""
    now = next((one for one in after["methods"] if _identity(one) == _identity(method)), None)
    if now is None or now["created"] != method["created"]:
        return True
    return bool(method["type"] == "hardwareOath" and now["properties"]["device"]["status"] != "activated")


def _gone(evidence: Evidence, subject: str) -> set[Identity]:
    """What was there before and is not any more."""
    before, after = evidence.before[subject], evidence.after[subject]
    return {_identity(method) for method in before["methods"] if _is_gone(method, after)}


def _is_touched(evidence: Evidence, subject: str) -> bool:
    after = evidence.after[subject]
    return bool(after["deletions"] or after["revocations"] or _changed_default(evidence, subject))


def _changed_default(evidence: Evidence, subject: str) -> bool:
    return any(call["subject"] == subject and call["changed"] for call in evidence.writes)


def _notes(evidence: Evidence, made: Made, label: str, request_id: str) -> Counter[str]:
    """How many entries of this journal carry which outcome marker of the request."""
    marks: Counter[str] = Counter()
    for journal, text in entries(evidence.pages.get(made.key, "")):
        if journal == label and f"[{request_id}#" in text and " outcome]" in text:
            marks[text[text.index(f"[{request_id}#") :].partition("]")[0] + "]"] += 1
    return marks


# ---- what must hold


def lost(evidence: Evidence) -> Found:
    """Every request has ended, and said so."""
    for made in evidence.made:
        ids = evidence.request_ids(made)
        statuses = [evidence.statuses.get(one, {}).get("status", "unknown") for one in ids]
        if not evidence.told(made):
            yield made, f"no result; the app says {statuses or 'nothing'}"
        elif any(status not in ("done", "refused", "failed") for status in statuses):
            yield made, f"not ended: {statuses}"


def reset_twice(evidence: Evidence) -> Found:
    """Nobody is stripped by two requests, and no method is removed twice."""
    for subject, mine in _asked(evidence).items():
        removed: Counter[Identity] = Counter(_identity(one) for one in evidence.after[subject]["deletions"])
        again = [identity for identity, times in removed.items() if times > 1]
        if again:
            yield mine[0], f"removed more than once: {again}"
        by = [made for made in mine if any(result["data"]["removed"] for result in evidence.told(made))]
        if len(by) > 1:
            yield by[1], f"stripped by the requests {[made.number for made in by]}"


def newcomers_lost(evidence: Evidence) -> Found:
    """What somebody registers after the app has accepted their request is still there."""
    asked = _asked(evidence)
    for one in evidence.registered:
        now = next((m for m in evidence.after[one.subject]["methods"] if _identity(m) == _identity(one.method)), None)
        if now is None or now["created"] != one.method["created"]:
            yield asked[one.subject][0], f"registered at {one.method['created']} and gone: {_identity(one.method)}"


def false_done(evidence: Evidence) -> Found:
    """Done means: all that the profile removes is gone, sessions were revoked after that, and what it says it removed it did."""
    for made in evidence.made:
        for result in evidence.told(made):
            if result["data"]["outcome"] != "done":
                continue
            after = evidence.after[made.subject]
            left = _to_go(evidence.before[made.subject], made.profile).keys() - _gone(evidence, made.subject)
            if left:
                yield made, f"done, and still registered: {sorted(left)}"
            last = max((one["at"] for one in after["deletions"]), default="")
            if not any(moment >= last for moment in after["revocations"]):
                yield made, "done, and sessions were not revoked after the last removal"
            said = {_identity(one) for one in result["data"]["removed"]}
            true = {_identity(one) for one in after["deletions"]}
            if said != true:
                yield made, f"said to be removed: {sorted(said)}; removed: {sorted(true)}"


def half_stripped(evidence: Evidence) -> Found:
    """Where nothing ended as done, all of what the profile removes is gone, or nothing."""
    for subject, mine in _asked(evidence).items():
        if any(outcome(evidence, made) == "done" for made in mine):
            continue
        gone = _gone(evidence, subject)
        wanted = [_to_go(evidence.before[subject], made.profile).keys() for made in mine]
        if gone and gone not in wanted:
            yield mine[0], f"gone: {sorted(gone)} of {sorted(set().union(*wanted))}"


def touched_and_refused(evidence: Evidence) -> Found:
    """Where every request was refused, nothing at all was changed."""
    for subject, mine in _asked(evidence).items():
        if all(outcome(evidence, made) == "refused" for made in mine) and _is_touched(evidence, subject):
            yield mine[0], "refused, and changed in the directory"


def not_as_due(evidence: Evidence) -> Found:
    """Who may not be reset is refused for the right reason; all others are reset, once where it was asked for twice."""
    for mine in _asked(evidence).values():
        told = [f"{result['data']['outcome']} {result['data']['reason']}" for made in mine for result in evidence.told(made)[-1:]]
        if len(told) == len(mine) and sorted(told) not in (due := list(_due(evidence, mine))):
            yield mine[0], f"ended as {told}, which should be {' or '.join(map(str, due))}"


def _due(evidence: Evidence, mine: list[Made]) -> Iterator[list[str]]:
    """How the requests for one person may end, in alphabetical order: whichever comes first is the one that counts."""
    if reason := REFUSED.get(mine[0].kind):
        yield [f"refused {reason}"] * len(mine)
        return
    if any(one.method["type"] == "phone" for one in evidence.registered if one.subject == mine[0].subject):
        yield ["failed not-removed"]  # Graph shows of no number when it was registered: the same one again may be lag
    for first in mine:
        reason = "removed" if _to_go(evidence.before[first.subject], first.profile) else "nothing-to-remove"
        yield [f"done {reason}", *["refused cooldown"] * (len(mine) - 1)]


def not_said_once(evidence: Evidence) -> Found:
    """Each attempt that ended has one comment, one outcome note and one result."""
    for made in evidence.made:
        told = evidence.told(made)
        for request_id in evidence.request_ids(made):
            attempts = evidence.statuses.get(request_id, {}).get("attempt", 0)
            marks = Counter({f"[{request_id}#{attempt} outcome]": 1 for attempt in range(1, attempts + 1)})
            if made.by == "ticket":
                for label in (WORK_NOTE, COMMENT):
                    if (found := _notes(evidence, made, label, request_id)) != marks:
                        yield made, f"{label}: {dict(found)}, which should be {dict(marks)}"
            if told and sorted(result["data"]["attempt"] for result in told) != list(range(1, attempts + 1)):
                yield made, f"results of the attempts {[result['data']['attempt'] for result in told]} of {attempts}"


def contradictory(evidence: Evidence) -> Found:
    """Result, its copies, status and ticket tell the same story; one demand has one id."""
    copies: dict[str, Json] = {}
    for result in evidence.results:
        copies.setdefault(result["id"], result)
    changed = {result["id"] for result in evidence.results if result != copies[result["id"]]}
    for made in evidence.made:
        told = evidence.told(made)
        if len(ids := evidence.request_ids(made)) > 1:
            yield made, f"known under {sorted(ids)}"
        if differing := [result["id"] for result in told if result["id"] in changed]:
            yield made, f"told in two ways: {differing}"
        for result in told:
            data = result["data"]
            status = evidence.statuses.get(data["requestId"], {})
            if result["type"] != f"mfa.reregistration.{data['outcome']}":
                yield made, f"{result['type']} says {data['outcome']}"
            names = ("outcome", "reason", "removed", "leftAlone")
            if status.get("attempt") == data["attempt"] and any(status.get(name) != data[name] for name in names):
                yield made, f"the result says {[data[n] for n in names]}, the status {[status.get(n) for n in names]}"
            said = f"Outcome: {data['outcome']}, reason: {data['reason']}."
            if made.by == "ticket" and made.key in evidence.pages and said not in evidence.pages[made.key]:
                yield made, f"the ticket does not say: {said}"


def wrongly_answered(evidence: Evidence) -> Found:
    """Whoever delivers a well-made event is told that it is taken in, or to come again later."""
    by_key = {made.key: made for made in evidence.made}
    for answer in evidence.answers:
        if answer.status not in _FINE_ANSWERS:
            yield by_key[answer.ticket], f"the webhook answered {answer.status}"


def broken_receipts(evidence: Evidence) -> Found:
    """Each receipt holds up to the outcome that was told, and says the same; nothing was removed without an intent on it."""
    for made in evidence.made:
        read = {one: receipts.read(evidence.receipts.get(one, b""), one) for one in evidence.request_ids(made)}
        for receipt in read.values():
            yield from ((made, problem) for problem in receipt.problems)
        for result in evidence.told(made):
            yield from (
                (made, problem) for problem in _anchored(evidence, made, result["data"], read[result["data"]["requestId"]])
            )
        if removed := next((result["data"]["removed"] for result in evidence.told(made) if result["data"]["removed"]), None):
            meant = {
                (intent["data"].get("type"), intent["data"].get("id"))
                for one in read.values()
                for intent in one.of_kind("intent")
            }
            if unmeant := {_identity(one) for one in removed} - meant:
                yield made, f"removed, and no intent is on the receipt: {sorted(unmeant)}"


def _anchored(evidence: Evidence, made: Made, data: Json, receipt: receipts.Receipt) -> Iterator[str]:
    anchor = data.get("receipt")
    if anchor is None:
        if data["outcome"] != "failed":  # which may be because of storage itself
            yield "the result names no receipt"
        return
    entry = next((one for one in receipt.of_kind("outcome") if one["hash"] == anchor["hash"]), None)
    if entry is None or entry["sequence"] != anchor["sequence"]:
        yield f"the outcome that was told is not on the receipt: {anchor}"
        return
    told = (data["outcome"], data["reason"], sorted(map(_identity, data["removed"])))
    said = (entry["data"]["outcome"], entry["data"]["reasons"][0], sorted(map(_identity, entry["data"]["removed"])))
    if told != said:
        yield f"the result says {told}, the receipt {said}"
    if made.by == "ticket" and anchor["hash"] not in evidence.pages.get(made.key, ""):
        yield "the ticket does not carry the hash that was told"


INVARIANTS: dict[str, Check] = {
    "lost": lost,
    "reset twice": reset_twice,
    "registered since, and gone": newcomers_lost,
    "false done": false_done,
    "half stripped": half_stripped,
    "refused, and touched": touched_and_refused,
    "ended otherwise than is due": not_as_due,
    "not told exactly once": not_said_once,
    "contradictory": contradictory,
    "wrongly answered": wrongly_answered,
    "broken receipts": broken_receipts,
}
"""By their names, in the words of a violation."""
