"""GitPython, imported at one place: importing it fails where git is missing, unless it is told not to look."""

from __future__ import annotations

import os

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from git import (  # noqa: TID251 - this module is the one place
    Git,
    GitCommandError,
    GitCommandNotFound,
    InvalidGitRepositoryError,
    NoSuchPathError,
    Repo,
)

__all__ = [
    "Git",
    "GitCommandError",
    "GitCommandNotFound",
    "InvalidGitRepositoryError",
    "NoSuchPathError",
    "Repo",
]
