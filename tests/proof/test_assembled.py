"""What nm says of an object against what the scan says: every way in which they can differ is told."""

from __future__ import annotations

import pytest

from patchbot.proof import assembled
from patchbot.proof.assembled import ObjectName
from patchbot.truth import Expected, Form, OwnNames

NAMES = OwnNames(frozenset({"enter", "leave", "impl_enter"}), "_1_0_pb")
EXPECTED = Expected(
    defined=frozenset({"enter_1_0_pb", "leave_1_0_pb", "__debugger_looks"}),
    weak=frozenset({"__debugger_looks"}),
    imported=frozenset({"impl_enter_1_0_pb"}),
)
AGREES = ("enter_1_0_pb T", "leave_1_0_pb D", "__debugger_looks W", "impl_enter_1_0_pb U")


def names(*words: str) -> tuple[ObjectName, ...]:
    return tuple(ObjectName(name, kind) for name, kind in (word.split() for word in words))


def compared(*words: str, expected: Expected = EXPECTED) -> tuple[str, ...]:
    return assembled.compare(names(*words), expected, NAMES)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("enter T 0 1d", ObjectName("enter", "T", 0x1D)),
        ("enter T 0 ", ObjectName("enter", "T")),
        ("enter T 0", ObjectName("enter", "T")),
        ("enter U         ", ObjectName("enter", "U")),
        ("enter U", ObjectName("enter", "U")),
        ("enter w         ", ObjectName("enter", "w")),
        ("enter V 0 8", ObjectName("enter", "V", 8)),
        ("enter@@V1 T 00ff 0010", ObjectName("enter@@V1", "T", 16)),
        (".refptr.enter R 0 ", ObjectName(".refptr.enter", "R")),
    ],
)
def test_a_line_of_nm_is_read(line: str, name: ObjectName) -> None:
    assert assembled.parse_nm(f"{line}\n") == (name,)


@pytest.mark.parametrize("line", ["", "enter", "nm: enter.o: file format not recognized"])
def test_another_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=line or "^$"):
        assembled.parse_nm(f"{line}\n")


@pytest.mark.parametrize(
    ("kind", "defined", "weak"),
    [("T", True, False), ("D", True, False), ("C", True, False), ("u", True, False), ("W", True, True),
     ("V", True, True), ("U", False, False), ("w", False, False), ("v", False, False)],
)  # fmt: skip
def test_what_nms_letters_mean(kind: str, defined: bool, weak: bool) -> None:  # noqa: FBT001 - a table
    name = ObjectName("enter", kind)
    assert (name.defined, name.weak) == (defined, weak)


# -- agreement ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("memcpy U", "setjmp U", "_GLOBAL_OFFSET_TABLE_ U", "__unw_add_dynamic_fde w"),
        ("entered U",),
    ],
    ids=["nothing-more", "of-the-system", "a-longer-name"],
)
def test_what_agrees(more: tuple[str, ...]) -> None:
    assert compared(*AGREES, *more) == ()


def test_a_declaration_in_c_is_no_use() -> None:
    without = [word for word in AGREES if not word.startswith("impl_")]
    assert (
        compared(*without, expected=Expected(EXPECTED.defined, EXPECTED.weak, EXPECTED.imported, exact=False))
        == ()
    )
    assert compared(*without) == ("does not use impl_enter_1_0_pb, and the scan says so",)


