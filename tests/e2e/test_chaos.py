"""A small run of `make chaos`: everything fails, hosts die, clocks differ, and every invariant holds.

That the checker can fail is shown in tests/unit/test_chaos_invariants.py.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.chaos.faults import SERVICES
from sandbox.chaos.invariants import INVARIANTS

ROOT = Path(__file__).parents[2]
REQUESTS, SEED = 12, 1


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("chaos") / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.chaos", "--requests", str(REQUESTS), "--seed", str(SEED), "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(out.read_text())
    return figures


pytestmark = pytest.mark.timeout(500)  # what is put back by the sweep and lost again is looked for after five minutes


def test_every_invariant_holds(figures: dict[str, Any]) -> None:
    assert figures["invariants"] == dict.fromkeys(INVARIANTS, 0)
    assert sum(figures["outcomes"].values()) == REQUESTS


def test_it_was_chaos(figures: dict[str, Any]) -> None:
    happened = figures["happened"]
    assert happened["hosts killed"] > 0
    assert happened["outages"] >= len(SERVICES)
    assert happened["webhook events delivered again"] > 0
    assert happened["queue messages delivered again"] > 0
    assert len(set(figures["clocks"])) == 2
    assert {"Graph", "ServiceNow", "queues", "tables"} <= {service for service, met in figures["faults"].items() if met}


def test_people_were_reset_all_the_same(figures: dict[str, Any]) -> None:
    assert figures["outcomes"]["done, removed"] > 0
    assert figures["happened"]["methods removed"] > 0
    assert figures["seconds"]["reset, median"] > 0
