"""`dead-letters`, `reopen`: what could not be processed, and what operators want done about it or about a request that ended.

What is ordered is carried out by the app, with its own rights: the operator needs none but to read the journal and to order.
"""

import asyncio
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from shared import identity
from shared.app import App
from shared.cli import documents, tables
from shared.cli.running import AsJson, NotSo, Report, SettingsFile, given, run
from shared.cli.switches import By, Reasoning, who_and_why
from shared.model import DeadLetter, Order, OrderKind, OrderReply
from shared.parallel import together

SHOWN = 200
WAITS_SECONDS = 90  # for the app, whose sweep carries orders out
LOOKS_EVERY_SECONDS = 1.0

cli = typer.Typer()
letters_cli = typer.Typer(help="Messages that could not be processed: shown, discarded.", invoke_without_command=True)
cli.add_typer(letters_cli, name="dead-letters")

NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the app to carry it out.")]


@letters_cli.callback()
def dead_letters(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that something was done about.")] = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Lists dead letters, those seen first come first; `show` and `discard` take one or some of them."""
    context.obj = given(context, settings, as_json)
    if context.invoked_subcommand is None:
        run(context, settings, as_json, lambda app: _listed(app, everything=everything))


@letters_cli.command()
def show(
    context: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """One dead letter with its original message, whole."""

    async def use(app: App) -> Report:
        letter = await app.letters.find(letter_id) if identity.is_dead_letter_id(letter_id) else None
        if letter is None:
            raise NotSo("There is no such dead letter.")
        return Report(documents.dead_letter(letter), tables.dead_letter)

    run(context, settings, as_json, use)


@letters_cli.command()
def discard(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID…")],
    why: Reasoning,
    by: By = None,
    no_wait: NoWait = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Nothing more is done about these dead letters; they stay on record."""
    if wrong := [one for one in ids if not identity.is_dead_letter_id(one)]:
        raise typer.BadParameter(f"not the id of a dead letter: {wrong[0]}", param_hint="ID")
    _order(context, settings, as_json, OrderKind.DISCARD, ids, by=by, why=why, wait=not no_wait)


@cli.command()
def reopen(
    context: typer.Context,
    why: Reasoning,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID…]", help="Of requests or dead letters.")] = None,
    every: Annotated[bool, typer.Option("--dead-letters", help="Every dead letter that nothing was done about.")] = False,
    by: By = None,
    no_wait: NoWait = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """The next attempt of these, checked from the start as of now. What is done stays done."""
    if every is bool(ids):
        raise typer.BadParameter("give ids, or --dead-letters", param_hint="ID")
    if wrong := [one for one in ids or () if not (identity.is_request_id(one) or identity.is_dead_letter_id(one))]:
        raise typer.BadParameter(f"not the id of a request or dead letter: {wrong[0]}", param_hint="ID")
    _order(context, settings, as_json, OrderKind.REOPEN, ids, by=by, why=why, wait=not no_wait)


async def _listed(app: App, *, everything: bool) -> Report:
    lying, resolved = await together(app.letters.listed(SHOWN), _resolved(app, everything=everything))
    complete = max(len(lying), len(resolved)) < SHOWN
    return Report(documents.dead_letters((*lying, *resolved), complete=complete), tables.dead_letters)


async def _resolved(app: App, *, everything: bool) -> tuple[DeadLetter, ...]:
    return await app.letters.listed(SHOWN, resolved=True) if everything else ()


def _order(
    context: typer.Context,
    settings: Path | None,
    as_json: bool,
    what: OrderKind,
    ids: Iterable[str] | None,
    *,
    by: str | None,
    why: str,
    wait: bool,
) -> NoReturn:
    """`ids` None: every dead letter that nothing was done about."""
    who, reason = who_and_why(by, why)

    async def use(app: App) -> Report:
        targets = [letter.id for letter in await app.letters.listed(SHOWN)] if ids is None else list(dict.fromkeys(ids))
        complete = ids is not None or len(targets) < SHOWN
        now = app.clock.now()
        orders = [Order(uuid.uuid4().hex, what, target, who, reason, now) for target in targets]
        for order in orders:
            await app.orders.give(order)
        replies = await _replies(app, orders) if wait else [None for _ in orders]
        done = all(reply.done if reply else not wait for reply in replies)
        document = documents.orders(zip(orders, replies, strict=True), complete=complete)
        return Report(document, tables.orders, 0 if done and complete else 1)

    run(context, settings, as_json, use)


async def _replies(app: App, orders: list[Order]) -> list[OrderReply | None]:
    """What became of each, as far as the app has come within its time."""
    until = asyncio.get_running_loop().time() + WAITS_SECONDS
    replies = [await app.orders.reply(order) for order in orders]
    while None in replies and asyncio.get_running_loop().time() < until:
        await app.clock.sleep(LOOKS_EVERY_SECONDS)
        replies = [reply or await app.orders.reply(order) for order, reply in zip(orders, replies, strict=True)]
    return replies
