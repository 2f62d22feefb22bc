"""`python -m sandbox.chaos [--requests N] [--seed S] [--rate R] ...`: exits 0 only if every invariant held."""

import argparse
import asyncio
import json
from pathlib import Path

from rich.console import Console

from sandbox import command
from sandbox.chaos import report
from sandbox.chaos.invariants import violations
from sandbox.chaos.stage import MANY, chaos
from sandbox.timeline import WIDTH

REQUESTS, SEED, RATE = 100, 1, 0.05


async def run(seed: int, requests: int, rate: float, out: Path | None, log: Path | None) -> int:
    console = Console(width=WIDTH, highlight=False, soft_wrap=True)
    console.print(f"{requests} requests through chaos; seed {seed}.")
    seen = await chaos(seed, requests, rate, console.print)
    found = violations(seen.evidence)
    told = report.figures(seen, found, seed=seed, rate=rate)
    report.show(console, told)
    for one in found:
        for line in report.story(seen, one):
            console.print(line, markup=False)
    if log:
        await asyncio.to_thread(log.write_text, "\n".join(seen.lines) + "\n", "utf-8")
    if out:
        await asyncio.to_thread(out.write_text, json.dumps(told, indent=2) + "\n", "utf-8")
    if not seen.settled:
        console.print("\nNot everything came to rest in time.", style="bold red")
    if found:
        console.print(f"\n{len(found)} violations.", style="bold red")
    elif seen.settled:
        console.print("\nEvery invariant held.", style="bold green")
    return 1 if found or not seen.settled else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.chaos", description="Many requests while everything fails.")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"at most {MANY}: the breaker would open at more")
    parser.add_argument("--seed", type=int, default=SEED, help="decides everything, as far as what runs at once allows")
    parser.add_argument("--rate", type=float, default=RATE, help="how many of the calls go wrong, outages apart")
    parser.add_argument("--out", type=Path, help="a file for the figures, as JSON")
    parser.add_argument("--log", type=Path, help="a file for all that the hosts logged")
    given = parser.parse_args()
    if not 1 <= given.requests <= MANY:
        parser.error(f"--requests must be from 1 to {MANY}")
    command.run(lambda: run(given.seed, given.requests, given.rate, given.out, given.log))


if __name__ == "__main__":
    main()
