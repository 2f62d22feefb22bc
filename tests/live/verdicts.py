"""What a run says about each row of the page: pure.

A row is *confirmed* when every test that it has confirmed its claim, *contradicted* when one found otherwise, and else *not run*.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

type State = Literal["confirmed", "contradicted", "not run"]

HEADING = "## Only the real services can confirm\n"
TITLE = "not verified"
BY_HAND = "by hand: docs/verification.md has the command"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one test found. `row` is the row of the page that it is about, or None; `why` says what kept it from being run."""

    text: str
    row: str | None
    state: State
    why: str = ""
    measured: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a row of the page, or of a claim that stands on no page."""

    row: str
    state: State
    why: str
    claims: tuple[Claim, ...]


def rows(page: str) -> list[str]:
    """The first cells of the page's tables of what is not verified, in their order."""
    lines = page.partition(HEADING)[2].partition("\n## ")[0].splitlines()
    cells = [line.strip("|").split(" | ")[0].strip() for line in lines if line.startswith("| ")]
    return [cell for cell in cells if cell != TITLE]


def row_of(beginning: str, table: Iterable[str]) -> str:
    """The one row that begins so; `ValueError` when there is none, or more than one."""
    found = [row for row in table if row.startswith(beginning)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows of the page begin with {beginning!r}")
    return found[0]


def verdicts(table: Sequence[str], claims: Sequence[Claim], rest: Mapping[str, str]) -> list[Verdict]:
    """One for each row and one for each claim without; `rest` says what of a row no test tries."""
    said = [_verdict(row, tuple(claim for claim in claims if claim.row == row), rest.get(row, "")) for row in table]
    return said + [_verdict(claim.text, (claim,), "") for claim in claims if claim.row is None]


def _verdict(row: str, claims: tuple[Claim, ...], rest: str) -> Verdict:
    if not claims:
        return Verdict(row, "not run", BY_HAND, ())
    for state in ("contradicted", "not run"):
        if why := [f"{claim.text}: {claim.why}" for claim in claims if claim.state == state]:
            return Verdict(row, state, "; ".join(why), claims)
    return Verdict(row, "not run" if rest else "confirmed", f"the rest {BY_HAND}: {rest}" if rest else "", claims)


def document(said: Iterable[Verdict]) -> list[dict[str, Any]]:
    """As JSON."""
    return [
        {
            "row": one.row,
            "state": one.state,
            "why": one.why or None,
            "claims": [
                {"claim": claim.text, "state": claim.state, "why": claim.why or None, "measured": dict(claim.measured)}
                for claim in one.claims
            ],
        }
        for one in said
    ]


def lines(said: Iterable[Verdict]) -> list[str]:
    """As people read it: the rows that were tried first."""
    shown = []
    for one in sorted(said, key=lambda verdict: (not verdict.claims, verdict.state != "contradicted")):
        shown.append(f"{one.state:<13} {one.row}")
        if one.claims and one.why:
            shown.append(f"{'':<13} {one.why}")
        shown += [
            f"{'':<13} {claim.text}: {', '.join(f'{name} {value}' for name, value in claim.measured.items())}"
            for claim in one.claims
            if claim.measured
        ]
    return shown
