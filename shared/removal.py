"""Steps 7 and 8 of an attempt: methods go, one by one, each intent journaled first; then sign-in sessions are revoked."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from shared import journal, statements
from shared.attempt import Attempt
from shared.claim import LeaseLost
from shared.model import Reason, Removal, WaitingFor
from shared.plan import Plan
from shared.ports import Forbidden, Unavailable
from shared.record import Record, StepName

log = structlog.get_logger()

PASS_PAUSES = (1.0, 2.0, 4.0)  # after a pass in which nothing went: a default may be refused because of lag


@dataclass(slots=True)
class Failures:
    """What did not go after removal had begun: the rest is done all the same, then the attempt waits or says so.

    `later` may go another time; `forbidden` and `stuck` is what Graph refused.
    """

    later: Exception | None = None
    forbidden: bool = False
    stuck: bool = False

    @property
    def asked_to_wait(self) -> bool:
        return isinstance(self.later, Unavailable) and self.later.retry_after is not None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        reasons = {Reason.GRAPH_FORBIDDEN: self.forbidden, Reason.DEFAULT_METHOD_STUCK: self.stuck}
        return tuple(reason for reason, failed in reasons.items() if failed)


async def remove(attempt: Attempt, made: Plan, replan: Callable[[], Awaitable[Plan]]) -> Failures:
    """All of the plan is gone, or what kept it from going.

    Refused removals wait for the next pass. After one in which nothing went, the list is read and planned anew, and another
    default chosen, once, where that is permitted.
    """
    failures, may_prefer, pauses = Failures(), True, iter(PASS_PAUSES)
    while True:
        refused = await _one_pass(attempt, made.removals, failures)
        if not refused or failures.later or failures.forbidden:
            return failures  # what is refused beside these may be refused because of them
        if len(refused) < len(made.removals):
            made = replace(made, removals=refused)
            continue
        if (pause := next(pauses, None)) is None:
            failures.stuck = True  # or it is lag: the read-back is patient with it
            return failures
        try:
            made = await replan()
            target = made.other_default if may_prefer else None
            if target and await prefer(attempt, target):
                made = made.with_default(target)
            else:
                await attempt.app.clock.sleep(pause)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 raised once the rest is done
            failures.later = error
            return failures
        may_prefer = False


async def _one_pass(attempt: Attempt, removals: Sequence[Removal], failures: Failures) -> tuple[Removal, ...]:
    """Each removal is tried once; those that Graph refuses for now come back."""
    refused = []
    for removal in removals:
        what = statements.removal(removal)
        await attempt.intend(what, _intent(attempt, removal))
        try:
            answer = await attempt.answer(what, attempt.directory.remove(attempt.subject_id, removal))
        except Forbidden as error:
            log.warning("removal.forbidden", request_id=attempt.record.id, type=removal.method.type, cause=error.cause)
            failures.forbidden = True
        except Exception as error:  # noqa: BLE001 raised once the rest is done
            failures.later = error
            if failures.asked_to_wait:
                break
        else:
            if answer.gone:
                attempt.gone(removal.method.type, removal.method.id, answer.request_id)
            else:
                attempt.step(StepName.REMOVAL_REFUSED, removal.method.type, answer.request_id)
                refused.append(removal)
    return tuple(refused)


def _intent(attempt: Attempt, removal: Removal) -> Callable[[Record], Record]:
    now = attempt.claim.now()
    return lambda record: journal.intend(record, removal, now)


async def prefer(attempt: Attempt, target: str) -> bool:
    """Whether the default is now `target`; False also where we may not say so."""
    what = statements.change_of_default(target)
    await attempt.intend(what)
    try:
        answer = await attempt.answer(what, attempt.directory.prefer(attempt.subject_id, target))
    except Forbidden:
        return False
    if answer.done:
        attempt.step(StepName.DEFAULT_CHANGED, target)
    return answer.done


async def revoke(attempt: Attempt, failures: Failures) -> None:
    """Step 8; also when there was nothing to remove."""
    if not attempt.app.settings.revoke_sessions or attempt.record.revoked_at is not None:
        return
    what = statements.REVOCATION
    await attempt.intend(what, known=attempt.record.removal_begun)  # to whom this is done is known before it is done
    try:
        answer = await attempt.answer(what, attempt.directory.revoke_sessions(attempt.subject_id))
    except Forbidden as error:
        log.warning("revocation.forbidden", request_id=attempt.record.id, cause=error.cause)
        failures.forbidden = True
        return
    now = attempt.claim.now()
    attempt.claim.stage(lambda record: replace(journal.answered(record, WaitingFor.GRAPH), revoked_at=now))
    attempt.step(StepName.SESSIONS_REVOKED, None, answer.request_id)
