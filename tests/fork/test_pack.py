from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import pytest
from fork import small
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.errors import PublishError
from patchbot.fork import pack
from patchbot.model import ForkedCrate, TreeFile

LONG = f"src/{'deep/' * 40}module.rs"
FILES = [
    TreeFile("src/lib.rs", b"// a library\n"),
    TreeFile("Cargo.toml", b"[package]\n"),
    TreeFile("configure", b"#!/bin/sh\n", executable=True),
    TreeFile("empty", b""),
    TreeFile("src/a-b.rs", b"\x00\xff"),
    TreeFile("src/a/b.rs", b"x" * 1000),
    TreeFile(f"src/{'n' * 120}.rs", b"long name\n"),
    TreeFile(LONG, b"long path\n"),
    TreeFile("caf\u00e9.txt", b"not ASCII\n"),
]


def members(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    out = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None, f"{member.name} is no file"
            out[member.name] = (member, content.read())
    return out


def test_an_archive_holds_the_files_and_nothing_else() -> None:
    read = members(pack.pack(FILES, name="a-v1", version="1.0.0"))
    assert {name: data for name, (_, data) in read.items()} == {
        f"a-v1-1.0.0/{file.path}": file.data for file in FILES
    }


def test_members_stand_in_the_order_of_their_paths() -> None:
    names = list(members(pack.pack(FILES, name="a", version="1.0.0")))
    assert names == sorted(names)
    assert pack.pack(reversed(FILES), name="a", version="1.0.0") == pack.pack(
        FILES, name="a", version="1.0.0"
    )


def test_a_member_says_nothing_of_the_machine_but_keeps_the_executable_bit() -> None:
    for name, (member, _) in members(pack.pack(FILES, name="a", version="1.0.0")).items():
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert member.mtime == pack.MTIME
        assert member.mode == (0o755 if name.endswith("/configure") else 0o644)
        assert member.isreg()


def test_the_gzip_header_has_no_name_no_time_and_no_system() -> None:
    data = pack.pack(FILES, name="a", version="1.0.0")
    assert data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_the_bytes_are_these() -> None:
    # A change here is a change of every published crate: it needs a new revision of all forks.
    data = pack.pack(FILES, name="a-v1", version="1.0.0")
    assert hashlib.sha256(data).hexdigest() == (
        "427cb98c80eda81e5600e2a71c390448153884ea29f8084e13eb39510b5b2813"
    )


def test_the_tar_program_unpacks_it(tmp_path: Path) -> None:
    (tmp_path / "a.crate").write_bytes(pack.pack(FILES, name="a", version="1.0.0"))
    done = subprocess.run(["tar", "-xzf", "a.crate"], cwd=tmp_path, check=True, capture_output=True)
    assert done.stderr == b""
    for file in FILES:
        unpacked = tmp_path / "a-1.0.0" / file.path
        assert unpacked.read_bytes() == file.data
        assert bool(unpacked.stat().st_mode & stat.S_IXUSR) == file.executable
    assert (
        subprocess.run(["gzip", "--test", "--suffix=.crate", "a.crate"], cwd=tmp_path, check=False).returncode
        == 0
    )


def test_an_archive_of_nothing_is_an_archive() -> None:
    assert members(pack.pack([], name="a", version="1.0.0")) == {}


SCRIPT = """
import hashlib, os, random, sys, time
sys.path.insert(0, sys.argv[2])
os.umask(int(sys.argv[1], 8))
time.tzset()
from fork.test_pack import FILES
from patchbot.fork import pack
files = list(set(FILES))  # in the order of this process's hash seed
print(hashlib.sha256(pack.pack(files, name="a-v1", version="1.0.0")).hexdigest())
"""


@pytest.mark.parametrize(
    ("umask", "environment"),
    [
        ("077", {"TZ": "Pacific/Chatham", "HOME": "/nonexistent", "PYTHONHASHSEED": "1"}),
        # a C locale that Python is not allowed to take for UTF-8
        (
            "022",
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "2"},
        ),
        ("000", {"USER": "somebody", "SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "random"}),
    ],
    ids=["zone", "locale", "user"],
)
def test_another_process_packs_the_same_bytes(
    tmp_path: Path, umask: str, environment: dict[str, str]
) -> None:
    tests = Path(__file__).parents[1]
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT, umask, str(tests)],
        cwd=tmp_path,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    ours = pack.pack(FILES, name="a-v1", version="1.0.0")
    assert said.stdout.strip() == hashlib.sha256(ours).hexdigest()


def fork(name: str, size: int) -> ForkedCrate:
    pin = small.pin(name)
    return ForkedCrate(pin, pin.entry, bytes(size), "")


def test_a_crate_that_is_too_large_is_told_by_name_and_size() -> None:
    crates = [fork("engine", 10), fork("codegen", 3 << 20), fork("math", (1 << 20) + 1)]
    pack.refuse_large(crates, 3 << 20)
    with pytest.raises(PublishError) as told:
        pack.refuse_large(crates, 1 << 20)
    assert told.value.what == (
        "the registry takes crates of 1.0 MiB (1048576 bytes) at most:\n"
        "  codegen 1.0.0 has 3.0 MiB (3145728 bytes)\n"
        "  math 1.0.0 has 1.0 MiB (1048577 bytes)"
    )
    assert "registry.max-crate-bytes" in str(told.value.hint)


BLOCK = 65535
sizes = st.one_of(
    st.integers(0, 64),
    st.builds(lambda blocks, more: max(0, blocks * BLOCK + more), st.integers(0, 3), st.integers(-2, 2)),
)


@settings(max_examples=60)
@given(sizes, st.integers(0, 255))
def test_what_is_stored_is_what_any_gzip_reader_gets(size: int, seed: int) -> None:
    data = bytes((n * 31 + seed) & 0xFF for n in range(min(size, 512))).ljust(size, b"\x5a")
    stored = pack.gzip_stored(data)
    assert gzip.decompress(stored) == data
    # a header of 5 bytes for every begun block, 18 around them
    assert len(stored) == 18 + size + 5 * max(1, -(-size // BLOCK))


@pytest.mark.parametrize("damage", [11, 20, -8, -1])
def test_a_damaged_archive_does_not_pass_for_whole(damage: int) -> None:
    stored = bytearray(pack.gzip_stored(b"some bytes of a crate"))
    stored[damage] ^= 0x10
    with pytest.raises((OSError, EOFError, zlib.error)):
        gzip.decompress(bytes(stored))
