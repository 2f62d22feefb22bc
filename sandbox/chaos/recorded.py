"""`python -m sandbox.chaos.recorded chaos.json`: the figures of that run stand in docs/reliability.md, below the mark."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.processes import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
MARK = "<!-- recorded run -->\n"


def written(told: dict[str, Any]) -> Iterator[str]:
    """The figures as Markdown."""
    clocks = " and ".join(f"{ahead:+g} s" for ahead in told["clocks"])
    yield f"{told['date']}, commit `{told['commit']}`: `make chaos N={told['requests']} SEED={told['seed']}`"
    yield f"on {told['machine']}. {told['rate']:.0%} of all calls went wrong, outages apart; the clocks were {clocks} off.\n"
    yield from _rows("invariant", "violated", told["invariants"].items())
    yield from _rows("ended as", "requests", told["outcomes"].items())
    calls = {service: (times, sum(told["faults"][service].values())) for service, times in told["calls"].items()}
    yield from _rows("calls to", "of which faults", ((f"{name}: {n:,}", faults) for name, (n, faults) in calls.items()))
    yield from _rows("what happened", "times", told["happened"].items())
    yield from _rows("what took", "seconds", told["seconds"].items())


def _rows(what: str, times: str, rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    yield f"| {what} | {times} |\n|---|---:|"
    yield from (f"| {name} | {value:,} |" for name, value in rows)
    yield ""


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    before, mark, _ = DOCUMENT.read_text("utf-8").partition(MARK)
    DOCUMENT.write_text(before + mark + "\n" + "\n".join(written(told)).rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
