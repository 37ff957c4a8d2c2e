from __future__ import annotations

import json
from pathlib import Path

import pytest
from registry import parcels
from registry.faulty import Still

from patchbot import files
from patchbot.registry.remote import journal, plan
from patchbot.registry.remote.journal import Journal, State
from patchbot.registry.remote.target import Target

TARGET = Target("mine", "sparse+https://mine.example.invalid/")
RELEASE = parcels.release()
PLAN = plan.make(RELEASE, {})


def opened(folder: Path, made: plan.Plan = PLAN) -> Journal:
    return Journal(journal.folder(folder, TARGET), TARGET, made, Still())


def test_it_begins_with_the_plan(tmp_path: Path) -> None:
    written = opened(tmp_path)
    head, *lines = journal.read(written.file)
    assert (head["registry"], head["index"], head["plan"]) == ("mine", TARGET.index, PLAN.digest)
    assert [line["name"] for line in lines] == [step.parcel.entry.name for step in PLAN.steps]
    assert {line["state"] for line in lines} == {"planned"}
    assert {line["at"] for line in lines} == {"2023-11-14T22:13:20.000+00:00"}


def test_the_next_run_knows_how_far_it_was(tmp_path: Path) -> None:
    written = opened(tmp_path)
    written.add(State.UPLOADING, *RELEASE[:2])
    written.add(State.UPLOADED, RELEASE[0])
    written.add_resolved()
    before = written.file.read_bytes()
    again = opened(tmp_path)
    assert [again.state(parcel) for parcel in RELEASE[:3]] == [State.UPLOADED, State.UPLOADING, State.PLANNED]
    assert again.resolved
    assert again.file.read_bytes() == before


def test_another_plan_knows_it_too_and_other_bytes_do_not(tmp_path: Path) -> None:
    opened(tmp_path).add(State.VERIFIED, *RELEASE)
    more = plan.make([*RELEASE, parcels.parcel("more")], {})
    other = opened(tmp_path, more)
    assert other.file != opened(tmp_path).file
    assert other.state(RELEASE[0]) is State.VERIFIED
    assert not other.resolved
    assert other.state(parcels.parcel("base", text="other")) is State.PLANNED


def test_registries_of_one_name_at_two_addresses_are_two(tmp_path: Path) -> None:
    assert journal.folder(tmp_path, TARGET) != journal.folder(tmp_path, Target("mine", "sparse+https://b/"))


@pytest.mark.parametrize("torn", [b"{", b'{"state": "verified", "name": "base"', b"\xff"])
def test_half_a_line_is_no_line_and_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    written = opened(tmp_path)
    written.add(State.UPLOADING, RELEASE[0])
    before = written.file.read_bytes()
    written.file.write_bytes(before + torn)
    assert journal.recall(written.file.parent)[RELEASE[0].key, RELEASE[0].entry.sha256] is State.UPLOADING
    again = opened(tmp_path)
    assert again.file.read_bytes() == before
    again.add(State.UPLOADED, RELEASE[0])
    assert [json.loads(line)["state"] for line in again.file.read_bytes().splitlines()[-2:]] == [
        "uploading",
        "uploaded",
    ]


@pytest.mark.parametrize(
    "line", [b"no json\n", b"[1]\n", b'{"state": "unknown"}\n', b'{"state": "verified"}\n', b"\n"]
)
def test_a_line_that_makes_no_sense_says_nothing(tmp_path: Path, line: bytes) -> None:
    written = opened(tmp_path)
    written.file.write_bytes(written.file.read_bytes() + line)
    opened(tmp_path).add(State.UPLOADING, RELEASE[0])
    assert opened(tmp_path).state(RELEASE[0]) is State.UPLOADING


def test_what_announces_an_upload_is_on_the_disk_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    real = files.append

    def append(file: Path, data: bytes, *, durable: bool = True) -> None:
        synced.append(durable)
        real(file, data, durable=durable)

    monkeypatch.setattr(files, "append", append)
    written = opened(tmp_path)
    for state in list(State)[1:]:
        written.add(state, RELEASE[0])
    assert synced == [True, True, False, False, False]


def test_a_journal_that_was_never_written_is_none(tmp_path: Path) -> None:
    assert list(journal.read(tmp_path / "none")) == []
    assert journal.recall(tmp_path / "none") == {}
