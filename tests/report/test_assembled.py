from __future__ import annotations

from dataclasses import replace

import pytest

from patchbot.model import Release
from patchbot.report import assembled as screens
from patchbot.truth import Assembled, Form, Row, Verdict

LINUX, S390X, MAC, MINGW = (
    "x86_64-unknown-linux-gnu", "s390x-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-gnu",
)  # fmt: skip


def row(
    path: str = "a/helpers.c", target: str = LINUX, verdict: Verdict = Verdict.AGREES, **more: object
) -> Row:
    made = verdict in {Verdict.AGREES, Verdict.DISAGREES}
    plain = Row(
        path=path,
        crate="a",
        form=Form.ASSEMBLER if path.endswith(".S") else Form.C,
        target=target,
        verdict=verdict,
        compiler="gcc 12" if made else "",
        defined=("x_1", "y_1", "__kept") if made else (),
        imported=("z_1",) if made else (),
        suffixed=2 if made else 0,
        seconds=0.125,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def release(version: str, *rows: Row, inline: tuple[str, ...] = ()) -> Assembled:
    return Assembled(Release.parse(version), "_1", rows, inline)


# -- one release -------------------------------------------------------------------------------------


def test_a_release_is_a_table_with_remarks() -> None:
    rows = (
        row(twin=True),
        row(target=S390X, known=True),
        row(target=MAC, verdict=Verdict.NO_COMPILER),
        row("a/dead.S", "", Verdict.NOT_COMPILED),
        row("a/x86.rs", S390X, obstacle="imports asm_sym", notes=("uses gone, which nothing defines",)),
    )
    lines = screens.release(release("8.0.1", *rows, inline=("a/b.rs", "a/c.rs"))).splitlines()
    assert lines[0] == "wasmtime 8.0.1, suffix _1"
    assert [" ".join(line.split()) for line in lines[2:8]] == [
        "file form target verdict defined suffixed used seconds",
        "a/dead.S assembler not compiled",
        f"a/helpers.c C {LINUX} agrees 3 2 1 0.12",
        f"a/helpers.c C {S390X} agrees 3 2 1 known",
        f"a/helpers.c C {MAC} no compiler",
        f"a/x86.rs C {S390X} agrees 3 2 1 0.12",
    ]
    assert lines[9:] == [
        f"  a/x86.rs, {S390X}: cannot be compiled as it is: imports asm_sym",
        f"  a/x86.rs, {S390X}: uses gone, which nothing defines",
        "  asm! in functions makes no object, and no names: a/b.rs, a/c.rs",
        "",
        "5 objects: 3 agree, 1 have no compiler here, 1 are compiled by nothing; tried without patches: 1, and all disagree, as they must",
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (row(verdict=Verdict.DISAGREES, problems=("defines x", "uses y")), ["defines x", "uses y"]),
        (row(verdict=Verdict.REFUSED, compiler="gcc 12", problems=("a.c:1: error: no",)), ["a.c:1: error: no"]),
        (row(twin=False, problems=("without patches it has the same names",)), ["without patches it has the same names"]),
    ],
    ids=["disagrees", "refused", "twin"],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(wrong: Row, words: list[str]) -> None:
    expected = [f"a/helpers.c, {LINUX}, C (gcc 12): {word}" for word in words]
    one = screens.release(release("8.0.1", wrong)).splitlines()
    assert [line.strip() for line in one if line.strip().startswith(f"a/helpers.c, {LINUX}")] == expected
    many = screens.matrix([release("8.0.1", wrong)], {}).splitlines()
    assert [line for line in many if line.startswith("8.0.1: ")] == [f"8.0.1: {line}" for line in expected]


def test_control_characters_of_tools_do_not_reach_the_terminal() -> None:
    wrong = row(verdict=Verdict.REFUSED, problems=("\x1b[31mred",))
    assert "\x1b" not in screens.release(release("8.0.1", wrong))
    assert "\x1b" not in screens.matrix([release("8.0.1", wrong)], {})


@pytest.mark.parametrize(
    ("twins", "words"),
    [
        ((None, None), "none was tried without patches"),
        ((True, None), "tried without patches: 1, and all disagree, as they must"),
        ((True, False), "tried without patches: 2, 1 AGREE"),
    ],
)
def test_the_last_line_speaks_of_twins(twins: tuple[bool | None, ...], words: str) -> None:
    rows = tuple(row(twin=twin) for twin in twins)
    assert screens.release(release("8.0.1", *rows)).splitlines()[-1].endswith(f"; {words}")


# -- all of them -------------------------------------------------------------------------------------


def lines(*releases: Assembled) -> list[str]:
    """Return the rows of the matrix, with single blanks."""
    table = screens.matrix(releases, {}).split("\n\n")[0]
    return [" ".join(line.split()) for line in table.splitlines()]


def test_releases_that_follow_each_other_are_one_line() -> None:
    both = (row(), row(target=S390X))
    assert lines(release("8.0.0", *both), release("8.0.1", *both), release("9.0.0", *both)) == [
        "file form releases defined suffixed x86_64 s390x",
        "a/helpers.c C 8.0.0 to 9.0.0 3 3 2 + +",
    ]


@pytest.mark.parametrize(
    ("changed", "rest"),
    [
        (row(defined=("x_1",), suffixed=1), "1 1 +"),
        (row(verdict=Verdict.DISAGREES), "3 2 !"),
        (row(twin=False), "3 2 !"),
        (row(verdict=Verdict.REFUSED), "0 0 !"),
        (row(verdict=Verdict.NO_COMPILER), "0 0 ?"),
        (row(verdict=Verdict.IMPOSSIBLE), "0 0 x"),
        (row(obstacle="imports asm_sym"), "3 2 *"),
    ],
)
def test_another_picture_is_another_line(changed: Row, rest: str) -> None:
    found = lines(release("8.0.0", row()), release("8.0.1", changed), release("9.0.0", row()))
    assert found[1:] == [
        "a/helpers.c C 8.0.0 1 3 2 +", f"a/helpers.c C 8.0.1 1 {rest}", "a/helpers.c C 9.0.0 1 3 2 +",
    ]  # fmt: skip


def test_a_gap_parts_two_lines() -> None:
    other = row("a/other.c")
    found = lines(release("8.0.0", row()), release("8.0.1", other), release("9.0.0", row()))
    assert found[1:] == [
        "a/helpers.c C 8.0.0 1 3 2 +",
        "a/helpers.c C 9.0.0 1 3 2 +",
        "a/other.c C 8.0.1 1 3 2 +",
    ]


def test_targets_that_do_not_have_a_file_are_told_from_those_without_a_compiler() -> None:
    rows = (
        row(target=MINGW),
        row("a/s390x.S", S390X),
        row("a/dead.S", "", Verdict.NOT_COMPILED),
        row(target=MAC, verdict=Verdict.NO_COMPILER),
    )
    assert lines(release("8.0.0", *rows)) == [
        "file form releases defined suffixed x86_64 mingw s390x aarch64 mac",
        "a/dead.S assembler 8.0.0 1 0 0 - - -",
        "a/helpers.c C 8.0.0 1 3 2 + . ?",
        "a/s390x.S assembler 8.0.0 1 3 2 . + .",
    ]


def test_notes_are_counted_and_what_is_left_out_is_told() -> None:
    noted = row(notes=("uses gone, which nothing defines",), obstacle="imports asm_sym")
    out = screens.matrix(
        [release("8.0.0", noted), release("8.0.1", noted)], {Release(9, 0, 0): "was never published"}
    )
    assert "2 times: uses gone, which nothing defines\n" in out
    assert "2 times: cannot be compiled as it is: imports asm_sym\n" in out
    assert "9.0.0: was never published\n" in out
    assert "2 releases, 2 objects: 2 agree" in out


def test_json_has_the_same_rows() -> None:
    rows = (row(), row(target=S390X, verdict=Verdict.NO_COMPILER))
    assert screens.matrix_to_json([release("8.0.0", *rows), release("8.0.1", *rows)]) == [
        {"path": "a/helpers.c", "form": "C", "first": "8.0.0", "last": "8.0.1", "releases": 2, "defined": 3,
         "suffixed": 2, "targets": {LINUX: "agrees", S390X: "no compiler"}},
    ]  # fmt: skip
    assert screens.matrix_to_json([]) == []
