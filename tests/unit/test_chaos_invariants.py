"""The checker of `make chaos` can fail: a run in which all is well has no violation, and each way of being unwell is found."""

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.chaos.evidence import Answer, Evidence, Made, Registered, entries
from sandbox.chaos.invariants import INVARIANTS, violations
from sandbox.chaos.plan import FULL, PROFILE, Employee, Kind, plan
from sandbox.chaos.receipts import GENESIS

BEFORE, MEANWHILE, AFTER = "2025-03-04T09:30:00Z", "2026-11-24T10:00:05Z", "2026-11-24T10:00:09Z"
ADELE, CHRISTIE, JONI = "a" * 8, "c" * 8, "j" * 8
"""Reset by ticket, and asked for twice; reset by message, with a hardware token; an administrator."""
OATH = {"type": "softwareOath", "id": "oath", "created": BEFORE, "properties": {}}
PHONE = {"type": "phone", "id": "mobile", "created": BEFORE, "properties": {}}
TOKEN = {"type": "hardwareOath", "id": "token", "created": BEFORE, "properties": {"device": {"status": "activated"}}}
KEY = {"type": "fido2", "id": "key", "created": BEFORE, "properties": {}}
PASSWORD = {"type": "password", "id": "password", "created": BEFORE, "properties": {}}

type Json = dict[str, Any]


def person(*methods: Json, deletions: tuple[Json, ...] = (), revocations: tuple[str, ...] = ()) -> Json:
    return copy.deepcopy({"methods": [PASSWORD, *methods], "deletions": [*deletions], "revocations": [*revocations]})


def gone(method: Json, how: str = "deleted") -> Json:
    return {"type": method["type"], "id": method["id"], "how": how, "at": MEANWHILE}


def result(request: str, outcome: str, reason: str, *removed: Json, **about: Json) -> Json:
    named = [{"type": method["type"], "id": method["id"]} for method in removed]
    data = {"requestId": request, "attempt": 1, "outcome": outcome, "reason": reason, "removed": named, "leftAlone": [], **about}
    return {"id": f"{request}#1", "type": f"mfa.reregistration.{outcome}", "time": AFTER, "data": data}


def status(told: Json) -> Json:
    return {"status": told["data"]["outcome"], "steps": [], **copy.deepcopy(told["data"])}


def page(request: str, outcome: str, reason: str, anchor: str = "") -> str:
    return (
        "Requested item RITM0010001: Require MFA re-registration\n\n  Activity\n"
        f"    2026-11-24 02:00:09  app (Additional comments)\n      Somebody will be in touch. [{request}#1 outcome]\n"
        f"    2026-11-24 02:00:09  app (Work notes)\n      [{request}#1 outcome] Outcome: {outcome}, reason: {reason}.\n"
        f"      Receipt: {anchor}\n"
        f"    2026-11-24 02:00:01  app (Work notes)\n      [{request}#1 start] Work has started.\n"
    )


def receipt(told: Json) -> bytes:
    """The receipt of a request that ended so, and the result names it from now on."""
    data, lines, prev = told["data"], list[bytes](), GENESIS
    outcome = {"outcome": data["outcome"], "reasons": [data["reason"]], "removed": copy.deepcopy(data["removed"])}
    intents = [("intent", {"action": "delete", **one}) for one in data["removed"]]
    for sequence, (kind, content) in enumerate([("accepted", {}), *intents, ("outcome", outcome)], 1):
        entry = {"request": data["requestId"], "sequence": sequence, "prev": prev, "at": AFTER, "attempt": 1, "kind": kind}
        prev, line = chained({**entry, "data": content})
        lines.append(line)
    data["receipt"] = {"sequence": len(lines), "hash": prev}
    return b"".join(lines)


def chained(entry: Json) -> tuple[str, bytes]:
    def canonical(content: Json) -> bytes:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    digest = hashlib.sha256(canonical(entry)).hexdigest()
    return digest, canonical({**entry, "hash": digest}) + b"\n"


