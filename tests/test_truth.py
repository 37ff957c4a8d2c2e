from __future__ import annotations

import json

import pytest

from patchbot.model import Release
from patchbot.truth import Assembled, CompiledFile, Form, MacroFile, Row, Source, TextFile, Verdict

ROW = Row(
    path="crates/runtime/src/helpers.c",
    crate="wasmtime-runtime",
    form=Form.C,
    target="x86_64-unknown-linux-gnu",
    verdict=Verdict.DISAGREES,
    compiler="cc 12",
    defined=("a_1", "b"),
    imported=("c_1",),
    suffixed=1,
    problems=("defines b, and the scan does not know it",),
    obstacle="imports x",
    notes=("uses y, which nothing defines",),
    twin=True,
    seconds=0.25,
    known=True,
)


def test_rows_survive_json() -> None:
    found = Assembled(Release(8, 0, 1), "_8_0_1_pb", (ROW,), ("crates/a/src/b.rs",))
    assert Assembled.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_json_says_what_a_table_of_releases_needs() -> None:
    data = ROW.to_json()
    assert (data["compiled"], data["verdict"], data["negative_twin_failed"]) == (True, "disagrees", True)
    idle = Row(path="a.S", crate="a", form=Form.ASSEMBLER, target="", verdict=Verdict.NOT_COMPILED)
    assert idle.to_json()["compiled"] is False


@pytest.mark.parametrize(
    ("verdict", "twin", "ok"),
    [
        (Verdict.AGREES, None, True),
        (Verdict.AGREES, True, True),
        (Verdict.AGREES, False, False),
        (Verdict.DISAGREES, True, False),
        (Verdict.REFUSED, None, False),
        (Verdict.IMPOSSIBLE, None, True),
        (Verdict.NO_COMPILER, None, True),
        (Verdict.NOT_COMPILED, None, True),
    ],
)
def test_what_somebody_has_to_look_at(verdict: Verdict, twin: bool | None, ok: bool) -> None:  # noqa: FBT001 - a table
    row = Row(path="a.c", crate="a", form=Form.C, target="t", verdict=verdict, twin=twin)
    assert row.ok == ok
    assert Assembled(Release(1, 0, 0), "_1", (row,)).ok == ok


def test_a_source_knows_its_form() -> None:
    sources: list[Source] = [
        CompiledFile(path="a/b.c", crate="a", folder="a", files={}),
        CompiledFile(path="a/b.S", crate="a", folder="a", files={}),
        TextFile(path="a/b.rs", crate="a", texts=()),
        MacroFile(path="a", crate="a", paths=(), edition="2021", features=(), modules=(), crates=()),
    ]
    assert [source.form for source in sources] == [Form.C, Form.ASSEMBLER, Form.TEXT, Form.MACROS]
