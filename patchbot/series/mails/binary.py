"""The bytes of a file in a patch: git's binary patches (git's apply.c and patch-delta.c)."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field

MAX_BYTES = 256 * 1024 * 1024
_LOWER = 26
_CONTINUES = 0x80
_COPIES = 0x10000
_NUMBER = 64  # bits


@dataclass(frozen=True, slots=True)
class Literal:
    """A file's bytes, or the delta that makes them of the old file's."""

    data: bytes = field(repr=False)
    delta: bool = False

    def apply(self, old: bytes) -> bytes:
        """Return the new file's bytes.  Raises ``ValueError`` if the delta is not one of ``old``."""
        return _patched(old, self.data) if self.delta else self.data


def decode(rows: list[bytes], size: int, *, delta: bool) -> Literal:
    """Return what rows of base85 hold; ``size`` is what their header says.  Raises ``ValueError``."""
    if size > MAX_BYTES:
        raise ValueError(f"it says that it has {size} bytes")
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(b"".join(map(_row, rows)), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(data) != size:
        raise ValueError(f"it has other than {size} bytes")
    if not inflater.eof or inflater.unused_data:  # before its end zlib has not compared its checksum
        raise ValueError("it does not end where its bytes do")
    return Literal(data, delta)


def _row(row: bytes) -> bytes:
    """Decode a row: a letter for its length (A to Z is 1 to 26, a to z is 27 to 52), then base85."""
    letter = row[:1]
    count = letter[0] - ord("A") + 1 if letter.isupper() else letter[0] - ord("a") + 1 + _LOWER
    data = base64.b85decode(row[1:])
    if not letter.isalpha() or len(data) != -(-count // 4) * 4:
        raise ValueError("a row of it has another length than it says")
    return data[:count]


def _patched(old: bytes, delta: bytes) -> bytes:
    before, at = _number(delta, 0)
    after, at = _number(delta, at)
    if before != len(old) or after > MAX_BYTES:
        raise ValueError(f"its delta is of a file of {before} bytes")
    out = bytearray()
    while at < len(delta):
        code = delta[at]
        at += 1
        if code & _CONTINUES:
            value = 0  # four bytes of offset and three of size, those that are not 0
            for bit in range(7):
                if code & 1 << bit:
                    if at >= len(delta):
                        raise ValueError("its delta ends early")
                    value |= delta[at] << 8 * bit
                    at += 1
            start, size = value & 0xFFFFFFFF, value >> 32
            size = size or _COPIES
            if start + size > len(old):
                raise ValueError("its delta copies what is not there")
            out += old[start : start + size]
        elif code:
            if at + code > len(delta):
                raise ValueError("its delta ends early")
            out += delta[at : at + code]
            at += code
        else:
            raise ValueError("its delta has an unknown code")
        if len(out) > after:
            break
    if len(out) != after:
        raise ValueError(f"its delta gives other than {after} bytes")
    return bytes(out)


def _number(delta: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < len(delta) and shift < _NUMBER:
        byte, at = delta[at], at + 1
        value |= (byte & ~_CONTINUES) << shift
        shift += 7
        if not byte & _CONTINUES:
            return value, at
    raise ValueError("its delta ends early")
