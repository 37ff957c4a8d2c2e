from __future__ import annotations

import pytest
from proof.cross.world import TRIPLE, World

from patchbot.proof.cross import rustup


def test_it_offers_what_its_toolchain_can_have(world: World) -> None:
    assert not rustup.offers(TRIPLE)
    world.rustup()
    assert rustup.offers(TRIPLE)
    assert not rustup.offers("s390x-unknown-linux-musl")
    assert rustup.offers("x86_64-unknown-linux-gnu"), "a word behind a target says that it is there"


def test_another_rustc_before_it_is_not_its_business(world: World) -> None:
    world.rustup()
    (world.answers / "toolchain" / "is-on-path").unlink()
    assert not rustup.offers(TRIPLE), "the rustc on PATH is a distribution's"


@pytest.mark.parametrize(
    ("asked", "script"),
    [
        ("which-rustc", "echo 'error: no default toolchain' >&2; exit 1"),
        ("target-list", "echo 'error: toolchain does not support components' >&2; exit 1"),
        ("target-list", "exec sleep 30"),
    ],
)
def test_one_that_cannot_answer_offers_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, asked: str, script: str
) -> None:
    monkeypatch.setattr(rustup, "_QUESTION", 0.5)
    world.rustup().when("rustup", asked, script)
    assert not rustup.offers(TRIPLE)


def test_adding_says_what_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.rustup()
    assert not rustup.has(TRIPLE)
    assert rustup.add(TRIPLE) is None
    assert rustup.has(TRIPLE)
    world.when(
        "rustup",
        "target-add",
        "printf 'error: could not download\\nwhy\\nwhere\\nStack backtrace:\\n' >&2; exit 1",
    )
    assert rustup.add(TRIPLE) == "error: could not download\nwhy\nwhere"
    monkeypatch.setattr(rustup, "TIMEOUT", 0.5)
    world.when("rustup", "target-add", "exec sleep 30")
    assert rustup.add(TRIPLE) == "rustup did not end within 0.5 seconds"
