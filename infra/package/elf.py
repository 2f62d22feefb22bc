"""Shared libraries without what only debuggers and linkers read.

A third of what wheels bring as compiled code is symbols and debug sections behind the last segment. The loader maps segments,
which program headers name, and never looks behind them.

Source: System V ABI, "ELF header", "Program header"; ELF-64 little-endian only, as the platform is x86-64.
"""

import struct

from infra.package import CannotPackage

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ELF_64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_SHARED_OBJECT, _X86_64 = 3, 62

NOT_FOR_THE_PLATFORM = "a compiled module is no shared library for x86-64"


def loadable(library: bytes) -> bytes:
    """The library up to the end of its last segment, without section headers."""
    if len(library) < _HEADER.size or not library.startswith(_ELF_64_LITTLE_ENDIAN):
        raise CannotPackage(NOT_FOR_THE_PLATFORM)
    fields = _HEADER.unpack_from(library)
    ident, kind, machine, version, entry, segments, _, flags, size, segment_size, count, section_size, _, _ = fields
    if (kind, machine, segment_size) != (_SHARED_OBJECT, _X86_64, _SEGMENT.size):
        raise CannotPackage(NOT_FOR_THE_PLATFORM)
    ends = [segments + count * segment_size]
    for number in range(count):
        _, _, offset, _, _, in_file, _, _ = _SEGMENT.unpack_from(library, segments + number * segment_size)
        ends.append(offset + in_file)
    header = _HEADER.pack(ident, kind, machine, version, entry, segments, 0, flags, size, segment_size, count, section_size, 0, 0)
    return header + library[_HEADER.size : max(ends)]
