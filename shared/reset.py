"""The use case: one attempt, from its first check to its outcome.

1. Ask the rules that need only the event.                  6. Confirm by reading ticket and person again; count the reset.
2. Re-read the ticket; tell it that work has started.       7. Remove, one by one, each intent journaled first; in passes.
3. Resolve the person, once.                                8. Revoke sign-in sessions.
4. Read inventory and standing.                             9. Read back, with patience.
5. Decide and plan.                                        10. Record the outcome with everything it owes.

It may be cut off anywhere and taken up by another worker: what matters is in journal and receipt before it happens. Up to step 6
nothing has been changed and everything is read anew; from the first intent on, the attempt is carried to its end.
"""

from dataclasses import replace
from typing import NoReturn

from shared import brakes, plan
from shared.attempt import Attempt
from shared.decision import confirm, decide, foresee
from shared.model import Inventory, Mode, Outcome, Reason
from shared.plan import Plan
from shared.proof import read_back
from shared.record import RemovalEntry, StepName
from shared.removal import prefer, remove, revoke


async def perform(attempt: Attempt) -> NoReturn:
    """Ends by raising `Ended`, or whatever keeps the attempt from ending."""
    begun = attempt.record.acted_on
    attempt.audit.forget()
    attempt.audit.read_ahead()
    current = await _listed(attempt) if begun else await decide(attempt)
    first = current.methods if attempt.record.inventory is None else attempt.record.inventory
    attempt.claim.stage(lambda record: replace(record, inventory=first if record.inventory is None else record.inventory))
    for entry in plan.effected(current, attempt.record.removals):
        attempt.gone(entry.type, entry.id, None)
    revoked_before = attempt.record.revoked_at is not None

    def planned(listing: Inventory) -> Plan:
        record = attempt.record
        return plan.make_plan(first, listing, record.removals, record.profile, record.accepted_at)

    async def replan() -> Plan:
        return planned(await _listed(attempt))

    made = planned(current)
    if not begun:
        made = await _ready(attempt, made)
    failures = await remove(attempt, made, replan)
    if not failures.asked_to_wait:
        await revoke(attempt, failures)
    if failures.later is not None:
        raise failures.later
    came_to_read_back = revoked_before and not made.removals
    await read_back(attempt, first, failures, current if came_to_read_back else None)


async def _listed(attempt: Attempt) -> Inventory:
    listing = await attempt.directory.inventory(attempt.subject_id)
    attempt.read(listing)
    return listing


async def _ready(attempt: Attempt, made: Plan) -> Plan:
    """A plan that is not known to fail, just confirmed and counted. A dry run ends here; a default in the way is changed."""
    attempt.step(StepName.DECIDED, f"{len(made.removals)} to remove, {len(made.left_alone)} to leave")
    target = await foresee(attempt, made)
    if attempt.record.mode is Mode.DRY_RUN:
        now, number = attempt.claim.now(), attempt.record.attempt
        would = tuple(RemovalEntry(one.method.type, one.method.id, one.action, number, now) for one in made.removals)
        await attempt.end(Outcome.DONE, Reason.DRY_RUN, would_remove=would, left_alone=made.left_alone)
    await brakes.count(attempt.app, attempt.record, await confirm(attempt))
    attempt.decided()
    if target is None:
        return made
    if not await prefer(attempt, target):
        await attempt.end(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK, left_alone=made.left_alone)
    return made.with_default(target)
