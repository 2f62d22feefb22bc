"""The bench can be run, and what it counts (not what it times) is as it should be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("bench") / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.bench", "--once", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measured: dict[str, Any] = json.loads(out.read_text())
    return measured


def test_no_deletion_is_refused_for_a_default_that_could_be_known(figures: dict[str, Any]) -> None:
    assert figures["reset"]["graph"]["refused deletes"] == 0


def test_graph_is_written_to_once_for_each_method_and_once_for_the_sessions(figures: dict[str, Any]) -> None:
    assert figures["reset"]["graph"]["writes"] == 5


def test_no_more_graph_calls_follow_one_another_than_must(figures: dict[str, Any]) -> None:
    assert figures["reset"]["in_a_row"] <= figures["reset"]["graphCallsNeeded"] == 15


def test_a_reset_asks_storage_for_a_known_number_of_things(figures: dict[str, Any]) -> None:
    """One message in, one result out; a transaction for event, claim, count, each of four intents, the outcome and the end.

    The receipt is looked for, made, and appended to with each of four intents and that of the sessions, with the outcome, and
    with what was told.

    Read are record and event; both switches at the start and when the reset is counted; the ledger's list and the person's latest
    for the decision, its confirmation and the count.
    """
    assert figures["reset"]["storage"] == {
        "messages put on mfa-requests": 1,
        "messages put on mfa-results": 1,
        "receipt appends": 7,
        "receipt reads": 1,
        "receipts made": 1,
        "switch reads": 4,
        "table reads": 8,
        "table transactions": 9,
    }


def test_everything_that_is_timed_took_some_time(figures: dict[str, Any]) -> None:
    times = figures["reset"]["times"]
    assert 0 < times["picked_up"] < times["journaled"] <= times["noted"]
    assert times["bare"] > 0.8
    for one in (figures["cold"]["app"], figures["cold"]["bare"]):
        assert 0 < one["ready"] < one["answered"] < one["done"]
    assert figures["acknowledgement"]["app"] > 0 < figures["acknowledgement"]["bare"]