def all_well() -> Evidence:
    """Adele's first ticket resets her, her second is too soon; Christie's token is off; the administrator is refused."""
    results = [
        result("r1", "done", "removed", OATH, PHONE, ticket={"sysId": "t1"}),
        result("r2", "refused", "cooldown", ticket={"sysId": "t2"}),
        result("r3", "done", "removed", TOKEN, cause={"id": "e3"}),
        result("r4", "refused", "user-privileged", ticket={"sysId": "t4"}),
    ]
    receipts = {told["data"]["requestId"]: receipt(told) for told in results}
    pages = {
        data["ticket"]["sysId"]: page(data["requestId"], data["outcome"], data["reason"], data["receipt"]["hash"])
        for data in (told["data"] for told in results)
        if "ticket" in data
    }
    alert = {"id": "r4#1/alert", "type": "mfa.reregistration.alert", "time": AFTER, "data": {"requestId": "r4"}}
    off = {**TOKEN, "properties": {"device": {"status": "assigned"}}}
    newcomer = {**OATH, "id": "new", "created": MEANWHILE}
    return Evidence(
        made=[
            Made(1, Kind.SECOND, "ticket", "t1", ADELE, PROFILE),
            Made(2, Kind.SECOND, "ticket", "t2", ADELE, PROFILE),
            Made(3, Kind.NEWCOMER, "message", "e3", CHRISTIE, PROFILE),
            Made(4, Kind.ADMINISTRATOR, "ticket", "t4", JONI, PROFILE),
        ],
        before={ADELE: person(OATH, PHONE, KEY), CHRISTIE: person(TOKEN), JONI: person(PHONE)},
        after={
            ADELE: person(KEY, deletions=(gone(OATH), gone(PHONE)), revocations=(AFTER,)),
            CHRISTIE: person(off, newcomer, deletions=(gone(TOKEN, "deactivated"),), revocations=(AFTER,)),
            JONI: person(PHONE),
        },
        registered=[Registered(CHRISTIE, newcomer)],
        writes=[{"subject": ADELE, "changed": True}, {"subject": JONI, "changed": False}],
        pages=pages,
        results=[*results, copy.deepcopy(results[0]), alert],
        statuses={told["data"]["requestId"]: status(told) for told in results},
        answers=[Answer("t1", 202, "r1"), Answer("t1", 200, "r1"), Answer("t2", 503, None), Answer("t2", 202, "r2"),
                 Answer("t4", 202, "r4")],
        receipts=receipts,
    )  # fmt: skip


def test_where_all_is_well_nothing_is_found() -> None:
    assert violations(all_well()) == []


# ---- each invariant, violated


def no_result(seen: Evidence) -> None:
    seen.results = [one for one in seen.results if one["id"] != "r3#1"]


def never_taken_in(seen: Evidence) -> None:
    seen.answers = [one for one in seen.answers if one.ticket != "t2"]
    seen.results = [one for one in seen.results if one["id"] != "r2#1"]


def still_running(seen: Evidence) -> None:
    seen.statuses["r1"]["status"] = "running"


def removed_again(seen: Evidence) -> None:
    seen.after[ADELE]["deletions"].append(gone(PHONE))


def stripped_by_both(seen: Evidence) -> None:
    seen.results[1]["data"]["removed"] = [{"type": "phone", "id": "mobile"}]


def newcomer_removed(seen: Evidence) -> None:
    seen.after[CHRISTIE]["methods"].pop()


def newcomer_replaced(seen: Evidence) -> None:
    seen.after[CHRISTIE]["methods"][-1]["created"] = AFTER


def left_behind(seen: Evidence) -> None:
    seen.after[ADELE]["methods"].append(OATH)


def token_still_on(seen: Evidence) -> None:
    seen.after[CHRISTIE]["methods"][1] = TOKEN


def the_key_left_behind(seen: Evidence) -> None:
    seen.made[0] = Made(1, Kind.SECOND, "ticket", "t1", ADELE, FULL)


def never_revoked(seen: Evidence) -> None:
    seen.after[ADELE]["revocations"] = []


