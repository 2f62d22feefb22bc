"""When the webhook seems to be attacked, by many calls that could not authenticate, one alert is out; no caller learns of it."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import acceptance
from shared.app import App
from shared.model import WaitingFor
from shared.watch import AGAIN_AFTER, MANY, WITHIN, Watch
from shared.wording import NOT_AUTHENTIC, Answer
from tests.unit import build
from tests.unit.build import NOW, TICK
from tests.unit.world import World

STRANGER = b"another key, as long as ours is!"


def watched(*times: datetime) -> Watch:
    """Told of failures at these times."""
    watch = Watch()
    for at in times:
        watch.failed(at)
    return watch


class TestTheWatch:
    def test_fewer_than_many_failures_say_nothing(self) -> None:
        watch = Watch()
        assert not any(watch.failed(build.after(seconds=number)) for number in range(MANY - 1))

    def test_many_within_the_time_are_said(self) -> None:
        assert watched(*[NOW] * (MANY - 1)).failed(NOW + WITHIN)

    def test_as_many_over_a_longer_time_are_not(self) -> None:
        assert not watched(*[NOW] * (MANY - 1)).failed(NOW + WITHIN + TICK)

    def test_it_is_one_too_many_again_until_it_was_said(self) -> None:
        watch = watched(*[NOW] * MANY)
        assert watch.failed(NOW + TICK)
        watch.said(NOW + TICK)
        assert not watch.failed(NOW + 2 * TICK)

    def test_it_is_said_once_an_hour_however_many_come(self) -> None:
        watch = watched(*[NOW] * MANY)
        watch.said(NOW)
        later = [NOW + AGAIN_AFTER - WITHIN + TICK] * MANY
        assert not any(watch.failed(at) for at in later)
        assert not watch.failed(NOW + AGAIN_AFTER - TICK)
        assert watch.failed(NOW + AGAIN_AFTER)

    def test_what_could_not_be_said_is_tried_at_the_next_failure(self) -> None:
        watch = watched(*[NOW] * MANY)
        watch.said(NOW)
        watch.unsaid()
        assert watch.failed(NOW + TICK)

    def test_it_tells_how_many_and_since_when(self) -> None:
        watch = watched(NOW, build.after(minutes=4), build.after(minutes=6))
        assert (watch.failures, watch.since) == (2, build.after(minutes=4))

    def test_a_clock_that_is_set_back_forgets_nothing(self) -> None:
        watch = watched(*[NOW] * (MANY - 1))
        assert watch.failed(build.before(hours=2))

    def test_a_storm_is_remembered_only_so_far(self) -> None:
        assert watched(*[NOW] * 5000).failures == 1000

    @given(st.lists(st.integers(0, 400), max_size=200))
    def test_it_is_one_too_many_exactly_when_many_lie_within_the_time(self, pauses: list[int]) -> None:
        watch, now, times = Watch(), NOW, list[datetime]()
        for pause in pauses:
            now += timedelta(seconds=pause)
            times.append(now)
            assert watch.failed(now) is (sum(now - at <= WITHIN for at in times) >= MANY)


async def fail(world: World, app: App, times: int = 1) -> list[Answer]:
    """What a stranger is answered who calls so often, a second apart."""
    answers = []
    for number in range(times):
        body = world.body()
        answers.append(await acceptance.webhook(app, world.signed(f"stranger-{number}", body, STRANGER), body))
        await world.clock.pass_by(seconds=1)
    return answers


class TestTheWebhook:
    async def test_many_failures_give_one_alert_of_the_whole_app(self, world: World) -> None:
        app = world.app()
        await fail(world, app, MANY - 1)
        assert world.alerts == []
        await fail(world, app, 30)
        (alert,) = world.alerts
        assert "subject" not in alert
        assert alert["id"] == f"authentication-failures#{world.start:%Y-%m-%dT%H}"
        assert alert["data"] == {
            "kind": "authentication-failures",
            "failures": MANY,
            "since": "2026-11-24T02:35:16.345Z",
        }

    async def test_the_caller_learns_nothing_of_it(self, world: World) -> None:
        app = world.app()
        answers = await fail(world, app, MANY)
        world.calls.down(WaitingFor.STORAGE, "queue.publish")
        answers += await fail(world, app)
        assert all(answer == NOT_AUTHENTIC for answer in answers)

    async def test_failures_cost_no_call_until_there_are_many(self, world: World) -> None:
        await fail(world, world.app(), MANY - 1)
        assert world.calls.log == []

    async def test_an_alert_that_cannot_be_published_is_tried_at_the_next_failure(self, world: World) -> None:
        app = world.app()
        world.calls.down(WaitingFor.STORAGE, "queue.publish")
        answers = await fail(world, app, MANY + 1)
        assert [answer.status for answer in answers] == [401] * (MANY + 1)
        assert world.alerts == []
        world.calls.heal()
        await fail(world, app, 5)
        (alert,) = world.alerts
        assert alert["data"]["failures"] == MANY + 2

    async def test_it_is_told_again_when_it_goes_on_for_an_hour(self, world: World) -> None:
        app = world.app()
        await fail(world, app, MANY)
        await world.clock.pass_by(hours=1)
        await fail(world, app, MANY)
        first, second = world.alerts
        assert first["id"] != second["id"]

    async def test_workers_that_see_the_same_attack_tell_it_under_one_id(self, world: World) -> None:
        for _ in range(2):
            await fail(world, world.app(), MANY)
        first, second = world.alerts
        assert first["id"] == second["id"]

    @pytest.mark.parametrize("spoil", ["signature", "shape", "size"])
    async def test_only_calls_that_could_not_authenticate_count(self, world: World, spoil: str) -> None:
        app = world.app()
        for number in range(2 * MANY):
            body = {"signature": world.body(), "shape": b"{}", "size": b" " * 70_000}[spoil]
            headers = dict(world.signed(f"msg-{number}", body))
            if spoil == "signature":
                headers["webhook-signature"] = "v1,AAAA"
            await acceptance.webhook(app, headers, body)
        assert len(world.alerts) == (spoil == "signature")
