"""JSON that every reader understands alike: no duplicate names, no NaN, no lone surrogates.

Source: RFC 8259 sections 4, 6, 8; RFC 7493 (I-JSON) section 2.
"""

import json


class NotJson(ValueError):
    """The text is not JSON, or readers could disagree about what it says."""


def read(source: bytes | str) -> object:
    """The one value that `source` (UTF-8, no byte order mark) says; anything else raises `NotJson` and nothing else."""
    try:
        text = source.decode() if isinstance(source, bytes) else source
        value: object = json.loads(text, object_pairs_hook=_unique)
        canonical(value)  # NaN, infinite numbers and lone surrogates can be read, but not written
    except (ValueError, RecursionError):
        # No chain: a decoder's error carries the whole document.
        raise NotJson("Not JSON that every reader understands alike") from None
    return value


def canonical(value: object) -> bytes:
    """`value` as UTF-8 JSON that is equal whenever the value is: sorted names, no blanks."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return members