def revoked_too_early(seen: Evidence) -> None:
    seen.after[ADELE]["revocations"] = [BEFORE]


def claims_more_than_it_removed(seen: Evidence) -> None:
    seen.results[2]["data"]["removed"].append({"type": "phone", "id": "mobile"})


def fails_half_way(seen: Evidence) -> None:
    seen.results[2] = result("r3", "failed", "not-removed", PHONE, cause={"id": "e3"})
    seen.before[CHRISTIE] = person(TOKEN, PHONE)
    seen.after[CHRISTIE]["methods"][1] = TOKEN


def refused_and_removed(seen: Evidence) -> None:
    seen.after[JONI] = person(deletions=(gone(PHONE),))


def refused_and_revoked(seen: Evidence) -> None:
    seen.after[JONI]["revocations"] = [AFTER]


def refused_and_default_changed(seen: Evidence) -> None:
    seen.writes[1]["changed"] = True


def an_administrator_is_reset(seen: Evidence) -> None:
    seen.results[3] = result("r4", "done", "removed", PHONE, ticket={"sysId": "t4"})


def refused_for_another_reason(seen: Evidence) -> None:
    seen.results[3]["data"]["reason"] = "user-disabled"


def nobody_is_reset(seen: Evidence) -> None:
    seen.results[0]["data"] |= {"outcome": "refused", "reason": "cooldown"}


def two_comments(seen: Evidence) -> None:
    seen.pages["t1"] += "    2026-11-24 02:00:10  app (Additional comments)\n      Once more. [r1#1 outcome]\n"


def no_outcome_note(seen: Evidence) -> None:
    seen.pages["t1"] = seen.pages["t1"].replace("[r1#1 outcome] Outcome", "Outcome")


def an_attempt_too_many(seen: Evidence) -> None:
    seen.results.append({**seen.results[2], "id": "r3#2", "data": {**seen.results[2]["data"], "attempt": 2}})


def an_attempt_untold(seen: Evidence) -> None:
    seen.statuses["r4"]["attempt"] = 2


def another_id(seen: Evidence) -> None:
    seen.answers.append(Answer("t1", 202, "r9"))
    seen.statuses["r9"] = {"status": "done", "attempt": 0}


def a_copy_that_differs(seen: Evidence) -> None:
    seen.results[4]["data"]["reason"] = "nothing-to-remove"


def a_type_that_differs(seen: Evidence) -> None:
    seen.results[2]["type"] = "mfa.reregistration.failed"


def a_status_that_differs(seen: Evidence) -> None:
    seen.statuses["r3"]["removed"] = []


def a_note_that_differs(seen: Evidence) -> None:
    seen.pages["t4"] = page("r4", "done", "removed")


def a_copy_is_refused(seen: Evidence) -> None:
    seen.answers.append(Answer("t1", 422, None))


def no_receipt(seen: Evidence) -> None:
    del seen.receipts["r1"]


def an_entry_was_edited(seen: Evidence) -> None:
    seen.receipts["r1"] = seen.receipts["r1"].replace(b'"delete"', b'"forget"')


def an_entry_is_missing(seen: Evidence) -> None:
    first, _, *others = seen.receipts["r1"].splitlines(keepends=True)
    seen.receipts["r1"] = b"".join((first, *others))


def entries_change_places(seen: Evidence) -> None:
    first, second, *others = seen.receipts["r1"].splitlines(keepends=True)
    seen.receipts["r1"] = b"".join((second, first, *others))


def another_receipt(seen: Evidence) -> None:
    seen.receipts["r2"] = seen.receipts["r4"]


def a_torn_line(seen: Evidence) -> None:
    seen.receipts["r1"] = seen.receipts["r1"][:-9]


def a_line_that_is_no_entry(seen: Evidence) -> None:
    seen.receipts["r1"] += b"[]\n"


def cut_off_before_the_outcome(seen: Evidence) -> None:
    seen.receipts["r1"] = b"".join(seen.receipts["r1"].splitlines(keepends=True)[:-1])


