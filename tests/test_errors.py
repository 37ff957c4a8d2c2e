from __future__ import annotations

from pathlib import Path

import pytest

from patchbot import errors
from patchbot.errors import PatchbotError

# The numbers are a promise to scripts (section "Exit codes" of the README), so they stand here once more.
EXIT_CODES = {
    "Findings": 1,
    "UsageError": 2,
    "ConfigError": 3,
    "RepositoryError": 4,
    "ConflictError": 5,
    "RewriteError": 6,
    "ProofError": 7,
    "PublishError": 8,
    "EnvironmentProblem": 9,
}


def test_every_kind_of_failure_keeps_its_exit_code() -> None:
    kinds = {kind.__name__: kind.exit_code for kind in PatchbotError.__subclasses__()}
    assert kinds == EXIT_CODES
    assert (errors.EXIT_BUG, errors.EXIT_INTERRUPTED) == (70, 130)


def test_every_kind_of_failure_has_its_own_title() -> None:
    titles = [kind.title for kind in PatchbotError.__subclasses__()]
    assert sorted(set(titles)) == sorted(titles)
    assert all(titles)


def test_the_table_in_the_module_text_is_the_tree() -> None:
    text = errors.__doc__ or ""
    for name, code in EXIT_CODES.items():
        assert any(line.split()[1:3] == [name, str(code)] for line in text.splitlines() if "+--" in line)


def test_a_failure_says_where_and_what() -> None:
    error = errors.ConfigError("must be a list", where=Path("a/patchbot.toml"), hint="write [ ]")
    assert str(error) == "a/patchbot.toml: must be a list"
    assert (error.what, error.where, error.hint) == ("must be a list", "a/patchbot.toml", "write [ ]")


@pytest.mark.parametrize("kind", PatchbotError.__subclasses__())
def test_a_failure_without_a_place_says_just_what(kind: type[PatchbotError]) -> None:
    error = kind("no room")
    assert str(error) == "no room"
    assert error.where is None
    assert error.hint is None
