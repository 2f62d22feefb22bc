"""The use case: one attempt, from its first check to its outcome.

1. Ask the rules that need only the event.                  6. Remove, one by one, each intent journaled first; in passes.
2. Re-read the ticket; tell it that work has started.       7. Revoke sign-in sessions.
3. Resolve the person, once.                                8. Read back, with patience.
4. Read inventory and privileges.                           9. Record the outcome with everything it owes.
5. Decide and plan.

It may be cut off anywhere and taken up by another worker: what matters is in the journal before it happens. Up to step 5 nothing
has been changed and everything is read anew; from the first intent on, the attempt is carried to its end.
"""

from dataclasses import replace
from typing import NoReturn

from shared import plan
from shared.attempt import Attempt
from shared.decision import decide, foresee
from shared.model import Inventory, Mode, Outcome, Reason
from shared.plan import Plan
from shared.proof import read_back
from shared.record import RemovalEntry, StepName
from shared.removal import prefer, remove, revoke


async def perform(attempt: Attempt) -> NoReturn:
    """Ends by raising `Ended`, or whatever keeps the attempt from ending."""
    begun = attempt.record.removal_begun
    current = await attempt.directory.inventory(attempt.subject_id) if begun else await decide(attempt)
    first = current.methods if attempt.record.inventory is None else attempt.record.inventory
    attempt.claim.stage(lambda record: replace(record, inventory=first if record.inventory is None else record.inventory))
    for entry in plan.effected(current, attempt.record.removals):
        attempt.gone(entry.type, entry.id, None)
    revoked_before = attempt.record.revoked_at is not None

    def planned(listing: Inventory) -> Plan:
        record = attempt.record
        return plan.make_plan(first, listing, record.removals, record.profile, record.accepted_at)

    async def replan() -> Plan:
        return planned(await attempt.directory.inventory(attempt.subject_id))

    made = planned(current)
    if not begun:
        made = await _ready(attempt, made)
    # Authority is re-read at this place before the first removal.
    failures = await remove(attempt, made, replan)
    if not failures.asked_to_wait:
        await revoke(attempt, failures)
    if failures.later is not None:
        raise failures.later
    came_to_read_back = revoked_before and not made.removals
    await read_back(attempt, first, failures, current if came_to_read_back else None)


async def _ready(attempt: Attempt, made: Plan) -> Plan:
    """Step 5: a plan that is not known to fail. A dry run ends here; a default in the way has been changed."""
    attempt.step(StepName.DECIDED, f"{len(made.removals)} to remove, {len(made.left_alone)} to leave")
    target = await foresee(attempt, made)
    if attempt.record.mode is Mode.DRY_RUN:
        now, number = attempt.claim.now(), attempt.record.attempt
        would = tuple(RemovalEntry(one.method.type, one.method.id, one.action, number, now) for one in made.removals)
        await attempt.end(Outcome.DONE, Reason.DRY_RUN, would_remove=would, left_alone=made.left_alone)
    if target is None:
        return made
    if not await prefer(attempt, target):
        await attempt.end(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK)
    return made.with_default(target)
