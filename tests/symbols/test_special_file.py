"""The s390x assembly file, wherever upstream puts it next: found by what it says and by who compiles it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from support import upstream
from symbols import small

from patchbot.model import Inventory, Role
from patchbot.symbols.scan import scan

HERE = "crates/runtime"
OLD = f"{HERE}/src/trampolines/s390x.S"
BUILD = f"{HERE}/build.rs"
S = upstream.TRAMPOLINES_S390X_S + upstream.HOST_TRAMPOLINES_S390X_S
NAMES = {"memory_grow", "table_grow", "out_of_gas", "host_to_wasm_trampoline", "wasm_to_host_trampoline"}
COMPILES = '        build.file("src/trampolines/s390x.S");\n'


def changed(
    files: Mapping[str, str | None], *, compiled: str | None = None
) -> tuple[Inventory, dict[str, str]]:
    """Scan and rewrite the small upstream with other files; ``compiled`` stands in the place of the old one's line."""
    change: dict[str, str] = {path: text for path, text in files.items() if text is not None}
    if compiled is not None:
        change[BUILD] = upstream.RUNTIME_BUILD.replace(COMPILES, compiled)
        assert change[BUILD] != upstream.RUNTIME_BUILD
    imported, sources = small.upstream(change=change)
    for path, text in files.items():
        if text is None:
            del sources[path]
    found = scan(imported, sources, small.POLICY)
    return found.inventory, small.rewritten(found)


def defined(inventory: Inventory, path: str) -> set[str]:
    return {s.name for s in inventory.symbols if s.path == path and s.role is Role.DEFINE}


def spots(inventory: Inventory) -> dict[str, str]:
    return {spot.path: spot.why for spot in inventory.blind_spots}


def left_bare(text: str) -> set[str]:
    """Return own names that are visible from the assembler's text without the suffix, read by nobody's scanner."""
    # what the file's own defines rename is suffixed wherever it stands
    renamed = dict(re.findall(r"^#define (\w+) (\w+)$", text, re.MULTILINE))
    words = set(re.findall(r"(?<![\w.$])[a-z_]\w+", re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)))
    return {word for word in words & NAMES if not renamed.get(word, word).endswith(str(small.SUFFIX))}


def test_this_reading_sees_a_bare_name() -> None:
    assert left_bare(S) == NAMES
    assert left_bare(f"#define memory_grow memory_grow{small.SUFFIX}\n{S}") == NAMES - {"memory_grow"}


def test_where_it_is() -> None:
    inventory, files = changed({})
    assert defined(inventory, OLD) == NAMES
    assert left_bare(files[OLD]) == set()
    assert inventory.blind_spots == ()


@pytest.mark.parametrize(
    "place",
    [
        "src/arch/s390x.S",
        "src/trampolines/z/big-endian.S",
        "asm/s390x.S",
        "src/s390x_trampolines.S",
        "s390x.S",
    ],
)
def test_moved_or_renamed(place: str) -> None:
    inventory, files = changed(
        {OLD: None, f"{HERE}/{place}": S}, compiled=f'        build.file("{place}");\n'
    )
    assert defined(inventory, f"{HERE}/{place}") == NAMES
    assert left_bare(files[f"{HERE}/{place}"]) == set()
    assert inventory.blind_spots == ()


def test_moved_and_the_build_script_still_names_the_old_place() -> None:
    inventory, _ = changed({OLD: None, f"{HERE}/src/arch/s390x.S": S})
    assert spots(inventory) == {BUILD: "compiles src/trampolines/s390x.S, which the crate does not have"}


def test_split_in_two_that_are_compiled() -> None:
    first, second = f"{HERE}/src/libcalls.S", f"{HERE}/src/host.S"
    inventory, files = changed(
        {OLD: None, first: upstream.TRAMPOLINES_S390X_S, second: upstream.HOST_TRAMPOLINES_S390X_S},
        compiled='        build.file("src/libcalls.S");\n        build.file("src/host.S");\n',
    )
    assert defined(inventory, first) | defined(inventory, second) == NAMES
    assert not defined(inventory, first) & defined(inventory, second)
    assert left_bare(files[first] + files[second]) == set()
    assert inventory.blind_spots == ()


