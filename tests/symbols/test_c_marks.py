from __future__ import annotations

import pytest

from patchbot.symbols.c import c_marks
from patchbot.symbols.c.c_marks import Marks
from patchbot.symbols.c.preprocessor import preprocess


def read(source: str) -> Marks:
    (text,) = preprocess("a.c", read={"a.c": source}.get).variants
    return c_marks.read(text)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("int x;", []),
        ("__attribute__((weak)) int x;", ["weak"]),
        ("int x __attribute((__weak__, aligned(8)));", ["weak", "aligned"]),
        ('int x __attribute__((section("a"), used)) = 1;', ["section", "used"]),
        ("__declspec(dllexport) int x;", ["dllexport"]),
        ("_declspec(align(8)) int x;", ["align"]),
        ("[[gnu::weak]] int x;", ["weak"]),
        ('[[nodiscard, gnu::alias("y")]] int x;', ["nodiscard", "alias"]),
        ("int attribute(int); int declspec;", []),
    ],
)
def test_attributes_are_taken_out(source: str, names: list[str]) -> None:
    marks = read(source)
    assert [attribute.name for attribute in marks.attributes] == names
    assert "attribute__" not in marks.text
    assert "declspec(" not in marks.text


def test_the_rest_stays_where_it_was() -> None:
    source = '__attribute__((weak)) int x __asm__("y") = 1;'
    text = read(source).text
    assert text.index("int x") == source.index("int x")
    assert text.split() == ["int", "x", "=", "1;"]


@pytest.mark.parametrize(
    ("source", "labels"),
    [
        ('int x __asm__("y");', ["y"]),
        ('int x(void) asm("a" "b");', ["ab"]),
        ('int x __asm("y"), z __asm__("w");', ["y", "w"]),
        ('void f(void) { register long r __asm__("rax") = 1; }', []),
        ('__asm__("");', []),
        ('void f(void) { __asm__ volatile ("" ::: "memory"); }', []),
    ],
)
def test_names_for_the_assembler_are_taken_out(source: str, labels: list[str]) -> None:
    marks = read(source)
    assert [label.name for label in marks.labels] == labels
    assert marks.doubts == ()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('__asm__(".globl x");', "assembly"),
        ('int y; asm("x: ret");', "assembly"),
        ('void f(void) { asm volatile ("call x"); }', "assembly"),
        ('void f(void) { asm goto ("jmp x" : : : : l); l: return; }', "assembly"),
        ("int x __asm__(NAME);", "assembly"),
        ("asm int f(void) {}", "assembly"),
        ("__attribute__((weak int x;", "a bracket that does not end"),
        ("[[gnu::weak int x;", "a bracket that does not end"),
    ],
)
def test_what_is_not_read_is_a_doubt(source: str, why: str) -> None:
    assert why in next(doubt for _, doubt in read(source).doubts)
