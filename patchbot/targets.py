"""Compilation targets: what a triple says about conditional compilation.

``rustc --print cfg --target TRIPLE`` is the source of facts.  The targets that wasmtime has names for are
written down here, so that a scan can speak of all of them on a machine without a compiler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNIX = frozenset(
    {"linux", "android", "macos", "ios", "tvos", "watchos", "visionos", "freebsd", "netbsd", "openbsd",
     "dragonfly", "solaris", "illumos", "fuchsia", "haiku", "aix", "hurd", "nto", "redox", "emscripten"}
)  # fmt: skip
_APPLE = frozenset({"macos", "ios", "tvos", "watchos", "visionos"})

_OPTION = re.compile(r'(\w+)(?:="(.*)")?')


def system_family(system: str) -> str | None:
    """Return the family of a ``target_os``: ``unix``, ``windows``, empty if it has none, None if unknown."""
    if system in _UNIX:
        return "unix"
    return {"windows": "windows", "none": ""}.get(system)


@dataclass(frozen=True, slots=True)
class Target:
    """A compilation target: its triple and the ``cfg`` options that are the target's own."""

    triple: str
    arch: str
    os: str
    family: str = ""
    env: str = ""
    vendor: str = "unknown"
    pointer_width: int = 64
    endian: str = "little"

    @classmethod
    def from_cfg(cls, triple: str, printed: str) -> Target:
        """Read what ``rustc --print cfg`` printed; raise ``ValueError`` if it lacks an option."""
        matches = (_OPTION.fullmatch(line.strip()) for line in printed.splitlines())
        values = {match[1]: match[2] or "" for match in matches if match}
        family = next((name for name in ("unix", "windows") if name in values), "")
        try:
            return cls(
                triple=triple,
                arch=values["target_arch"],
                os=values["target_os"],
                family=family,
                env=values["target_env"],
                vendor=values["target_vendor"],
                pointer_width=int(values["target_pointer_width"]),
                endian=values["target_endian"],
            )
        except KeyError as error:
            raise ValueError(f"the compiler does not say the {error.args[0]} of {triple}") from None

    @property
    def is_elf(self) -> bool:
        """Whether its objects are ELF, where names are spelled as they are in C."""
        return self.os not in _APPLE | {"windows", "uefi"} and not self.arch.startswith("wasm")

    @property
    def values(self) -> dict[str, str]:
        """The ``cfg`` options that have a value; cargo gives them to build scripts as ``CARGO_CFG_…``."""
        return {
            "target_arch": self.arch,
            "target_os": self.os,
            "target_env": self.env,
            "target_vendor": self.vendor,
            "target_family": self.family,
            "target_pointer_width": str(self.pointer_width),
            "target_endian": self.endian,
        }

    def option(self, name: str, value: str | None) -> bool | None:
        """Return whether a ``cfg`` option is set on this target, None if the triple does not say."""
        if value is not None:
            return self.values[name] == value if name in self.values else None
        return self.family == name if name in {"unix", "windows"} else None


# One of every kind that wasmtime has names for; the last has no operating system, so the embedder is one.
KNOWN = {
    target.triple: target
    for target in (
        Target("x86_64-unknown-linux-gnu", "x86_64", "linux", "unix", "gnu"),
        Target("aarch64-unknown-linux-gnu", "aarch64", "linux", "unix", "gnu"),
        Target("riscv64gc-unknown-linux-gnu", "riscv64", "linux", "unix", "gnu"),
        Target("s390x-unknown-linux-gnu", "s390x", "linux", "unix", "gnu", endian="big"),
        Target("i686-unknown-linux-gnu", "x86", "linux", "unix", "gnu", pointer_width=32),
        Target("armv7-unknown-linux-gnueabihf", "arm", "linux", "unix", "gnu", pointer_width=32),
        Target("x86_64-apple-darwin", "x86_64", "macos", "unix", vendor="apple"),
        Target("aarch64-apple-darwin", "aarch64", "macos", "unix", vendor="apple"),
        Target("x86_64-pc-windows-msvc", "x86_64", "windows", "windows", "msvc", vendor="pc"),
        Target("x86_64-pc-windows-gnu", "x86_64", "windows", "windows", "gnu", vendor="pc"),
        Target("aarch64-pc-windows-msvc", "aarch64", "windows", "windows", "msvc", vendor="pc"),
        Target("x86_64-unknown-none", "x86_64", "none"),
    )
}
