"""The threat model names every guardrail, and for each threat a test that is there: docs/threat-model.md."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from shared.guardrails import RULES
from shared.model import PRECEDENCE, AlertKind, Reason, WaitingFor

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
_TEST = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)+)`")
_HEADINGS = ["what is tried", "guardrail", "reason or effect", "test that proves it"]


def threats() -> list[list[str]]:
    """The rows of every table of threats: the cells of each, in the order of the headings."""
    rows, inside = [], False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")] if line.startswith("|") else []
        inside = cells == _HEADINGS or (inside and bool(cells))
        if inside and cells != _HEADINGS and not line.startswith("|--"):
            rows.append(cells)
    return rows


def named() -> list[tuple[str, str]]:
    return sorted({(path, names.removeprefix("::")) for path, names in _TEST.findall(PAGE)})


@cache
def collected(path: str) -> frozenset[str]:
    """What pytest would collect from this file, without parameters: functions, and methods of classes, inherited ones too."""
    body = ast.parse((ROOT / path).read_text("utf-8")).body
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}

    def tests(nodes: list[ast.stmt]) -> set[str]:
        functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        return {name for name in functions if name.startswith("test_")}

    def methods(node: ast.ClassDef) -> set[str]:
        bases = [classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
        return tests(node.body).union(*map(methods, bases))

    inside = {f"{name}::{test}" for name, node in classes.items() if name.startswith("Test") for test in methods(node)}
    return frozenset(tests(body) | inside)


def test_every_threat_has_a_guardrail_an_effect_and_a_test() -> None:
    assert len(threats()) >= len(RULES)
    for cells in threats():
        assert len(cells) == len(_HEADINGS), cells
        assert all(cells), cells
        assert _TEST.search(cells[-1]), cells


@pytest.mark.parametrize(("path", "name"), named())
def test_every_test_that_is_named_is_there(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert name in collected(path)


@pytest.mark.parametrize(("name", "reason"), [(rule.name, rule.reason) for rule in RULES])
def test_every_rule_has_a_row_with_its_reason(name: str, reason: Reason) -> None:
    assert [cells for cells in threats() if f"`{name}`" in cells[1] and f"`{reason}`" in cells[2]]


@pytest.mark.parametrize("reason", [reason for reason in Reason if PRECEDENCE[reason] < PRECEDENCE[Reason.REMOVED]])
def test_every_refusal_is_the_effect_of_a_guardrail(reason: Reason) -> None:
    assert [cells for cells in threats() if f"`{reason}`" in cells[2]]


@pytest.mark.parametrize("word", [*AlertKind, WaitingFor.RATE_LIMIT, WaitingFor.BREAKER, WaitingFor.PAUSED])
def test_every_alert_and_every_brake_is_the_effect_of_a_guardrail(word: str) -> None:
    assert [cells for cells in threats() if f"`{word}`" in cells[2]]


def test_what_a_row_calls_a_rule_is_one() -> None:
    rules = {rule.name for rule in RULES}
    said = {name for cells in threats() for name in re.findall(r"rule `([a-z-]+)`", cells[1])}
    assert said <= rules
