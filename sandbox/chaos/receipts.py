"""Receipts, read by somebody who has only their schema (docs/receipts.md): whether the chain holds, and what it says. Pure."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

GENESIS = "0" * 64

type Json = dict[str, Any]


@dataclass
class Receipt:
    """The entries of one receipt as far as it could be read, and what is wrong with it."""

    entries: list[Json] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def of_kind(self, kind: str) -> Iterator[Json]:
        return (entry for entry in self.entries if entry["kind"] == kind)


def read(raw: bytes, request_id: str) -> Receipt:
    """Every line says what its hash says, is of this request, and follows the one before."""
    found, prev = Receipt(), GENESIS
    *lines, rest = raw.split(b"\n")
    if rest:
        found.problems.append("the last line is torn")
    for number, line in enumerate(lines, 1):
        try:
            entry: Json = json.loads(line)
            said = entry.pop("hash")
            bare = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            if hashlib.sha256(bare.encode()).hexdigest() != said:
                found.problems.append(f"entry {number} was edited")
            if (entry["sequence"], entry["prev"]) != (number, prev):
                found.problems.append(f"entry {number} does not follow the one before")
            if entry["request"] != request_id:
                found.problems.append(f"entry {number} is of request {entry['request']}")
        except (ValueError, KeyError, TypeError, AttributeError):
            found.problems.append(f"line {number} is no entry")
            continue
        prev = said
        found.entries.append({**entry, "hash": said})
    return found
