from __future__ import annotations

from dataclasses import replace

import pytest

from patchbot.model import Release
from patchbot.report import special_file as screens
from patchbot.truth import Evidence, Form, Row, SpecialFile, Verdict

S390X = "s390x-unknown-linux-gnu"
GCC = "s390x-linux-gnu-gcc 12.2.0"
FIBER = "crates/fiber/src/unix/s390x.S"
DEAD = Row(path="a/dead.S", crate="a", form=Form.ASSEMBLER, target="", verdict=Verdict.NOT_COMPILED)
GOOD = Row(
    path=FIBER,
    crate="fiber",
    form=Form.ASSEMBLER,
    target=S390X,
    verdict=Verdict.AGREES,
    compiler=GCC,
    defined=("x_1", "y_1", "__kept"),
    suffixed=2,
    twin=True,
)
DISAGREES = replace(GOOD, verdict=Verdict.DISAGREES, problems=("defines x, without its suffix",))
REFUSED = replace(
    GOOD, verdict=Verdict.REFUSED, defined=(), suffixed=0, twin=None, problems=("s.S:1: Error: no such insn",)
)


def files(*seen: tuple[str, Row | None], run: tuple[str, ...] = ()) -> list[SpecialFile]:
    """Return the file of each release; ``run`` are the releases with a receipt."""
    return [
        SpecialFile(Release.parse(version), row, ("8.0.1.json",) if version in run else ())
        for version, row in seen
    ]


def lines(*found: SpecialFile) -> list[str]:
    """Return the rows of the table, with single blanks."""
    table = screens.text(found, {}).split("\n\n")[0]
    return [" ".join(line.split()) for line in table.splitlines()[1:]]


# -- one line ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (GOOD, f"{FIBER} yes yes 3 2 {GCC} agrees disagrees - assembled"),
        (replace(GOOD, twin=None), f"{FIBER} yes yes 3 2 {GCC} agrees - - assembled"),
        (replace(GOOD, twin=False), f"{FIBER} yes yes 3 2 {GCC} agrees AGREES - none"),
        (DISAGREES, f"{FIBER} yes yes 3 2 {GCC} DISAGREES disagrees - none"),
        (REFUSED, f"{FIBER} yes yes - - - DOES NOT COMPILE - - none"),
        (DEAD, "a/dead.S yes no - - - - - - none needed"),
        (None, "no file no - - - - - - - none needed"),
    ],
    ids=["agrees", "no twin", "twin agrees", "disagrees", "refused", "not compiled", "no file"],
)
def test_a_line_says_how_a_file_fares(row: Row | None, cells: str) -> None:
    assert lines(*files(("8.0.1", row))) == [f"8.0.1 1 {cells}"]


@pytest.mark.parametrize(
    ("row", "evidence"),
    [
        (GOOD, Evidence.RUN),
        (None, Evidence.RUN),
        (DEAD, Evidence.NOT_NEEDED),
        (DISAGREES, Evidence.NONE),
        (REFUSED, Evidence.NONE),
        (replace(GOOD, twin=False), Evidence.NONE),
    ],
    ids=["agrees", "no file", "not compiled", "disagrees", "refused", "twin agrees"],
)
def test_what_ran_is_evidence_of_what_is_in_the_program_and_agrees(
    row: Row | None, evidence: Evidence
) -> None:
    (file,) = files(("8.0.1", row), run=("8.0.1",))
    assert file.evidence is evidence


# -- spells ------------------------------------------------------------------------------------------


def test_releases_that_follow_each_other_are_one_line() -> None:
    found = files(("8.0.1", GOOD), ("9.0.0", GOOD), ("9.0.1", GOOD), ("38.0.0", None), ("38.0.1", None))
    assert lines(*found) == [
        f"8.0.1 to 9.0.1 3 {FIBER} yes yes 3 2 {GCC} agrees disagrees - assembled",
        "38.0.0 to 38.0.1 2 no file no - - - - - - - none needed",
    ]


def test_another_picture_parts_a_spell_and_what_ran_does_not() -> None:
    other = replace(GOOD, defined=("x_1",), suffixed=1)
    found = files(("8.0.0", GOOD), ("8.0.1", GOOD), ("9.0.0", other), ("9.0.1", GOOD), run=("8.0.1", "9.0.0"))
    assert [line.split(f" {FIBER} ")[0] for line in lines(*found)] == [
        "8.0.0 to 8.0.1 2",
        "9.0.0 1",
        "9.0.1 1",
    ]
    assert [line.rpartition(" disagrees ")[2] for line in lines(*found)] == [
        "8.0.1 run 1, assembled 1", "all run", "- assembled",
    ]  # fmt: skip