def test_split_with_a_part_that_it_includes() -> None:
    part = f"{HERE}/src/trampolines/host.inc"
    inventory, files = changed(
        {OLD: upstream.TRAMPOLINES_S390X_S + '#include "host.inc"\n', part: upstream.HOST_TRAMPOLINES_S390X_S}
    )
    assert defined(inventory, OLD) == NAMES - defined(inventory, part)
    assert defined(inventory, part) == {"host_to_wasm_trampoline", "wasm_to_host_trampoline"}
    # what is defined before the part is read holds in it as well
    assert part not in files
    assert left_bare(files[OLD] + upstream.HOST_TRAMPOLINES_S390X_S) == set()
    assert inventory.blind_spots == ()


def test_a_copy_that_nothing_compiles() -> None:
    """Upstream left one behind from 20 to 29."""
    copy = "crates/wasmtime/src/runtime/s390x.S"
    inventory, files = changed({copy: S})
    assert defined(inventory, OLD) == NAMES
    assert left_bare(files[OLD]) == set()
    assert defined(inventory, copy) == set()
    assert copy not in files


def test_a_copy_that_another_crate_compiles() -> None:
    copy = "crates/wasmtime/src/s390x.S"
    script = 'fn main() { cc::Build::new().file("src/s390x.S").compile("more"); }'
    inventory, files = changed({copy: S, "crates/wasmtime/build.rs": script})
    assert defined(inventory, OLD) == defined(inventory, copy) == NAMES
    assert left_bare(files[OLD]) == left_bare(files[copy]) == set()


@pytest.mark.parametrize("arch", ["loongarch64", "powerpc64", "mips64"])
def test_another_architecture_gets_one(arch: str) -> None:
    place = f"{HERE}/src/trampolines/{arch}.S"
    text = S.replace("jg ", "b ")
    inventory, files = changed(
        {place: text},
        compiled=f'{COMPILES}    }} else if arch == "{arch}" {{\n        build.file("src/trampolines/{arch}.S");\n',
    )
    assert defined(inventory, OLD) == defined(inventory, place) == NAMES
    assert {s.cfg for s in inventory.symbols if s.path == place} == {f'target_arch = "{arch}"'}
    assert left_bare(files[place]) == set()
    assert inventory.blind_spots == ()


def test_a_file_that_no_preprocessor_reads() -> None:
    """cc hands a ``.s`` to the assembler as it is: a ``#define`` would be a comment there."""
    place = f"{HERE}/src/trampolines/s390x.s"
    inventory, files = changed(
        {OLD: upstream.TRAMPOLINES_S390X_S, place: upstream.HOST_TRAMPOLINES_S390X_S},
        compiled=f'{COMPILES}        build.file("src/trampolines/s390x.s");\n',
    )
    assert spots(inventory) == {place: "is not preprocessed, so that its names can get no suffix"}
    assert place not in files


def test_the_text_becomes_a_string_of_rust() -> None:
    """``include_str!`` in ``global_asm!`` has no preprocessor either."""
    inventory, _ = changed(
        {
            OLD: upstream.TRAMPOLINES_S390X_S,
            f"{HERE}/src/trampolines/host.S": upstream.HOST_TRAMPOLINES_S390X_S,
            f"{HERE}/src/trampolines/s390x.rs": upstream.TRAMPOLINES_S390X
            + 'core::arch::global_asm!(include_str!("host.S"));\n',
        }
    )
    where = f"{HERE}/src/trampolines/s390x.rs"
    assert spots(inventory) == {where: "in global_asm!: include_str! cannot be followed"}
