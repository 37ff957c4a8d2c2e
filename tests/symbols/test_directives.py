from __future__ import annotations

import pytest

from patchbot.symbols.c.directives import doubt


@pytest.mark.parametrize(
    ("word", "arguments"),
    [
        ("ret", ""),
        (".globl", "x"),
        (".set", "x, 5"),
        (".ascii", '"x"'),
        (".cfi_startproc", ""),
        (".seh_endproc", ""),
        (".type", "x, @function"),
        (".section", ".text.x"),
        (".section", '.note.GNU-stack,"",@progbits'),
        (".section", "__TEXT,__text"),
        (".pushsection", ' ".rodata" , "a"'),
    ],
)
def test_directives_that_make_no_name_of_their_own(word: str, arguments: str) -> None:
    assert doubt(word, arguments) is None


@pytest.mark.parametrize(
    ("word", "arguments", "why"),
    [
        (".macro", "x", "defines an assembler macro"),
        (".irp", "x, a, b", "repeats text"),
        (".include", '"x"', "includes another file"),
        (".symver", "a, b@V1", "gives a symbol version"),
        (".weakref", "a, b", "makes a weak alias"),
        (".type", "x, @gnu_unique_object", "makes a name visible"),
        (".section", "x", "the linker makes names of sections like x"),
        (".section", '"x",', "the linker makes names of sections like x"),
        (".pushsection", "__x", "the linker makes names of sections like __x"),
        (".section", ".drectve", "tells the linker"),
        (".section", "", "cannot be read as a name"),
        (".section", "\ufffd?x", "cannot be read as a name"),
        (".dc.b", "5", "is not known here"),
        (".globll", "x", "is not known here"),
    ],
)
def test_any_other_is_a_doubt(word: str, arguments: str, why: str) -> None:
    assert why in (doubt(word, arguments) or "")
