"""`python -m sandbox.bench [--package ZIP] [--out FILE]`: the figures of one run, as tables and, with --out, as JSON.

Times on one machine say little about another; ratios of what ran side by side say more. All figures are medians, taken on
loopback, where storage and ServiceNow answer within milliseconds, and Graph after 100 ms where that is said.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sandbox import command
from sandbox.bench import acknowledgement, cold, package, resets
from sandbox.bench.bare import bare_app, make_queues
from sandbox.bench.critical_path import CALLS_BESIDE_REMOVALS
from sandbox.bench.lines import Lines
from sandbox.stack import stack
from sandbox.timeline import WIDTH

RESETS, ANSWERS, STARTS = 9, 20, 5
AIM = 1.15
NO_TIMERS: dict[str, Any] = {f"AzureWebJobs.{timer}.Disabled": "true" for timer in ("sweep", "dead-letters")}
"""What they ask of storage would be counted as the reset's."""


def ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold", min_width=WIDTH - 20)
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right")
    return made


def calls_table(found: resets.Resets) -> Table:
    made = table(f"One reset of {len(resets.METHODS)} methods asks for", "what", "calls")
    for what, count in sorted(found.graph.items()):
        made.add_row(f"Graph, {what}", str(count))
    made.add_row("Graph, in a row (needed: " + str(_needed()) + ")", str(found.in_a_row))
    for what, count in sorted(found.servicenow.items()):
        made.add_row(f"ServiceNow, {what}", str(count))
    for what, average in found.storage.items():
        made.add_row(f"storage, {what}", f"{average:g}")
    return made


def _needed() -> int:
    return CALLS_BESIDE_REMOVALS["Graph"] + len(resets.METHODS)


def path_table(found: resets.Resets) -> Table:
    times = found.times
    made = table(f"One reset in time, Graph answering after {ms(resets.LATENCY)}", "what", "takes", "ratio", "aim")
    made.add_row("the calls that must follow one another, made bare", ms(times.bare), "1.00", "")
    made.add_row(
        "the app's work, until the outcome is journaled", ms(times.at_work), _ratio(times.at_work, times.bare), f"<= {AIM}"
    )
    made.add_row("from the webhook's answer until then", ms(times.journaled), _ratio(times.journaled, times.bare), "")
    made.add_row("... of which the host takes to see the message", ms(times.picked_up), "", "")
    made.add_row("from the webhook's answer until the ticket is noted", ms(times.noted), _ratio(times.noted, times.bare), "")
    return made


def bare_table(answers: acknowledgement.Acknowledgements, app: cold.Cold, bare: cold.Cold) -> Table:
    made = table("Beside a bare function on the same host", "what", "the app", "bare", "ratio")
    made.add_row("webhook acknowledged", ms(answers.app), ms(answers.bare), _ratio(answers.app, answers.bare))
    for name in ("ready", "answered", "done"):
        one, other = getattr(app, name), getattr(bare, name)
        what = {"ready": "it serves", "answered": "first answer", "done": "first reset / first message passed on"}[name]
        made.add_row(f"cold process until {what}", ms(one), ms(other), _ratio(one, other))
    return made


PACKAGE_ROWS = {
    "everything": "everything installed, no byte-code",
    "everythingWithByteCode": "everything installed, byte-code of an earlier start",
    "package": "the package",
}


def package_table(found: Mapping[str, package.Figures]) -> Table:
    columns = ("what", "zip", "unpacked", "it serves", "first answer", "first reset")
    made = table("Cold process of the deployment package, beside all that is installed", *columns)
    for name, what in PACKAGE_ROWS.items():
        of = found[name]
        times = [
            f"{ms(took)} {_ratio(took, first)}"
            for took, first in zip(astuple(of.cold), astuple(found["everything"].cold), strict=True)
        ]
        made.add_row(what, mb(of.zip) if of.zip else "", mb(of.unpacked), *times)
    return made


def package_figures(found: Mapping[str, package.Figures]) -> dict[str, Any]:
    """With the share of what everything without byte-code takes."""
    first = asdict(found["everything"].cold)
    return {
        name: asdict(of) | {"ratio": {until: took / first[until] for until, took in asdict(of.cold).items()}}
        for name, of in found.items()
    }


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.2f}"


async def bench(out: Path | None, zipped: Path | None, *, often: tuple[int, int, int]) -> int:
    how_many, answered, started = often
    start = time.perf_counter()
    console = Console(width=WIDTH, highlight=False)
    app_log, storage_log = Lines(), Lines()
    async with stack(on_line=app_log.heard, storage_log=storage_log.heard, **NO_TIMERS) as up:
        await up.servicenow.put("/_sim/webhook", {"url": ""})
        await make_queues(up)
        found = await resets.measure(up, app_log, storage_log, how_many)
        console.print(calls_table(found), "", path_table(found), "")
        bare_log = Lines()
        async with bare_app(up, bare_log) as bare:
            answers = await acknowledgement.measure(up, app_log, bare, bare_log, answered)
        await up.stop_app()
        app_cold, bare_cold = await cold.measure(up, app_log, started)
        console.print(bare_table(answers, app_cold, bare_cold))
        packaged = await package.measure(up, app_log, zipped, started) if zipped else None
        if packaged:
            console.print("", package_table(packaged))
    took = time.perf_counter() - start
    console.print(f"\nMedians of {how_many} resets, {answered} answers, {started} cold starts of each. {took:.0f} s in all.")
    if out:
        figures: dict[str, Any] = {
            "reset": asdict(found) | {"ratio": found.times.at_work / found.times.bare, "graphCallsNeeded": _needed()},
            "acknowledgement": asdict(answers) | {"ratio": answers.app / answers.bare},
            "cold": {"app": asdict(app_cold), "bare": asdict(bare_cold), "ratio": app_cold.done / bare_cold.done},
        }
        if packaged:
            figures["package"] = package_figures(packaged)
        await asyncio.to_thread(out.write_text, json.dumps(figures, indent=2) + "\n", "utf-8")
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.bench", description="The figures of one run.")
    parser.add_argument("--out", type=Path, help="a file for them, as JSON")
    parser.add_argument("--once", action="store_true", help="one of each: whether it can be measured, not how long it takes")
    parser.add_argument(
        "--package", type=Path, metavar="ZIP", help="the deployment package, whose cold start is then measured too"
    )
    given = parser.parse_args()
    if given.package and not given.package.is_file():
        parser.error(f"there is no {given.package}")
    command.run(lambda: bench(given.out, given.package, often=(1, 1, 1) if given.once else (RESETS, ANSWERS, STARTS)))


if __name__ == "__main__":
    main()
