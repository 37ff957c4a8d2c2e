"""git against a server: sealed, with the user's own words on how to get there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchbot.cargo_settings import Network
from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.git.plumbing import PlainGit
from patchbot.git.sealed import SEALED, run_git, seal
from patchbot.git.transports import TRANSPORTS

_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")

# The store is sealed against the user's settings since these change what git makes.  How a server is reached is
# another matter: without proxy, credential helper or certificate many could not fetch at all.  None of these
# settings changes a byte of what comes back.
_REACH = r"^(credential|http|url)\.|^core\.(sshcommand|gitproxy)$"

# Where nobody says otherwise, a server that sends less than this is not waited for: cargo's own low-speed-limit,
# and twice its http.timeout (cargo book, "Configuration").
_SLOW = [("http.lowSpeedLimit", "10"), ("http.lowSpeedTime", "60")]

_FETCH = (
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
    "--no-auto-maintenance",
)

# What no second try changes.  git has no exit codes for it; its words are in one language (``plumbing``).
_FOR_GOOD = (
    "not found",
    "is this a git repository",
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "Permission denied",
    "not allowed",
    "shallow capabilities",
    "find remote ref",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository somewhere else: its address for git, and its folder if it is on this machine."""

    address: str
    folder: Path | None = None

    def __str__(self) -> str:
        return _PASSWORD.sub("", self.address)


class Unreachable(EnvironmentProblem):
    """A server that may answer if it is asked again."""


def ask(folder: Path, source: Origin, args: Sequence[str], way: Network = Network()) -> bytes:  # noqa: B008 - frozen
    """Run git in the git folder ``folder`` against a server, with the user's settings on how to reach it alone.

    ``way`` counts more than these.  Raises ``RepositoryError`` if ``source`` is on this machine and no repository,
    ``EnvironmentProblem`` if it cannot be reached; that is an ``Unreachable`` where it may be another time.
    """
    git = seal(PlainGit(folder))
    reach = [*_SLOW, *_user_settings(folder), *_of_cargo(way)]
    first = int(SEALED["GIT_CONFIG_COUNT"])
    git.update_environment(
        # a folder that is damaged must not lead to a repository above it
        GIT_DIR=".",
        # not as arguments, which everybody on the machine can read
        GIT_CONFIG_COUNT=str(first + len(reach)),
        **{f"GIT_CONFIG_KEY_{first + n}": key for n, (key, _) in enumerate(reach)},
        **{f"GIT_CONFIG_VALUE_{first + n}": value for n, (_, value) in enumerate(reach)},
        # above every setting, so that none of url.*.insteadOf leads to a program either
        GIT_ALLOW_PROTOCOL=":".join(TRANSPORTS),
    )
    try:
        return run_git(git, args, where=folder)
    except RepositoryError as error:
        words = _PASSWORD.sub("", error.what)
        if source.address.startswith("file://") or Path(source.address).exists():
            raise RepositoryError(words, where=source, hint="is it a git repository?") from None
        kind = EnvironmentProblem if any(word in words for word in _FOR_GOOD) else Unreachable
        raise kind(
            words,
            where=source,
            hint="check the address, the network and proxy, and who you are to that server",
        ) from None


def fetch(
    folder: Path,
    source: Origin,
    refspec: str,
    *flags: str,
    way: Network = Network(),  # noqa: B008 - frozen
) -> None:
    """Bring what ``refspec`` names into the git folder ``folder``, and nothing besides; raises as ``ask`` does."""
    ask(folder, source, [*_FETCH, *flags, "--", source.address, refspec], way)


def _of_cargo(way: Network) -> list[tuple[str, str]]:
    """Return cargo's proxy and certificates in git's words: cargo's own git goes that way (git2-curl)."""
    said = [("http.proxy", way.proxy), ("http.sslCAInfo", way.cainfo)]
    return [(key, str(value)) for key, value in said if value is not None]


def _user_settings(folder: Path) -> list[tuple[str, str]]:
    """Return what the machine's and the user's configuration say on how servers are reached, in git's order."""
    found: list[tuple[str, str]] = []
    for scope in ("--system", "--global"):
        words = ["config", scope, "--includes", "--null", "--get-regexp", _REACH]
        try:
            # not sealed: these are what it is asked for
            out = run_git(PlainGit(folder), words, where=folder)
        except RepositoryError:  # there is none, or nothing of that in it
            continue
        for row in out.decode(errors="surrogateescape").split("\0")[:-1]:
            key, equals, value = row.partition("\n")
            found.append((key, value if equals else "true"))
    return found