# -- every way to disagree ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replaced", "problems"),
    [
        # a name that is missing
        ({"enter_1_0_pb T": None}, ["does not define enter_1_0_pb, and the scan says so"]),
        ({"enter_1_0_pb T": "enter_1_0_pb U"},
         ["does not define enter_1_0_pb, and the scan says so", "uses enter_1_0_pb, and the scan does not say so"]),
        # one too many
        ({"memcpy U": "stray T"}, ["defines stray, and the scan does not know it"]),
        ({"memcpy U": "stray_1_0_pb T"}, ["defines stray_1_0_pb, and the scan does not know it"]),
        # a bare name, or one with upstream's suffix alone
        ({"enter_1_0_pb T": "enter T"},
         ["defines enter without the suffix _1_0_pb", "does not define enter_1_0_pb, and the scan says so"]),
        ({"enter_1_0_pb T": "enter_1_0_0 T"},
         ["defines enter_1_0_0 without the suffix _1_0_pb", "does not define enter_1_0_pb, and the scan says so"]),
        ({"memcpy U": "leave T"}, ["defines leave without the suffix _1_0_pb"]),
        ({"memcpy U": "enter U"}, ["uses enter without the suffix _1_0_pb"]),
        ({"memcpy U": "enter w"}, ["uses enter without the suffix _1_0_pb"]),
        ({"impl_enter_1_0_pb U": "impl_enter U"},
         ["does not use impl_enter_1_0_pb, and the scan says so", "uses impl_enter without the suffix _1_0_pb"]),
        # weak and strong
        ({"__debugger_looks W": "__debugger_looks T"}, ["__debugger_looks is strong, and weak in the scan"]),
        ({"enter_1_0_pb T": "enter_1_0_pb W"}, ["enter_1_0_pb is weak, and strong in the scan"]),
        ({"leave_1_0_pb D": "leave_1_0_pb V"}, ["leave_1_0_pb is weak, and strong in the scan"]),
        # a use that the scan does not know
        ({"memcpy U": "leave_1_0_pb U"}, ["uses leave_1_0_pb, and the scan does not say so"]),
    ],
)  # fmt: skip
def test_what_disagrees(replaced: dict[str, str | None], problems: list[str]) -> None:
    words = [replaced.get(word, word) for word in (*AGREES, "memcpy U")]
    assert compared(*(word for word in words if word)) == tuple(sorted(problems))


def test_an_empty_object_agrees_with_nothing() -> None:
    assert len(compared()) == len(EXPECTED.defined) + len(EXPECTED.imported)


# -- what is not the source's ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form", "kept"),
    [
        ("__x86.get_pc_thunk.bx", Form.C, False),
        (".refptr.enter_1_0_pb", Form.C, False),
        ("enter", Form.C, True),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", Form.C, True),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", Form.TEXT, False),
        ("_RNvC6engine5enter", Form.MACROS, False),
        ("DW.ref.rust_eh_personality", Form.MACROS, False),
        ("enter", Form.MACROS, True),
    ],
)
def test_what_compilers_add_is_not_compared(name: str, form: Form, kept: bool) -> None:  # noqa: FBT001 - a table
    found = names(f"{name} T")
    assert assembled.names_of(found, form) == (found if kept else ())


def test_leftovers_of_assembler_text_are_told() -> None:
    found = names("enter_1_0_pb T", "gone_with_9 U", "impl_enter_1_0_pb U", "_GLOBAL_OFFSET_TABLE_ U")
    for form in (Form.ASSEMBLER, Form.TEXT):
        assert assembled.strangers(found, NAMES, form) == ("uses gone_with_9, which nothing defines",)
    assert assembled.strangers(found, NAMES, Form.C) == ()


def test_expansions_of_other_sizes_differ() -> None:
    found = (
        ObjectName("enter_1_0_pb", "T", 8),
        ObjectName("leave_1_0_pb", "T", 9),
        ObjectName("other", "T", 1),
    )
    sizes = {"enter_1_0_pb": 8, "leave_1_0_pb": 7}
    assert list(assembled.other_sizes(found, sizes)) == [
        "leave_1_0_pb has 9 bytes in rustc's expansion, and 7 in ours"
    ]
    assert list(assembled.other_sizes(found, {"enter_1_0_pb": 8})) == []
    assert list(assembled.other_sizes(names("enter_1_0_pb U"), {"enter_1_0_pb": 8})) == []
