"""Byte-code that depends on nothing but the source and its place in the package."""

import importlib.util
import marshal
import sys

UNCHECKED_HASH = (0b01).to_bytes(4, "little")
"""PEP 552: holds the source's hash, which nobody compares as it is loaded; there is no time in it, and none is looked at."""

WITHOUT_REFERENCES = 2
"""A later format of `marshal` notes which objects were shared in the process that compiled, which is not the source's affair."""


def compiled(source: bytes, place: str) -> bytes:
    """A `.pyc` of `source`; `place` stands in tracebacks where the source is not in the package."""
    code = compile(source, sys.intern(place), "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    return header + marshal.dumps(code, WITHOUT_REFERENCES)
