"""The system's own packages: which are there, and how those that are missing get there."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from patchbot import tools
from patchbot.errors import EnvironmentProblem
from patchbot.proof.cross import packages

TIMEOUT = 1200.0  # seconds for 300 MB of compilers, and for another apt to end
_QUESTION = 60.0
_PROGRAMS = ("apt-get", "apt-cache", "dpkg", "dpkg-query")
_OLDEST = 12  # of Debian's releases; the one before has no Rust that builds any wasmtime of today

# Recommended is a package that makes the kernel start programs of other machines, for all users.
_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300")
_UPDATE = ("apt-get", "update")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution whose packages are known here; ``name`` is as it calls itself."""

    name: str
    ubuntu: bool


def environment() -> dict[str, str]:
    """Return the environment for apt and dpkg: in English, and without questions."""
    return tools.environment({"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})


def distribution() -> Distribution:
    """Return the distribution of this machine.

    Raises ``EnvironmentProblem`` if it is not Debian 12 or newer nor Ubuntu, or has no apt.
    """
    try:
        about = platform.freedesktop_os_release()
    except OSError:
        about = {}
    name, kind = about.get("PRETTY_NAME", "this system"), about.get("ID", "")
    if kind not in {"debian", "ubuntu"} or not _recent(kind, about.get("VERSION_ID", "")):
        raise EnvironmentProblem(
            f"{name} is neither Debian 12 or newer nor Ubuntu: nothing is installed here"
        )
    absent = [program for program in _PROGRAMS if tools.find(program) is None]
    if absent:
        raise EnvironmentProblem(f"{absent[0]} is not on PATH: nothing is installed here")
    return Distribution(name, kind == "ubuntu")


def _recent(kind: str, version: str) -> bool:
    """Whether a release is young enough; Debian's next one has no number yet."""
    major = version.partition(".")[0]
    return kind == "ubuntu" or not major.isdigit() or int(major) >= _OLDEST


def installed(names: Sequence[str]) -> frozenset[str]:
    """Return which of these packages are installed; none where there is no dpkg."""
    if not names or tools.find("dpkg-query") is None:
        return frozenset()
    argv = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *names]
    # it fails for a name that it never heard of, and still tells of the others
    lines = tools.run(argv, env=environment(), timeout=_QUESTION).stdout.decode(errors="replace").splitlines()
    return frozenset(line.removesuffix(" installed") for line in lines if line.endswith(" installed"))


def offered(names: Sequence[str]) -> bool:
    """Whether apt knows where to get all of these packages; a fresh container knows of none."""
    done = tools.run(["apt-cache", "madison", *names], env=environment(), timeout=_QUESTION)
    return set(names) <= set(packages.offers(done.stdout.decode(errors="replace")))


def updating() -> tuple[str, ...]:
    """Return the command that tells apt what there is."""
    return (*_rights(), *_UPDATE)


def installing(names: Sequence[str]) -> tuple[str, ...]:
    """Return the command that installs packages."""
    return (*_rights(), *_INSTALL, *names)


def removing(names: Sequence[str]) -> tuple[str, ...]:
    """Return the command that removes packages."""
    return ("apt-get", "remove", *names)


def may() -> bool:
    """Whether we are root, or sudo makes us root without a question."""
    if os.geteuid() == 0:
        return True
    if tools.find("sudo") is None:
        return False
    return tools.run(["sudo", "-n", "true"], timeout=_QUESTION).ok


def _rights() -> tuple[str, ...]:
    # sudo lets none of our environment through
    return () if os.geteuid() == 0 else ("sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive")


def run(argv: Sequence[str]) -> None:
    """Run one of these commands.  Raises ``EnvironmentProblem`` with its last words if it fails."""
    done = tools.run(argv, env=environment(), timeout=TIMEOUT)
    if not done.ok:
        raise EnvironmentProblem(f"fails: {done.tail(4)}", where=" ".join(argv))
