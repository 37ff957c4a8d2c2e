"""What the address of a registry's index says: files over HTTP, or a git repository (cargo book, "Registry Index").

Cargo takes whatever does not begin with ``sparse+`` for a git repository (cargo 1.95, ``SourceId::for_registry``),
and a URL it must be: ``git@host:path`` is none.  Pure.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from patchbot.errors import ConfigError
from patchbot.git.transports import TRANSPORTS

SPARSE = "sparse+"
LOCKED = "registry+"  # a git index in Cargo.lock; in a configuration it works with libgit2 alone, by accident


def is_git(index: str) -> bool:
    """Whether an index that ``spelled`` has returned is a git repository."""
    return not index.startswith(SPARSE)


def spelled(index: str) -> str:
    """Return an address as cargo spells it; that of a sparse index ends with a slash.

    Raises ``ConfigError`` for what is none, and for one with a password; its words go behind the index's name.
    """
    plain = index.removeprefix(SPARSE)
    parts = _parts(plain)
    allowed = TRANSPORTS if is_git(index) else ("http", "https")
    if parts is None or parts.scheme not in allowed or not (parts.netloc or parts.scheme == "file"):
        raise ConfigError("is neither a sparse index nor a git repository", hint=_hint(index))
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise ConfigError(
            "has a password in its address, which would stand in logs",
            hint="take it out, and give git a credential helper"
            if is_git(index)
            else "take it out, and give cargo a token or a credential provider",
        )
    return index if is_git(index) or index.endswith("/") else f"{index}/"


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL, None for what git could take for something else."""
    if "://" not in url or any(char <= " " for char in url):
        return None
    try:
        return urlsplit(url)
    except ValueError:  # brackets round no address
        return None


def _hint(index: str) -> str:
    if index.startswith(LOCKED):
        return f"leave out {LOCKED}: lockfiles alone spell it so"
    return f"it begins with sparse+https://, or is a git URL of {', '.join(TRANSPORTS)}"
