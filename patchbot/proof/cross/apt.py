"""A Rust out of Debian's packages, unpacked into a folder: nothing of it is installed, no setting changes.

apt and dpkg know one architecture on most machines, and to tell them of another one (``dpkg
--add-architecture``) changes what everybody's ``apt-get`` does.  So a configuration of our own tells it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patchbot import files, tools
from patchbot.errors import EnvironmentProblem
from patchbot.proof.cross import packages, system
from patchbot.proof.cross.packages import Choice
from patchbot.proof.cross.private import Private
from patchbot.proof.cross.system import Distribution

_QUESTION = 120.0  # seconds
_TRANSFER = 1200.0  # for 30 MB of lists, and then for 120 MB of packages

_RUSTUP = "with rustup (https://rustup.rs) --install --rust rustup has one"

_ELF_HEADER = 20  # bytes, up to and with the machine's number


@dataclass(frozen=True, slots=True)
class Apt:
    """apt with a configuration of its own: everything that it makes is in ``folder``."""

    folder: Path
    host: str
    foreign: str

    def run(self, argv: Sequence[str], *, timeout: float = _QUESTION) -> tools.Result:
        """Run a program of apt with that configuration, in the folder."""
        words = [argv[0], "-c", str(self.folder / "apt.conf"), *argv[1:]]
        return tools.run(words, cwd=self.folder, env=system.environment(), timeout=timeout)

    def said(self, argv: Sequence[str], *, timeout: float = _QUESTION) -> str:
        """Return what a program of apt prints.  Raises ``EnvironmentProblem`` if it fails."""
        done = self.run(argv, timeout=timeout)
        if not done.ok:
            raise EnvironmentProblem(
                f"{argv[0]} {argv[1]} fails: {done.tail(3)}", hint="is there a network, and room on the disk?"
            )
        return done.stdout.decode(errors="replace")


def made(room: Path, foreign: str, debian: Distribution, tell: Callable[[str], None]) -> Private:
    """Put a Rust for a Debian architecture into an empty folder; ``version`` is left for who starts it.

    Raises ``EnvironmentProblem`` if the network or room on the disk is missing, or no Rust is offered.
    """
    with _workshop(room, foreign) as apt:
        tell(f"asking {debian.name} for a Rust for {apt.host} with its library for {foreign} …")
        choice = chosen(apt, debian)
        words = _wanted(apt, choice)
        tell(f"downloading {choice.family.rustc} {choice.rustc} and {len(words) - 1} packages with it …")
        debs = _downloaded(apt, words)
        tell("unpacking them …")
        for deb in debs:
            _unpack(deb, room)
    return _laid_out(room, words)


@contextmanager
def _workshop(room: Path, foreign: str) -> Iterator[Apt]:
    """Give apt a folder of its own in ``room``, and take it away again.

    Its name is new each time: an apt-get that outlived a killed run would go on writing into the old one.
    """
    host = _host()
    folder = Path(tempfile.mkdtemp(prefix="apt-", dir=room))
    try:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        text = packages.configuration(str(folder), (host, foreign))
        files.write(folder / "apt.conf", text.encode())
        yield Apt(folder, host, foreign)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _host() -> str:
    done = tools.run(["dpkg", "--print-architecture"], env=system.environment(), timeout=_QUESTION)
    name = done.stdout.decode(errors="replace").strip()
    if not done.ok or not name:
        raise EnvironmentProblem(f"dpkg does not say this machine's architecture: {done.head()}")
    return name


def chosen(apt: Apt, debian: Distribution) -> Choice:
    """Return the newest Rust that fits together.  Raises ``EnvironmentProblem`` if there is none, with the reason."""
    update = apt.run(["apt-get", "update"], timeout=_TRANSFER)
    names = apt.said(["apt-cache", "pkgnames", "rustc"]).split()
    kinds = packages.families(names)
    words = [
        word
        for kind in kinds
        for word in (kind.rustc, kind.cargo, kind.library, f"{kind.library}:{apt.foreign}")
    ]
    found = packages.offers(apt.said(["apt-cache", "madison", *words]))
    choice = packages.choose(found, kinds, apt.foreign)
    if choice is not None:
        return choice
    # without a network apt-get warns and ends well
    troubles = [line for line in update.head(1000).splitlines() if line.startswith(("E:", "W:", "Err:"))]
    if troubles:
        raise EnvironmentProblem(f"apt-get update fails: {troubles[0]}", hint=_advice(debian))
    raise EnvironmentProblem(
        f"{debian.name} offers no Rust for {apt.host} with a standard library for {apt.foreign} of the same version",
        hint=_RUSTUP,
    )


def _advice(debian: Distribution) -> str:
    # Ubuntu keeps all architectures but two on another server, which most machines have not been told of
    return _RUSTUP if debian.ubuntu else "is there a network?"


def _wanted(apt: Apt, choice: Choice) -> tuple[str, ...]:
    """Return all packages to unpack: the Rust itself, and the libraries of it that this machine has not."""
    shown = apt.said(["apt-cache", "show", *choice.host])
    ours = packages.together(choice.host, packages.exact(shown))
    argv = ["apt-get", "install", "--simulate", "--no-install-recommends", *choice.host]
    return (*packages.together(ours, packages.added(apt.said(argv))), choice.library(apt.foreign))


def _downloaded(apt: Apt, words: Sequence[str]) -> list[Path]:
    apt.said(["apt-get", "download", *words], timeout=_TRANSFER)
    debs = sorted(apt.folder.glob("*.deb"))
    if len(debs) != len(words):
        raise EnvironmentProblem(
            f"apt-get download was to bring {len(words)} packages and brought {len(debs)}"
        )
    return debs


def _unpack(deb: Path, room: Path) -> None:
    done = tools.run(["dpkg", "-x", deb, room], env=system.environment(), timeout=_TRANSFER)
    if not done.ok:
        raise EnvironmentProblem(
            f"{deb.name} cannot be unpacked: {done.head(2)}", where=room, hint="is the disk full?"
        )
    deb.unlink()


def _laid_out(room: Path, words: Sequence[str]) -> Private:
    """Look where the packages have put what is needed of them."""
    shutil.rmtree(room / "usr" / "share", ignore_errors=True)  # manuals
    rustc, cargo = program(room, "rustc"), program(room, "cargo")
    if rustc is None or cargo is None:
        raise EnvironmentProblem(f"there is no {'rustc' if rustc is None else 'cargo'} in {', '.join(words)}")
    return Private(room, rustc, cargo, libraries(room, rustc), "", tuple(words))


def program(room: Path, name: str) -> str | None:
    """Return where a program is among unpacked packages; Ubuntu has its version in the name, or in a folder's."""
    places = (f"usr/bin/{name}", f"usr/bin/{name}-[0-9]*", f"usr/lib/rust-*/bin/{name}")
    root = room.resolve()
    for file in (file for place in places for file in sorted(room.glob(place))):
        # a link with an absolute path leads to the system's own
        if file.resolve().is_relative_to(root) and os.access(file, os.X_OK):
            return str(file.relative_to(room))
    return None


def libraries(room: Path, like: str) -> tuple[str, ...]:
    """Return the folders that have libraries for the program ``like``; those for its targets are no business of the loader's."""
    kind = _kind(room / like)
    files_ = (file for file in sorted(room.rglob("*.so*")) if "rustlib" not in file.parts and file.is_file())
    folders = (str(file.parent.relative_to(room)) for file in files_ if _kind(file) == kind)
    return tuple(dict.fromkeys(folders))


def _kind(file: Path) -> bytes:
    """Return what the loader compares: class, order of bytes and machine of an ELF file (elf(5)); empty for others."""
    with file.open("rb") as stream:
        header = stream.read(_ELF_HEADER)
    return header[4:6] + header[18:20] if header.startswith(b"\x7fELF") else b""
