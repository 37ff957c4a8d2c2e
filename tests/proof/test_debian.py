"""The names that Debian gives to machines and to the packages for them."""

from __future__ import annotations

import pytest

from patchbot.proof import debian
from patchbot.targets import KNOWN, Target


@pytest.mark.parametrize(
    ("triple", "architecture", "compilers"),
    [
        ("s390x-unknown-linux-gnu", "s390x", ("gcc-s390x-linux-gnu", "libc6-dev-s390x-cross")),
        ("aarch64-unknown-linux-gnu", "arm64", ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")),
        ("riscv64gc-unknown-linux-gnu", "riscv64", ("gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross")),
        ("x86_64-unknown-linux-gnu", "amd64", ("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross")),
        ("i686-unknown-linux-gnu", "i386", ("gcc-i686-linux-gnu", "libc6-dev-i386-cross")),
        ("armv7-unknown-linux-gnueabihf", "armhf", ("gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross")),
        ("x86_64-pc-windows-gnu", None, ("gcc-mingw-w64-x86-64",)),
        ("x86_64-pc-windows-msvc", None, ()),
        ("aarch64-apple-darwin", None, ()),
        ("x86_64-unknown-none", None, ("gcc-x86-64-linux-gnu",)),
    ],
)
def test_targets_have_their_packages(
    triple: str, architecture: str | None, compilers: tuple[str, ...]
) -> None:
    assert debian.architecture(KNOWN[triple]) == architecture
    assert debian.compilers(KNOWN[triple]) == compilers


@pytest.mark.parametrize(
    "target",
    [
        Target("x86_64-unknown-linux-musl", "x86_64", "linux", "unix", "musl"),
        Target("sparc-unknown-linux-gnu", "sparc", "linux", "unix", "gnu"),
    ],
)
def test_other_targets_have_none(target: Target) -> None:
    assert debian.architecture(target) is None
    assert debian.compilers(target) == ()
