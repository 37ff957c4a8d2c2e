from __future__ import annotations

import pytest

from patchbot.errors import ConfigError
from patchbot.index.address import is_git, spelled


@pytest.mark.parametrize(
    ("index", "address", "git"),
    [
        ("sparse+https://a/index/", "sparse+https://a/index/", False),
        ("sparse+http://127.0.0.1:1", "sparse+http://127.0.0.1:1/", False),
        ("https://a/git/index", "https://a/git/index", True),
        ("http://[::1]:3/git", "http://[::1]:3/git", True),
        ("ssh://git@a/index.git", "ssh://git@a/index.git", True),
        ("file:///srv/index", "file:///srv/index", True),
        ("git://a/index", "git://a/index", True),
    ],
)
def test_addresses_that_cargo_knows(index: str, address: str, git: bool) -> None:  # noqa: FBT001 - expected
    assert spelled(index) == address
    assert is_git(address) is git


@pytest.mark.parametrize(
    "index",
    [
        *(
            "",
            "index",
            "/srv/index",
            "git@a:index.git",
            "https://",
            "https:///index",
            "ftp://a/x",
            "http://[a/x",
        ),
        *("sparse+file:///a", "sparse+ssh://a/", "sparse+", "https://a/\nb", "https://a/ b"),
        *("ext::sh -c touch% x", "ext://x", "fd::3", "-x", "--upload-pack=touch x", "transport::https://a/"),
    ],
)
def test_what_is_no_address_or_would_run_a_program(index: str) -> None:
    with pytest.raises(ConfigError, match="is neither a sparse index nor a git repository") as caught:
        spelled(index)
    assert "sparse+https://" in (caught.value.hint or "")


def test_how_lockfiles_spell_it_is_told() -> None:
    with pytest.raises(ConfigError, match="neither") as caught:
        spelled("registry+https://a/index")
    assert caught.value.hint == "leave out registry+: lockfiles alone spell it so"


@pytest.mark.parametrize(
    "index",
    ["sparse+https://me:word@a/", "sparse+https://word@a/", "https://me:word@a/git", "https://word@a/git",
     "ssh://git:word@a/x", "file://me:word@a/x"],
)  # fmt: skip
def test_passwords_are_refused_and_not_told(index: str) -> None:
    with pytest.raises(ConfigError, match="has a password in its address") as caught:
        spelled(index)
    assert "word" not in f"{caught.value}{caught.value.hint}".replace("password", "")
