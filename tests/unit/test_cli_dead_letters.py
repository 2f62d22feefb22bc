"""`reregister dead-letters` and `reopen` on fakes, with an app that carries out what is ordered, or does not."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from shared import cli, wiring
from shared.adapters import telemetry
from shared.app import App
from shared.cli import dead_letters as commands
from shared.model import How
from tests.unit import build
from tests.unit.test_deadletters import put_aside, ticket_text
from tests.unit.world import World
from tests.virtual_time import VirtualTimeLoop

WHY = ("--why", "INC0010001", "--by", "patti@desk")


@dataclass
class Operator:
    """`alive`: the app's timer fires while a command runs."""

    world: World
    loop: VirtualTimeLoop
    alive: bool = True

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(cli.cli, list(words))

    def asks(self, *words: str, status: int = 0) -> dict[str, Any]:
        """The one document on stdout."""
        done = self.types(*words, "--json")
        assert done.exit_code == status, done.output
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def happens(self, event: Coroutine[Any, Any, Any]) -> Any:
        with structlog.testing.capture_logs():  # the app's own, which an operator does not see
            return self.loop.run_until_complete(self._beside(event) if self.alive else event)

    async def _beside(self, event: Coroutine[Any, Any, Any]) -> Any:
        async def timer() -> None:
            while True:
                await asyncio.sleep(30)
                await self.world.sweep()

        ticking = asyncio.create_task(timer())
        try:
            return await event
        finally:
            ticking.cancel()

    def now(self) -> float:
        return self.loop.time()


