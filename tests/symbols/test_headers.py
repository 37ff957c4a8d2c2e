from __future__ import annotations

from pathlib import Path

from support.upstream import Crate
from symbols import small
from symbols.native import needs_cc, said

from patchbot.model import Names, Suffix
from patchbot.symbols.headers import declared
from patchbot.symbols.readings import Readings
from patchbot.symbols.rules import edits
from patchbot.symbols.scan import Scan, scan

# In the shape of the C API's headers: one is included by all, and declares by macros.
WASM_H = """\
#ifndef WASM_H
#define WASM_H
#ifndef API
#ifdef _WIN32
#define API __declspec(dllimport)
#else
#define API
#endif
#endif
#ifdef __cplusplus
extern "C" {
#endif
#define own
#define DECLARE_OWN(name) \\
  typedef struct wasm_##name##_t wasm_##name##_t; \\
  API void wasm_##name##_delete(own wasm_##name##_t*);
DECLARE_OWN(engine)
API own wasm_engine_t* wasm_engine_new(void);
static inline void wasm_engine_twice(void) { wasm_engine_delete(wasm_engine_new()); }
#ifdef __cplusplus
}
#endif
#endif
"""
MORE_H = """\
#include <wasm.h>
#include <missing.h>
typedef void (*wasmtime_callback_t)(int);
API int wasmtime_run(wasm_engine_t *, wasmtime_callback_t);
"""
RUST = """\
#[no_mangle] pub extern "C" fn wasm_engine_new() {}
#[no_mangle] pub extern "C" fn wasm_engine_delete() {}
#[no_mangle] pub extern "C" fn wasmtime_run() {}
#[no_mangle] pub extern "C" fn wasmtime_in_no_header() {}
"""


def api(headers: dict[str, str]) -> Scan:
    files = {"src/lib.rs": RUST, **headers}
    crates = [
        Crate("wasmtime-c-api-impl", "crates/c-api", files, []),
        Crate("wasmtime-runtime", "crates/runtime", {"src/lib.rs": "#[no_mangle] fn inner() {}"}, []),
    ]
    return scan(*small.release(crates), small.POLICY)


HEADERS = {"include/wasm.h": WASM_H, "include/wasmtime/more.h": MORE_H}


def test_each_name_is_declared_in_the_header_where_it_is_written() -> None:
    scanned = api(HEADERS)
    assert set(declared(scanned.corpus, "wasmtime-c-api-impl")) == {
        ("crates/c-api/include/wasm.h", "wasm_engine_delete"),
        ("crates/c-api/include/wasm.h", "wasm_engine_new"),
        ("crates/c-api/include/wasmtime/more.h", "wasmtime_run"),
    }
    assert declared(scanned.corpus, "wasmtime-runtime") == ()


def test_a_constant_makes_another_header_only_where_it_has_a_say() -> None:
    header = """\
#define CAT(a, b) a##b
#define NAME(a, b) CAT(a, b)
#define VERSION "1.0"
#define MAJOR 1
API void NAME(wasm_v, MAJOR)(void);
"""
    rust = "#[no_mangle] fn wasm_v1() {} #[no_mangle] fn wasm_v2() {}"
    readings = Readings()

    def found(text: str) -> set[str]:
        crate = Crate("api", "crates/api", {"src/lib.rs": rust, "include/a.h": text}, [])
        scanned = scan(*small.release([crate]), small.POLICY, readings)
        return {name for _, name in declared(scanned.corpus, "api")}

    def reads() -> int:
        return sum(key[0] == "headers" for key in readings._recent if isinstance(key, tuple))

    assert (found(header), reads()) == ({"wasm_v1"}, 1)
    assert (found(header.replace('"1.0"', '"1.1"')), reads()) == ({"wasm_v1"}, 1)
    assert (found(header.replace("MAJOR 1", "MAJOR 2")), reads()) == ({"wasm_v2"}, 2)
    assert (found(header), reads()) == ({"wasm_v1"}, 2)
    assert (found(header.replace("wasm_v,", "wasm_w,")), reads()) == ({"wasm_w1"}, 3)
    readings.turn()
    readings.turn()
    # nobody uses this one's constant, and somebody the other's that stands in its place
    assert found(header.replace("define MAJOR", "define OTHER")) == {"wasm_vMAJOR"}
    assert found(header) == {"wasm_v1"}


def test_callers_keep_their_source_by_a_block_of_defines_on_top_of_each_header() -> None:
    after = small.rewritten(api(HEADERS))
    head = after["crates/c-api/include/wasm.h"].removesuffix(WASM_H).splitlines()
    assert head[1:] == [
        "#define wasm_engine_delete wasm_engine_delete_8_0_1_pb",
        "#define wasm_engine_new wasm_engine_new_8_0_1_pb",
        "",
    ]
    assert "#define wasmtime_run wasmtime_run_8_0_1_pb\n" in after["crates/c-api/include/wasmtime/more.h"]
    assert after["crates/c-api/src/lib.rs"].count("_8_0_1_pb") == 4


def test_the_c_api_has_a_patch_of_its_own() -> None:
    wanted = edits(api(HEADERS), small.NAMES)
    paths = {name: {edit.path for edit in own} for name, own in wanted.items()}
    assert paths == {
        "suffix-c-api": {
            "crates/c-api/src/lib.rs",
            "crates/c-api/include/wasm.h",
            "crates/c-api/include/wasmtime/more.h",
        },
        "suffix-rust": {"crates/runtime/src/lib.rs"},
    }


def test_without_headers_it_is_a_crate_like_others() -> None:
    assert set(edits(api({}), small.NAMES)) == {"suffix-rust"}


@needs_cc
def test_two_releases_can_be_called_from_one_program(tmp_path: Path) -> None:
    """Each file of the program includes the headers of its release, and says the plain names."""
    for version, suffix in (("8.0.1", "_8_0_1_pb"), ("9.0.4", "_9_0_4_pb")):
        after = small.rewritten(api(HEADERS), names=Names(Suffix(suffix)))
        for path, text in after.items():
            if path.endswith(".h"):
                place = tmp_path / version / path.removeprefix("crates/c-api/include/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text.replace("#include <missing.h>", ""))
    caller = "#include <wasmtime/more.h>\nint run(void) { wasm_engine_twice(); return wasmtime_run(wasm_engine_new(), 0); }\n"
    (tmp_path / "caller.c").write_text(caller)
    for version, suffix in (("8.0.1", "_8_0_1_pb"), ("9.0.4", "_9_0_4_pb")):
        said(["cc", "-c", f"-I{version}", "caller.c", "-o", "caller.o"], tmp_path)
        wanted = said(["nm", "-u", "-P", "caller.o"], tmp_path).split()
        names = {word for word in wanted if word.startswith("wasm")}
        assert names == {
            f"{name}{suffix}" for name in ("wasm_engine_new", "wasm_engine_delete", "wasmtime_run")
        }
