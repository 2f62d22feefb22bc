"""Two workers whose clocks differ by as much as they may: none takes over what the other still acts on."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from shared.app import App
from shared.journal import CLOCK_SKEW
from shared.model import WaitingFor
from shared.ports import Stored, Unavailable
from shared.record import Record, SeenEvent
from tests.fakes import FakeJournal
from tests.unit.world import World
from tests.virtual_time import Differing

CALL_SECONDS = 20  # no call of an adapter takes longer
OUTSIDE = ("desk.read", "desk.write", "directory.person", "directory.standing", "directory.inventory", "directory.methods")
ACTING = (*OUTSIDE, "directory.remove", "directory.revoke_sessions", "queue.publish")
STORAGE = ("control.read", "ledger.read", "ledger.commit", "journal.find", "journal.commit")

_WHO = ContextVar("who", default="")

skews = pytest.mark.parametrize("skew", [-CLOCK_SKEW, CLOCK_SKEW], ids=["behind", "ahead"])


@dataclass
class Watched:
    """What each worker has done, in order: `claim` where the request became theirs, and the calls to the outside."""

    world: World
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in ACTING:
            self.seen.append((_WHO.get(), name))

    @property
    def acted_after_losing_it(self) -> list[tuple[str, str]]:
        """What the owner has begun after another had claimed the request."""
        others = [place for place, (who, _) in enumerate(self.seen) if who == "rival"]
        return [(who, name) for who, name in self.seen[others[0] :] if who == "owner"] if others else []


def at(world: World, ahead: timedelta) -> App:
    """A worker process, just started, whose clock is `ahead` of the world's."""
    return replace(app := world.app(), clock=Differing(app.clock, ahead))


async def works(world: World, app: App, who: str) -> None:
    _WHO.set(who)
    (record,) = world.records
    if record.message is not None:
        await world.handle(world.queue.insert(record.message), app)


async def a_rival_tries(world: World, app: App) -> None:
    """Copies of the message arrive every second, for as long as there is something to do."""
    while any(record.message for record in world.records):
        await works(world, app, "rival")
        await asyncio.sleep(1)


@skews
@pytest.mark.parametrize("lease", ["PT2M", "PT30S"])
@pytest.mark.parametrize("call", [*ACTING, *STORAGE])
async def test_a_lease_that_is_renewed_is_not_taken_over_however_long_a_call_takes(
    world: World, call: str, lease: str, skew: timedelta
) -> None:
    world.configure(CLAIM_LEASE=lease)
    await world.webhook()
    watched = Watched(world)
    world.calls.listeners.append(watched)
    world.calls.slow(call, seconds=CALL_SECONDS if call not in STORAGE else 5)
    owner = asyncio.create_task(works(world, at(world, timedelta()), "owner"))
    await asyncio.sleep(6)
    await asyncio.gather(owner, a_rival_tries(world, at(world, skew)))
    assert watched.acted_after_losing_it == []
    told_late = call == "desk.write"  # two notes take longer than delivery has patience: the rest is anybody's
    assert {who for who, _ in watched.seen} == {"owner", *(["rival"] if told_late else [])}
    assert world.outcome == ("done", "removed")


class CutOff(FakeJournal):
    """The way of one worker to the journal: from `cut` on every write hangs as long as storage may, and fails."""

    def __init__(self, journal: FakeJournal) -> None:
        self._journal = journal
        self.cut = False

    async def find(self, *arguments: Any) -> tuple[Stored | None, SeenEvent | None]:
        return await self._journal.find(*arguments)

    async def commit(self, record: Record, version: Any, seen: SeenEvent | None = None) -> Stored:
        if not self.cut:
            return await self._journal.commit(record, version, seen)
        await asyncio.sleep(15)
        raise Unavailable(WaitingFor.STORAGE, "no answer")


@skews
@pytest.mark.parametrize("call", [*OUTSIDE, "directory.remove", "directory.revoke_sessions"])
async def test_who_cannot_renew_their_lease_stops_before_anybody_takes_over(world: World, call: str, skew: timedelta) -> None:
    world.configure(CLAIM_LEASE="PT10S")
    await world.webhook()
    watched = Watched(world)
    world.calls.listeners.append(watched)
    app = at(world, timedelta())
    journal = CutOff(world.journal)
    gate = world.calls.hold(call)
    owner = asyncio.create_task(works(world, replace(app, journal=journal), "owner"))
    await gate.reached.wait()
    journal.cut = True
    gone: list[float] = []
    owner.add_done_callback(lambda _: gone.append(asyncio.get_running_loop().time()))
    world.calls.gates.clear()
    world.calls.slow(call, seconds=CALL_SECONDS)
    rival = asyncio.create_task(a_rival_tries(world, at(world, skew)))
    while not any(who == "rival" for who, _ in watched.seen):
        await asyncio.sleep(0.5)
    assert gone, "the owner is still at it"
    gate.opened.set()
    await rival
    assert watched.acted_after_losing_it == []
    assert world.outcome == ("done", "removed")
