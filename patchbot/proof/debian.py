"""Debian's names: of machines, of compilers for them and the packages these come in.

Cross compilers begin with the prefix that the ``cc`` crate looks for, too; packages say it with hyphens alone.
"""

from __future__ import annotations

from patchbot.targets import Target

NATIVE = ("gcc", "libc6-dev")  # the compiler for the machine that it runs on, with its C library
EMULATORS = ("qemu-user",)

_PREFIXES = {
    ("x86_64", "linux"): "x86_64-linux-gnu",
    ("aarch64", "linux"): "aarch64-linux-gnu",
    ("riscv64", "linux"): "riscv64-linux-gnu",
    ("s390x", "linux"): "s390x-linux-gnu",
    ("x86", "linux"): "i686-linux-gnu",
    ("arm", "linux"): "arm-linux-gnueabihf",
    ("x86_64", "windows"): "x86_64-w64-mingw32",
    ("x86", "windows"): "i686-w64-mingw32",
    # without an operating system, cc takes the host's compiler of that architecture
    ("x86_64", "none"): "x86_64-linux-gnu",
}
# `dpkg-architecture -L`
_ARCHITECTURES = {
    "x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64", "s390x": "s390x", "x86": "i386", "arm": "armhf",
}  # fmt: skip


def prefix(target: Target) -> str | None:
    """Return what the names of a target's GNU programs begin with; None if it has none."""
    return _PREFIXES.get((target.arch, target.os)) if target.env in {"gnu", ""} else None


def architecture(target: Target) -> str | None:
    """Return Debian's name of a target's architecture; None if Debian has no toolchain for such a target."""
    return _ARCHITECTURES.get(target.arch) if (target.os, target.env) == ("linux", "gnu") else None


def compilers(target: Target) -> tuple[str, ...]:
    """Return the packages of a cross compiler with its C library; none where Debian has none."""
    begins = prefix(target)
    if begins is None:
        return ()
    if target.os == "windows":
        return (f"gcc-mingw-w64-{_hyphens(begins.removesuffix('-w64-mingw32'))}",)
    debian = architecture(target)
    library = () if debian is None else (f"libc6-dev-{debian}-cross",)
    return f"gcc-{_hyphens(begins)}", *library


def _hyphens(name: str) -> str:
    return name.replace("_", "-")
