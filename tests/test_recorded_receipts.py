"""The receipts in ``patches/receipts``: what this repository says was proved for other machines."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from patchbot.model import Release
from patchbot.pipeline.proof import set_name
from patchbot.proof import receipts
from patchbot.targets import KNOWN

REPOSITORY = Path(__file__).parents[1]
FILES = sorted((REPOSITORY / "patches" / "receipts").glob("*/*.json"))


def test_there_are_some() -> None:
    assert {file.parent.name for file in FILES} == {"aarch64-unknown-linux-gnu", "s390x-unknown-linux-gnu"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_each_holds_on_every_rung_with_its_twins(file: Path) -> None:
    receipt = receipts.load(file)
    assert receipt is not None
    assert [(rung.name, rung.ok) for rung in receipt.rungs] == [
        ("symbols", True),
        ("link", True),
        ("run", True),
    ]
    assert all(twin.failed is not False for rung in receipt.rungs for twin in rung.twins)
    assert receipt.target == file.parent.name
    assert receipt.target in KNOWN
    assert file.stem == set_name([Release.parse(name) for name in receipt.releases])
    assert set(receipt.trees) == set(receipt.releases)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_versions_that_each_was_built_with_are_locked(file: Path) -> None:
    lock = REPOSITORY / "patches" / "locks" / f"{file.stem}.{file.parent.name}.lock"
    assert hashlib.sha256(lock.read_bytes()).hexdigest() == json.loads(file.read_bytes())["inputs"]["pins"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_no_place_of_the_machine_is_in_it(file: Path) -> None:
    text = file.read_text()
    assert [word for word in ("/tmp", "/home", "/root", "/work") if word in text] == []  # noqa: S108 - looked for


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_readme_tells_of_it(file: Path) -> None:
    receipt = receipts.load(file)
    assert receipt is not None
    checks = receipt.rungs[-1].checked.removesuffix(" checks")
    arch = receipt.target.partition("-")[0]
    rows = [
        line for line in (REPOSITORY / "README.md").read_text().splitlines() if line.startswith(f"| {arch} |")
    ]
    assert any(line.startswith(f"| {arch} | {', '.join(receipt.releases)} | {checks} |") for line in rows)
