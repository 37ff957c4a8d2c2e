"""Pack a ``.crate`` whose bytes depend on its files alone: not on the machine, the user, the day or zlib.

Cargo's own archives differ between cargo versions for equal content (1.88 changed the compressor, 1.93
the timestamps), and zlib's between its implementations.  The tar is spelled out here, and the gzip
stream stores it uncompressed: any gzip reader takes it, and there is no compressor to disagree.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator

from patchbot.errors import PublishError
from patchbot.model import ForkedCrate, TreeFile

# Cargo's constant for files it generates: 2006-07-24, "the day that Rust was first committed"
# (cargo src/cargo/ops/cargo_package); any fixed date would do, this one surprises nobody.
MTIME = 1153704088

_GZIP_HEADER = b"\x1f\x8b\x08\x00" + b"\x00" * 4 + b"\x00\xff"  # no name, no time, unknown system
_STORED = 65535


def pack(files: Iterable[TreeFile], *, name: str, version: str) -> bytes:
    """Return the ``.crate`` of a package: its files under ``name-version/``, in the order of their paths."""
    out = io.BytesIO()
    # UTF-8 is said because tarfile would spell names as the machine's locale does.
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive:
        for file in sorted(files, key=lambda f: f.path):
            info = tarfile.TarInfo(f"{name}-{version}/{file.path}")
            info.size = len(file.data)
            info.mode = 0o755 if file.executable else 0o644
            info.mtime = MTIME
            archive.addfile(info, io.BytesIO(file.data))
    return gzip_stored(out.getvalue())


def refuse_large(crates: Iterable[ForkedCrate], most: int) -> None:
    """Raise ``PublishError`` for archives of more than ``most`` bytes, which the registry would refuse."""
    large = [crate for crate in crates if len(crate.data) > most]
    if large:
        rows = "".join(f"\n  {c.entry.name} {c.entry.version} has {_mib(len(c.data))}" for c in large)
        raise PublishError(
            f"the registry takes crates of {_mib(most)} at most:{rows}",
            hint="if it takes larger ones, say so: registry.max-crate-bytes in patchbot.toml",
        )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB ({size} bytes)"


def gzip_stored(data: bytes) -> bytes:
    """Return ``data`` as a gzip file without compression (RFC 1951, 3.2.4; RFC 1952)."""
    return b"".join(
        (_GZIP_HEADER, *_stored_blocks(data), struct.pack("<LL", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    )


def _stored_blocks(data: bytes) -> Iterator[bytes]:
    for start in range(0, max(len(data), 1), _STORED):
        block = data[start : start + _STORED]
        last = start + _STORED >= len(data)
        yield struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