@pytest.fixture
def operator(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    operator = Operator(world, VirtualTimeLoop())

    def built(environment: Mapping[str, str], resources: AsyncExitStack) -> App:
        del environment, resources
        return world.app()

    monkeypatch.setattr(wiring, "build", built)
    monkeypatch.setattr(asyncio, "run", operator.happens)
    monkeypatch.setattr(telemetry, "configure", lambda: None)
    monkeypatch.setattr(logging, "disable", lambda _: None)
    yield operator
    operator.loop.close()


def letters(operator: Operator, *texts: str) -> list[str]:
    """The ids of dead letters with these texts."""
    ids = [put_aside(operator.world, text) for text in texts]
    operator.happens(operator.world.bury())
    return ids


def test_without_letters_that_is_said(operator: Operator) -> None:
    assert operator.asks("dead-letters") == {"deadLetters": [], "complete": True}
    assert "There are no dead letters." in operator.types("dead-letters").stdout
    assert operator.asks("reopen", "--dead-letters", *WHY) == {"orders": [], "complete": True}
    assert "There is nothing to order." in operator.types("reopen", "--dead-letters", *WHY).stdout


def test_letters_are_listed_with_what_is_known_of_them_and_shown_whole(operator: Operator) -> None:
    text = ticket_text(operator.world)
    ticketed, garbage = letters(operator, text, "\x1b[2J?")
    listed = {one["id"]: one for one in operator.asks("dead-letters")["deadLetters"]}
    assert set(listed) == {ticketed, garbage}
    assert listed[ticketed]["ticket"]["number"] == build.REF.number
    assert (listed[garbage]["ticket"], listed[garbage]["requestId"], listed[garbage]["resolution"]) == (None, None, None)
    assert all("text" not in one for one in listed.values())
    assert operator.asks("dead-letters", "show", ticketed) == {**listed[ticketed], "text": text}
    shown = operator.types("dead-letters", "show", garbage).stdout
    assert "[2J?" in shown
    assert "\x1b" not in shown
    table = operator.types("dead-letters").stdout
    assert build.REF.number in table


@pytest.mark.parametrize("letter_id", [f"dl-{'0' * 32}", "0" * 32, "everything"])
def test_a_letter_that_is_not_there_is_an_error_in_words(operator: Operator, letter_id: str) -> None:
    assert operator.asks("dead-letters", "show", letter_id, status=1) == {"error": "There is no such dead letter."}


def test_letters_are_discarded_with_who_and_why_and_listed_only_where_all_are(operator: Operator) -> None:
    ids = letters(operator, "one", "two")
    said = operator.asks("dead-letters", "discard", *ids, ids[0], *WHY)["orders"]
    assert [(one["target"], one["done"], one["said"]) for one in said] == [(one, True, "It is discarded.") for one in ids]
    assert {(one["what"], one["by"], one["why"]) for one in said} == {("discard", "patti@desk", "INC0010001")}
    assert operator.asks("dead-letters")["deadLetters"] == []
    resolutions = [one["resolution"] for one in operator.asks("dead-letters", "--all")["deadLetters"]]
    assert {(one["how"], one["by"], one["why"]) for one in resolutions} == {("discarded", "patti@desk", "INC0010001")}
    assert "discarded" in operator.types("dead-letters", "--all").stdout
    assert "resolution: how" in operator.types("dead-letters", "show", ids[0]).stdout
    again = operator.asks("dead-letters", "discard", ids[0], *WHY, status=1)["orders"]
    assert [(one["done"], one["said"]) for one in again] == [(False, "It is discarded already.")]


def test_all_letters_are_reopened_and_each_says_how_it_went(operator: Operator) -> None:
    ticketed, garbage = letters(operator, ticket_text(operator.world), "?")
    said = {one["target"]: one for one in operator.asks("reopen", "--dead-letters", *WHY, status=1)["orders"]}
    assert (said[ticketed]["done"], said[ticketed]["requestId"]) == (True, operator.world.record.id)
    assert (said[garbage]["done"], said[garbage]["requestId"]) == (False, None)
    (left,) = operator.asks("dead-letters")["deadLetters"]
    assert left["id"] == garbage
    (done,) = [one for one in operator.world.letters.letters() if one.resolution]
    assert done.resolution is not None
    assert (done.id, done.resolution.how) == (ticketed, How.REOPENED)


def test_when_there_are_more_letters_than_are_reopened_at_once_it_is_no_success(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SHOWN", 2)
    operator.alive = False
    letters(operator, "one", "two", "three")
    said = operator.asks("reopen", "--dead-letters", "--no-wait", *WHY, status=1)
    assert (len(said["orders"]), said["complete"]) == (2, False)
    assert "There may be more: 2 are ordered." in operator.types("reopen", "--dead-letters", "--no-wait", *WHY).stdout


def test_a_request_is_reopened(operator: Operator) -> None:
    operator.world.ticket.active = False
    operator.happens(operator.world.ended())
    request_id = operator.world.record.id
    shown = operator.types("reopen", request_id, *WHY)
    assert shown.exit_code == 0
    assert "yes" in shown.stdout
    assert operator.world.record.attempt == 2


def test_an_app_that_does_not_answer_is_waited_for_a_while_and_then_it_is_no_success(operator: Operator) -> None:
    operator.alive = False
    (letter_id,) = letters(operator, "?")
    before = operator.now()
    (order,) = operator.asks("dead-letters", "discard", letter_id, *WHY, status=1)["orders"]
    assert (order["done"], order["said"]) == (None, "It waits to be carried out.")
    assert 90 <= operator.now() - before < 93
    assert "not yet" in operator.types("dead-letters", "discard", letter_id, *WHY).stdout


def test_an_order_need_not_be_waited_for(operator: Operator) -> None:
    operator.alive = False
    (letter_id,) = letters(operator, "?")
    before = operator.now()
    (order,) = operator.asks("dead-letters", "discard", letter_id, *WHY, "--no-wait")["orders"]
    assert order["done"] is None
    assert operator.now() - before < 1
    operator.happens(operator.world.sweep())
    assert operator.asks("dead-letters")["deadLetters"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("reopen", *WHY),
        ("reopen", "0" * 32, "--dead-letters", *WHY),
        ("reopen", "everything", *WHY),
        ("reopen", "0" * 32),
        ("reopen", "0" * 32, "--why", " "),
        ("dead-letters", "discard", "0" * 32, *WHY),
        ("dead-letters", "discard", *WHY),
        ("dead-letters", "discard", f"dl-{'0' * 32}", "--why", "two\nlines"),
        ("dead-letters", "show"),
    ],
)
def test_wrong_usage_orders_nothing(operator: Operator, words: tuple[str, ...]) -> None:
    assert operator.types(*words).exit_code == 2
    assert operator.world.orders.orders() == ()
