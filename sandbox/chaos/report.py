"""What a run is told as: figures, tables, and the story of whatever does not hold."""

import platform
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from os import cpu_count
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox.chaos.evidence import Evidence, entries
from sandbox.chaos.faults import KINDS
from sandbox.chaos.invariants import INVARIANTS, Violation
from sandbox.chaos.stage import Seen
from sandbox.processes import ROOT
from sandbox.timeline import WIDTH

LINES = 60  # of the hosts' log in a story
SAID = {
    "taken over or woken by the sweep": "sweep.put-back",
    "leases lost": "turn.lease-lost",
    "messages put back": "turn.put-back",
    "turns that ended in waiting": "attempt.waits",
}
"""What the hosts' log counts, by the name of its event."""


def figures(seen: Seen, found: list[Violation], *, seed: int, rate: float) -> dict[str, Any]:
    """Everything that is shown and kept of a run; JSON."""
    evidence, storm = seen.evidence, seen.storm
    done = {made.key for made in evidence.made for result in evidence.told(made) if result["data"]["outcome"] == "done"}
    took = sorted(seconds for key, seconds in seen.took.items() if key in done)
    by_service: dict[str, dict[str, int]] = {service: {} for service in KINDS}
    for (service, kind), times in sorted(storm.weather.met.items()):
        by_service[service][kind] = times
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "machine": f"{cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "seed": seed,
        "requests": len(evidence.made),
        "rate": rate,
        "clocks": [host.skew for host in storm.hosts],
        "settled": seen.settled,
        "invariants": {name: sum(one.invariant == name for one in found) for name in INVARIANTS},
        "violations": [one.what for one in found],
        "outcomes": dict(Counter(_end(evidence)).most_common()),
        "calls": dict(storm.weather.calls),
        "faults": by_service,
        "happened": {
            "hosts killed": storm.kills,
            "outages": storm.outages,
            **{f"{what} delivered again": times for what, times in storm.copies.items()},
            "methods registered meanwhile": len(evidence.registered),
            "methods removed": sum(len(person["deletions"]) for person in evidence.after.values()),
            **{what: sum(event in line for line in seen.lines) for what, event in SAID.items()},
        },
        "seconds": {
            "reset, median": round(statistics.median(took), 1) if took else None,
            "reset, 95 %": round(took[int(len(took) * 0.95)], 1) if took else None,
            "reset, longest": round(took[-1], 1) if took else None,
            "settling": round(seen.settling, 1),
            "all of it": round(seen.total, 1),
        },
    }


def _end(evidence: Evidence) -> Iterator[str]:
    for made in evidence.made:
        told = evidence.told(made)
        yield f"{told[-1]['data']['outcome']}, {told[-1]['data']['reason']}" if told else "none"


def _commit() -> str:
    """The commit that is checked out, with a `+` where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def show(console: Console, told: dict[str, Any]) -> None:
    faults = [(f"{service}: {kind}", times) for service, kinds in told["faults"].items() for kind, times in kinds.items()]
    for title, rows in (
        ("Requests by how they ended", told["outcomes"].items()),
        ("Calls through the gates", told["calls"].items()),
        (f"Faults met, at a rate of {told['rate']:.0%} and in outages", faults),
        ("What else happened", told["happened"].items()),
        ("Seconds", told["seconds"].items()),
    ):
        console.print(_table(title, rows), "")
    invariants = _table(f"Invariants over {told['requests']} requests, seed {told['seed']}: how often violated", ())
    for name, times in told["invariants"].items():
        invariants.add_row(name, f"[bold red]{times}[/]" if times else "0")
    console.print(invariants)


def _table(title: str, rows: Any) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold", min_width=WIDTH - 20, show_header=False)
    made.add_column("what")
    made.add_column("times", justify="right")
    for name, value in rows:
        made.add_row(escape(name), escape(f"{value:,}" if isinstance(value, int) else str(value)))
    return made


def story(seen: Seen, violation: Violation) -> Iterator[str]:
    """All that is known of the demand that a violation is about: what each service saw, and what the hosts logged."""
    evidence, made = seen.evidence, violation.made
    yield f"{violation.invariant}: {violation.what}"
    yield f"  request {made.number}, by {made.by} {made.key}, {made.profile}, for {made.subject} ({made.kind})"
    for call in evidence.writes:
        if made.subject in (call["subject"], *call["path"].split("/")):
            did = "changed" if call["changed"] else "nothing changed"
            yield f"  Graph  {call['at']} {call['method']} {call['path']}: {call['status']}, {did}"
    for one in evidence.registered:
        if one.subject == made.subject:
            yield f"  person {one.method['created']} registers {one.method['type']} {one.method['id']}"
    for one in evidence.after[made.subject]["deletions"]:
        yield f"  gone   {one['at']} {one['type']} {one['id']} ({one['how']})"
    for result in evidence.results:
        if result["data"].get("requestId") in evidence.request_ids(made):
            yield f"  result {result['time']} {result['id']}: {result['data'].get('outcome')} {result['data'].get('reason')}"
    for request_id in evidence.request_ids(made):
        for step in evidence.statuses.get(request_id, {}).get("steps", ()):
            yield f"  status {step['at']} {step['name']} {step.get('detail', '')}"
        said = [line for line in seen.lines if request_id in line]
        yield from (f"  host   {line}" for line in said[-LINES:])
    for label, text in entries(evidence.pages.get(made.key, "")):
        yield f"  ticket {label}: {text.splitlines()[0] if text else ''}"
