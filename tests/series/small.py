"""A release of two crates that goes straight into a store, and two rewrites of it."""

from __future__ import annotations

from collections.abc import Mapping

from patchbot.git.commits import CommitText
from patchbot.git.store import Store
from patchbot.model import CratePin, ImportedRelease, IndexEntry, Release, Rewrite, Suffix, TreeFile
from patchbot.series.export import UPSTREAM
from patchbot.series.message import Rules

RELEASE = Release(8, 0, 1)
SUFFIX = Suffix("_8_0_1_pb")
COMMIT = "0123456789abcdef0123456789abcdef01234567"

HELPERS = b"""\
/* helpers of the engine */

int engine_enter(void *state) {
  return state != 0;
}

int engine_leave(void *state) {
  return state == 0;
}
"""
LIB = b"""\
extern "C" {
    fn engine_enter(state: *mut u8) -> i32;
}

#[no_mangle]
pub extern "C" fn engine_resolve() {}
"""
CONFIGURE = b"#!/bin/sh\necho engine_enter\n"

FILES = {
    "crates/runtime/Cargo.toml": b'[package]\nname = "wasmtime-runtime"\n',
    "crates/runtime/configure": CONFIGURE,
    "crates/runtime/src/helpers.c": HELPERS,
    "crates/runtime/src/lib.rs": LIB,
    "crates/fiber/src/lib.rs": b"// nothing here is renamed\n",
}
EXECUTABLE = frozenset({"crates/runtime/configure"})

RULES = {
    "suffix-c": Rules("give the names of C files the suffix", "C has no namespaces."),
    "suffix-rust": Rules("give names made by Rust the suffix", "Only what the linker sees changes."),
}


def renamed(data: bytes, *names: bytes) -> bytes:
    for name in names:
        data = data.replace(name, name + SUFFIX.text.encode())
    return data


def rewrites() -> tuple[Rewrite, ...]:
    """The second one changes a file that the first has changed already."""
    helpers = renamed(HELPERS, b"engine_enter")
    return (
        Rewrite("suffix-c", "digest-c", {"crates/runtime/src/helpers.c": helpers}),
        Rewrite(
            "suffix-rust",
            "digest-rust",
            {
                "crates/runtime/configure": renamed(CONFIGURE, b"engine_enter"),
                "crates/runtime/src/helpers.c": renamed(helpers, b"engine_leave"),
                "crates/runtime/src/lib.rs": renamed(LIB, b"engine_enter", b"engine_resolve"),
            },
        ),
    )


def rewritten() -> dict[str, bytes]:
    out = dict(FILES)
    for rewrite in rewrites():
        out.update(rewrite.files)
    return out


def imported(store: Store, files: Mapping[str, bytes] = FILES) -> ImportedRelease:
    tree = [TreeFile(path, data, path in EXECUTABLE) for path, data in sorted(files.items())]
    text = CommitText(message="as published\n", author="someone <someone@invalid>", date="1700000000 +0000")
    commit = store.commit_tree(tree, text)
    store.update_refs({f"{UPSTREAM}{RELEASE}": (commit, None)})
    return ImportedRelease(
        release=RELEASE,
        roots=("wasmtime-runtime",),
        commit=COMMIT,
        tree=store.tree_of(commit),
        published="2023-04-20T12:34:56Z",
        crates=tuple(pin(name) for name in ("wasmtime-fiber", "wasmtime-runtime")),
    )


def pin(name: str) -> CratePin:
    entry = IndexEntry(name, str(RELEASE), f"{name:0<64}", yanked=False, dependencies=(), features={})
    return CratePin(entry, f"crates/{name.removeprefix('wasmtime-')}", COMMIT)