def the_receipt_says_something_else(seen: Evidence) -> None:
    told = copy.deepcopy(seen.results[1])
    told["data"]["reason"] = "user-disabled"
    seen.receipts["r2"] = receipt(told)
    seen.results[1]["data"]["receipt"] = told["data"]["receipt"]


def removed_without_intent(seen: Evidence) -> None:
    told = copy.deepcopy(seen.results[2])
    told["data"]["removed"] = []
    seen.receipts["r3"] = receipt(told)


def a_result_without_receipt(seen: Evidence) -> None:
    del seen.results[3]["data"]["receipt"]


def a_ticket_without_the_hash(seen: Evidence) -> None:
    seen.pages["t2"] = page("r2", "refused", "cooldown")


BROKEN: dict[str, tuple[Callable[[Evidence], None], ...]] = {
    "lost": (no_result, never_taken_in, still_running),
    "reset twice": (removed_again, stripped_by_both),
    "registered since, and gone": (newcomer_removed, newcomer_replaced),
    "false done": (
        left_behind,
        token_still_on,
        the_key_left_behind,
        never_revoked,
        revoked_too_early,
        claims_more_than_it_removed,
    ),
    "half stripped": (fails_half_way,),
    "refused, and touched": (refused_and_removed, refused_and_revoked, refused_and_default_changed),
    "ended otherwise than is due": (an_administrator_is_reset, refused_for_another_reason, nobody_is_reset),
    "not told exactly once": (two_comments, no_outcome_note, an_attempt_too_many, an_attempt_untold),
    "contradictory": (another_id, a_copy_that_differs, a_type_that_differs, a_status_that_differs, a_note_that_differs),
    "wrongly answered": (a_copy_is_refused,),
    "broken receipts": (
        no_receipt,
        an_entry_was_edited,
        an_entry_is_missing,
        entries_change_places,
        another_receipt,
        a_torn_line,
        a_line_that_is_no_entry,
        cut_off_before_the_outcome,
        the_receipt_says_something_else,
        removed_without_intent,
        a_result_without_receipt,
        a_ticket_without_the_hash,
    ),
}


def test_every_invariant_is_seen_violated() -> None:
    assert BROKEN.keys() == INVARIANTS.keys()


@pytest.mark.parametrize(
    ("invariant", "spoil"),
    [(name, spoil) for name, ways in BROKEN.items() for spoil in ways],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_violation_is_found_by_its_name(invariant: str, spoil: Callable[[Evidence], None]) -> None:
    seen = all_well()
    spoil(seen)
    assert invariant in {found.invariant for found in violations(seen)}


# ---- what else the checker rests on


def test_an_attempt_that_storage_itself_made_fail_may_be_without_receipt() -> None:
    seen = all_well()
    seen.results[3] = result("r4", "failed", "internal-error", ticket={"sysId": "t4"})
    assert "broken receipts" not in {found.invariant for found in violations(seen)}


def test_the_activity_of_a_ticket_falls_into_its_entries() -> None:
    assert [label for label, _ in entries(page("r1", "done", "removed"))] == ["Additional comments", "Work notes", "Work notes"]


def test_a_seed_decides_everything() -> None:
    assert plan(7, 200) == plan(7, 200)
    assert plan(7, 200) != plan(8, 200)


@pytest.mark.parametrize("requests", [1, 12, 100])
def test_a_plan_has_as_many_requests_as_were_asked_for(requests: int) -> None:
    assert len(plan(1, requests).demands) == requests


def test_every_kind_of_person_is_in_the_smallest_run() -> None:
    assert {employee.kind for employee in plan(1, 12).employees} == set(Kind)


def test_somebody_registers_a_number_again_only_where_there_is_time() -> None:
    def registers_number(employee: Employee) -> bool:
        return employee.registers is not None and employee.registers.type == "phone"

    assert any(map(registers_number, plan(1, 100).employees))
    assert not any(map(registers_number, plan(1, 100, numbers_again=False).employees))
