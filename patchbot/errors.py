"""Every failure that a user can cause or cure, one class per exit code.

::

    PatchbotError
     +-- Findings             1   the work was done and there is something to look at
     +-- UsageError           2   the command line asks for something that cannot be
     +-- ConfigError          3   patchbot.toml, policy.toml or the environment says something wrong
     +-- RepositoryError      4   upstream's bytes or the git store are not what they should be
     |    +-- IncompleteRelease   upstream has published only some of its crates
     +-- ConflictError        5   a carried patch does not fit
     +-- RewriteError         6   a generated patch would be wrong, so nothing was written
     +-- ProofError           7   the forks do not live together, or a negative twin passed
     +-- PublishError         8   the registry holds other bytes, or refuses
     +-- EnvironmentProblem   9   a tool, the network or the disk is missing

Anything else that escapes is a bug: exit code 70, with a traceback (``cli.main``).  130 is Ctrl-C.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class PatchbotError(Exception):
    """An expected failure: says what, where, and the next step.

    ``what`` is one sentence; ``where`` a path, URL or ``file:line``; ``hint`` the next step.
    """

    exit_code: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, what: str, *, where: object = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        return self.what if self.where is None else f"{self.where}: {self.what}"


class Findings(PatchbotError):  # noqa: N818 - not an error of the program: the report has something to look at
    """The command did its work and found something that a person must look at."""

    exit_code = 1
    title = "findings"


class UsageError(PatchbotError):
    """The command line asks for something that cannot be."""

    exit_code = 2
    title = "usage"


class ConfigError(PatchbotError):
    """``patchbot.toml``, ``policy.toml`` or an environment variable says something wrong."""

    exit_code = 3
    title = "configuration"


class RepositoryError(PatchbotError):
    """Upstream's bytes, or the git store, are not what they should be."""

    exit_code = 4
    title = "repository"


class IncompleteRelease(RepositoryError):  # noqa: N818 - told as a fact of upstream's where every release is asked for
    """Upstream has published only some crates of a release, so nobody can build it."""


class ConflictError(PatchbotError):
    """A carried patch does not fit the release."""

    exit_code = 5
    title = "conflict"


class RewriteError(PatchbotError):
    """A generated patch would be incomplete or wrong; nothing was written."""

    exit_code = 6
    title = "rewrite"


class ProofError(PatchbotError):
    """The forks do not live together in one program, or a negative twin passed."""

    exit_code = 7
    title = "proof"


class PublishError(PatchbotError):
    """The registry holds other bytes under a name and version, or refuses."""

    exit_code = 8
    title = "publish"


class EnvironmentProblem(PatchbotError):  # noqa: N818 - OSError has the alias EnvironmentError
    """A tool, the network, or room on the disk is missing."""

    exit_code = 9
    title = "environment"
