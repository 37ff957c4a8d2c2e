"""Debian's packages of Rust for two machines: which versions fit together, and what apt says of them.

All of it is text in, values out; ``apt`` and ``system`` start the programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_NEVER = frozenset({"libc6"})  # a second C library under programs that started with the first one kills them
_VERSIONED = re.compile(r"rustc-(\d+\.\d+)")
_INSTALLS = re.compile(r"(?m)^Inst (\S+) (\[\S+\] )?\((\S+) ")
_EXACT = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::\S+)? \(= ([^)\s]+)\)")
_REBUILT = re.compile(r"\+b\d+$")  # one architecture's packages made again, of the same sources


@dataclass(frozen=True, slots=True)
class Family:
    """Packages that make one Rust: the compiler, cargo, and the standard library, which is one per target."""

    rustc: str
    cargo: str
    library: str


# Debian 12 keeps a newer Rust for browsers beside its own; Debian 13 and Ubuntu have the second family.
FAMILIES = (
    Family("rustc-web", "cargo-web", "libstd-rust-web-dev"),
    Family("rustc", "cargo", "libstd-rust-dev"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A family, and the version of each of its packages; ``foreign`` is that of the target's library."""

    family: Family
    rustc: str
    cargo: str
    foreign: str

    @property
    def host(self) -> tuple[str, ...]:
        """The packages for this machine, as apt takes them."""
        family = self.family
        return (
            f"{family.rustc}={self.rustc}",
            f"{family.cargo}={self.cargo}",
            f"{family.library}={self.rustc}",
        )

    def library(self, architecture: str) -> str:
        """Return the target's standard library, as apt takes it."""
        return f"{self.family.library}:{architecture}={self.foreign}"


def families(names: Iterable[str]) -> tuple[Family, ...]:
    """Return the families among the names of packages; those with a version in their names are Ubuntu's."""
    found = (_VERSIONED.fullmatch(name) for name in names)
    versions = sorted({match[1] for match in found if match}, key=upstream, reverse=True)
    return FAMILIES + tuple(Family(f"rustc-{v}", f"cargo-{v}", f"libstd-rust-{v}-dev") for v in versions)


def offers(madison: str) -> dict[str, tuple[str, ...]]:
    """Return the versions of each package that ``apt-cache madison`` lists, in its order: the newest first."""
    found: dict[str, dict[str, None]] = {}
    for line in madison.splitlines():
        words = [word.strip() for word in line.split("|")]
        # of sources it has lines, too
        if len(words) == 3 and words[2].endswith("Packages"):  # noqa: PLR2004 - name, version, source
            found.setdefault(words[0], {})[words[1]] = None
    return {name: tuple(versions) for name, versions in found.items()}


def choose(found: Mapping[str, Sequence[str]], kinds: Iterable[Family], foreign: str) -> Choice | None:
    """Return the newest Rust that is offered for this machine and, made of the same sources, for ``foreign``.

    Rustc takes no library that another version of it has made.  Equal ones are taken in the order of ``kinds``.
    """
    best: Choice | None = None
    for family in kinds:
        libraries = found.get(f"{family.library}:{foreign}", ())
        cargos = found.get(family.cargo, ())
        for version in found.get(family.rustc, ()):
            same = next((other for other in libraries if _sources(other) == _sources(version)), None)
            if same is None or not cargos or version not in found.get(family.library, ()):
                continue
            # Debian 12's own cargo has sources, and versions, of its own
            cargo = version if version in cargos else cargos[0]
            if best is None or upstream(version) > upstream(best.rustc):
                best = Choice(family, version, cargo, same)
    return best


def upstream(version: str) -> tuple[int, ...]:
    """Return the numbers of upstream's version in a Debian version: ``1:1.85.0+dfsg3-1`` is 1, 85, 0."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def _sources(version: str) -> str:
    return _REBUILT.sub("", version)


def exact(shown: str) -> tuple[str, ...]:
    """Return what packages need at one exact version, of what ``apt-cache show`` says.

    Rustc looks for its libraries beside the one that holds the compiler, so that one must be ours, too.
    """
    lines = (line for line in shown.splitlines() if line.startswith("Depends: "))
    return tuple(
        dict.fromkeys(f"{name}={version}" for line in lines for name, version in _EXACT.findall(line))
    )


def added(simulated: str) -> tuple[str, ...]:
    """Return what ``apt-get install -s`` would add; what it would replace by another version is there already."""
    found = ((name, version) for name, old, version in _INSTALLS.findall(simulated) if not old)
    return tuple(f"{name}={version}" for name, version in found if name not in _NEVER)


def together(*groups: Iterable[str]) -> tuple[str, ...]:
    """Return packages once each; the first version of a package counts."""
    found: dict[str, str] = {}
    for word in (word for group in groups for word in group):
        found.setdefault(word.partition("=")[0], word)
    return tuple(found.values())


def configuration(folder: str, architectures: Sequence[str]) -> str:
    """Return a configuration of apt that knows other architectures and keeps all that it makes in ``folder``.

    It is read after the machine's own (``apt-get -c``), whose proxies, keys and sources stay in force.
    """
    lists = (
        "APT::Architectures", "Acquire::Languages",
        # what machines do after an update, for all of their users: appstream, packagekit
        "APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success",
    )  # fmt: skip
    settings = {
        "Dir::State::Lists": f"{folder}/lists",
        "Dir::Cache": f"{folder}/cache",
        # images of containers leave the next two out, and then each question takes seconds
        "Dir::Cache::pkgcache": "pkgcache.bin",
        "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb-src::Sources::DefaultEnabled": "false",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
        "Acquire::https::Timeout": "20",
        # as root apt would read and write as the user _apt, who cannot come here
        "APT::Sandbox::User": "root",
    }
    lines = [f"#clear {name};" for name in lists]
    lines += [f'APT::Architectures:: "{name}";' for name in architectures]
    lines += [f'{name} "{value}";' for name, value in settings.items()]
    return "\n".join(lines) + "\n"
