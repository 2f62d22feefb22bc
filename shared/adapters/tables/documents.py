"""A JSON document of any length in one row: properties `document0`, `document1`, …, each of up to 64 KiB; a row holds 1 MiB."""

from collections.abc import Mapping
from typing import Any

_CHUNK = 16_000  # characters, each of up to 4 bytes in UTF-16


def chunks(document: bytes) -> dict[str, str]:
    text = document.decode()
    return {f"document{n}": text[at : at + _CHUNK] for n, at in enumerate(range(0, len(text), _CHUNK))}


def joined(row: Mapping[str, Any]) -> str:
    """The document; `KeyError` or `TypeError` where a part of it is missing or is no text."""
    return "".join(row[f"document{n}"] for n in range(sum(key.startswith("document") for key in row)))