def test_a_gap_parts_a_spell() -> None:
    moved = replace(GOOD, path="moved.S")
    found = files(("8.0.1", GOOD), ("9.0.0", moved), ("9.0.1", GOOD))
    assert [line.split()[:3] for line in lines(*found)] == [
        ["8.0.1", "1", FIBER], ["9.0.0", "1", "moved.S"], ["9.0.1", "1", FIBER],
    ]  # fmt: skip


def test_files_of_one_release_have_spells_of_their_own() -> None:
    found = files(("20.0.0", DEAD), ("20.0.0", GOOD), ("21.0.0", DEAD))
    assert [line.split()[:3] for line in lines(*found)] == [
        ["20.0.0", "to", "21.0.0"], ["20.0.0", "1", FIBER],
    ]  # fmt: skip


# -- beneath -----------------------------------------------------------------------------------------


def test_remarks_problems_and_what_is_left_out_stand_beneath() -> None:
    noted = replace(GOOD, notes=("uses host_to_wasm_trampoline, which nothing defines",))
    found = files(
        ("9.0.0", noted), ("9.0.1", noted), ("10.0.0", DISAGREES), ("20.0.0", DEAD), ("38.0.0", None),
        run=("9.0.0", "38.0.0"),
    )  # fmt: skip
    counted = "4 files: 1 run, 1 assembled, 1 need nothing, 1 WITHOUT EVIDENCE"
    out = screens.text(found, {Release(23, 0, 0): "the index has no wasmtime-environ 23.0.0"})
    assert out.splitlines()[-5:] == [
        "2 times: uses host_to_wasm_trampoline, which nothing defines",
        "23.0.0: the index has no wasmtime-environ 23.0.0",
        f"10.0.0: {FIBER}, {S390X}, assembler ({GCC}): defines x, without its suffix",
        "",
        f"5 releases; {counted}; 1 releases without such a file, 1 of them run",
    ]


def test_nothing_is_a_table_without_rows() -> None:
    assert screens.text([], {}).endswith("\n0 releases; 0 files: none; 0 releases without such a file\n")


def test_control_characters_of_tools_do_not_reach_the_terminal() -> None:
    found = files(("8.0.1", replace(REFUSED, problems=("\x1b[31mred",))))
    assert "\x1b" not in screens.text(found, {})
    assert "\x1b" not in screens.markdown(found, {}, target=S390X, command="patchbot")


# -- other forms -------------------------------------------------------------------------------------


def test_markdown_has_the_same_cells_and_says_how_it_was_made() -> None:
    found = files(("8.0.1", replace(GOOD, path="a|b.S")), ("38.0.0", None), run=("8.0.1",))
    out = screens.markdown(found, {}, target=S390X, command="patchbot report special-file --all").splitlines()
    assert out[0] == f"## The assembler files of {S390X}"
    assert out[2].startswith("Made by `patchbot report special-file --all` of patchbot ")
    assert f", with {GCC}: 2 releases; 1 files: 1 run; " in out[2]
    assert out[4].startswith(
        "| releases | count | file | present | compiled | names defined | names suffixed |"
    )
    assert out[6:8] == [
        f"| 8.0.1 | 1 | a&#124;b.S | yes | yes | 3 | 2 | {GCC} | agrees | disagrees | all | run |",
        "| 38.0.0 | 1 | no file | no | - | - | - | - | - | - | - | none needed |",
    ]
    assert len({line.count("|") for line in out[4:8]}) == 1
    assert all(line.startswith("* ") for line in out[9:])


def test_json_has_every_name() -> None:
    good, gone = files(("8.0.1", GOOD), ("38.0.0", None), run=("8.0.1",))
    assert good.to_json() == {
        "release": "8.0.1", "path": FIBER, "present": True, "compiled": True, "defined": ["x_1", "y_1", "__kept"],
        "suffixed": 2, "assembled": GCC, "agrees": True, "twin": True, "run": ["8.0.1.json"],
        "evidence": "run", "problems": [], "notes": [],
    }  # fmt: skip
    assert gone.to_json() == {
        "release": "38.0.0", "path": None, "present": False, "compiled": False, "defined": [],
        "suffixed": 0, "assembled": None, "agrees": None, "twin": None, "run": [],
        "evidence": "none needed", "problems": [], "notes": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "agrees", "assembled"),
    [(DISAGREES, False, GCC), (REFUSED, None, None), (DEAD, None, None)],
    ids=["disagrees", "refused", "not compiled"],
)
def test_json_tells_what_nm_said_only_of_an_object(row: Row, agrees: object, assembled: object) -> None:
    (file,) = files(("8.0.1", row))
    data = file.to_json()
    assert (data["agrees"], data["assembled"]) == (agrees, assembled)
    assert data["problems"] == list(row.problems)
