"""Attacks that take their time, since what waits looks up every few seconds only: they run beside the others, on own stacks."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from sandbox.stack import Stack
from shared.model import SwitchName
from tests.attacks.wall import finished, held, turned
from tests.e2e.story import Another, Case, alarms, case, eventually

type LongAttack = Callable[[Another], Awaitable[None]]
type UnderWay = Mapping[LongAttack, asyncio.Task[None]]

LIMIT, MANY = 3, 8


async def everybody_at_once(another: Another) -> None:
    """Many tickets at two instances with one breaker between them; a human closes it as often as it opens."""
    async with another(BREAKER_LIMIT=str(LIMIT)) as stack:
        await stack.start_app()
        attacks = await asyncio.gather(*(case(stack) for _ in range(MANY)))
        for opening, through in enumerate((LIMIT, 2 * LIMIT), start=1):
            done = await _done(attacks, through)
            for waiting in [one for one in attacks if one not in done]:
                await held(waiting, waits="breaker")
            changed = [one.id for one in attacks if await one.writes()]
            assert len(changed) == len(done) == through, (opening, changed, [one.id for one in done])
            await stack.sweep()
            await eventually(lambda: openings(stack), _at_least(opening))
            assert len(await openings(stack)) == opening
            await turned(stack, SwitchName.BREAKER, on=False)
        for one in await _done(attacks, MANY):
            await finished(one, writes=4)


async def openings(stack: Stack) -> set[str]:
    """The openings of the breaker that somebody was told of: several copies of one alert bear one id."""
    return {alert["id"] for alert in await alarms(stack, "breaker-opened")}


async def withdrawn_while_paused(another: Another) -> None:
    """What waits is not let through by having waited: its authority is read anew."""
    async with another() as stack:
        await turned(stack, SwitchName.PAUSE, on=True)
        attack = await case(stack)
        await held(attack, waits="paused")
        assert attack.ticket is not None
        await stack.servicenow.post("/_sim/withdraw", {"ticket": attack.ticket["number"]})
        await turned(stack, SwitchName.PAUSE, on=False)
        await held(attack, refused="ticket-not-approved")


async def _done(attacks: list[Case], wanted: int) -> list[Case]:
    """The requests that are done, once they are so many."""

    async def done() -> list[Case]:
        statuses = await asyncio.gather(*(one.status() for one in attacks))
        return [one for one, status in zip(attacks, statuses, strict=True) if status["status"] == "done"]

    return await eventually(done, _at_least(wanted), within=60)


def _at_least(wanted: int) -> Callable[[Collection[object]], bool]:
    return lambda seen: len(seen) >= wanted


LONG_ATTACKS: tuple[LongAttack, ...] = (everybody_at_once, withdrawn_while_paused)
