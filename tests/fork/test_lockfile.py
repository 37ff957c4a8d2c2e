from __future__ import annotations

import pytest

from patchbot.errors import ConfigError
from patchbot.fork import lockfile
from patchbot.fork.lockfile import LockedPackage

LOCK = b"""\
version = 4

[[package]]
name = "service"
version = "0.1.0"
dependencies = ["wasmtime 36.0.19", "wasmtime-v8-0-1"]

[[package]]
name = "wasmtime"
version = "36.0.19"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "00"
dependencies = [
 "anyhow",
 "wasmtime-environ 36.0.19",
 "wasmtime-fiber 36.0.19 (registry+https://github.com/rust-lang/crates.io-index)",
]

[[package]]
name = "wasmtime"
version = "8.0.1"
source = "sparse+https://index.crates.io/"

[[package]]
name = "wasmtime-v8-0-1"
version = "8.0.1"
source = "sparse+https://registry.patchbot.invalid/index/"
"""


def test_the_packages_of_crates_io_are_read_with_what_they_use() -> None:
    packages = lockfile.parse(LOCK, where="Cargo.lock")
    assert packages == [
        LockedPackage("wasmtime", "36.0.19", frozenset({"anyhow", "wasmtime-environ", "wasmtime-fiber"})),
        LockedPackage("wasmtime", "8.0.1", frozenset()),
    ]
    assert lockfile.versions(packages, "wasmtime") == ["36.0.19", "8.0.1"]
    assert lockfile.versions(packages, "wasmtime-v8-0-1") == []


def test_an_empty_lock_has_no_packages() -> None:
    assert lockfile.parse(b"version = 4\n", where="Cargo.lock") == []


@pytest.mark.parametrize(
    "data",
    [b"package", b"\xff", b"package = 3\n", b'package = ["a"]\n',
     b'[[package]]\nname = "a"\nsource = "sparse+https://index.crates.io/"\n',
     b'[[package]]\nname = "a"\nversion = "1"\nsource = "sparse+https://index.crates.io/"\ndependencies = [""]\n'],
)  # fmt: skip
def test_what_is_no_lockfile_is_told_with_its_place(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"is no Cargo\.lock") as told:
        lockfile.parse(data, where="there/Cargo.lock")
    assert told.value.where == "there/Cargo.lock"
