"""Whether a mutation really makes its name: a compiler's word, by the symbols of what it compiles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from symbols import native, small

from patchbot.symbols.rewrite import rewrite
from patchbot.symbols.scan import scan
from patchbot.tools import run
from support.mutations.model import DEFINITION, Mutation, Part, Use

_RUST = ("--edition", "2021", "--crate-type", "lib", "--emit", "obj", "-C", "codegen-units=1", "--cap-lints", "allow")  # fmt: skip
_C = ("-c", "-w", "-std=gnu11", "-fcommon")
_SOURCE = {
    Part.LIBRARY: "src/lib.rs",
    Part.C: "src/mutant.c",
    Part.ASSEMBLER: "src/mutant.S",
    Part.PLAIN: "src/mutant.s",
}


def is_asked(row: Mutation) -> bool:
    """Whether a compiler can be asked about a row."""
    return row.part in _SOURCE and not row.unproved


def sources(row: Mutation) -> dict[str, bytes]:
    """Return the row as a crate of its own: path → bytes."""
    out = {_SOURCE[row.part]: row.text.encode()}
    for path, data in row.files.items():
        out[path.replace("{c}/", "src/")] = data if isinstance(data, bytes) else data.encode()
    return out


def rewritten(row: Mutation) -> dict[str, bytes]:
    """Return the same crate after its names were suffixed."""
    own = sources(row)
    build = f'fn main() {{ cc::Build::new().file("{_SOURCE[row.part]}").compile("x"); }}\n'
    more = {"build.rs": "fn main() {}\n" if row.part is Part.LIBRARY else build}
    if row.use is not Use.DEFINE:
        more["src/mutant_definition.rs"] = DEFINITION
    imported, files = small.one_crate({"src/lib.rs": "", **more, **own})
    after = dict(files)
    for done in rewrite(scan(imported, files, small.POLICY), small.POLICY, small.NAMES):
        after |= done.files
    return {path: after[f"crates/runtime/{path}"] for path in own}


def symbols(row: Mutation, files: Mapping[str, bytes], folder: Path) -> tuple[set[str], set[str]]:
    """Return the global names that the row's object defines, and those it wants."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    source = _SOURCE[row.part]
    if row.part is Part.LIBRARY:
        data = (folder / source).read_bytes()
        (folder / source).write_bytes(f"{row.crate}\n".encode() + data if row.crate else data)
        argv = ["rustc", *_RUST, source, "-o", "out.o"]
    else:
        argv = ["cc", *_C, *row.flags, source, "-o", "out.o"]
    # unstable features on a stable compiler: what upstream may use one day
    done = run(argv, cwd=folder, env={**os.environ, "RUSTC_BOOTSTRAP": "1", "MUTANT": "mutant"})
    assert done.ok, done.tail(40)
    return native.symbols(folder / "out.o")
