"""A crate of the pieces of a release whose macros make assembler text, for rustc to expand and compile.

The macros, their calls and what they stand in are upstream's own text; the modules around them are made
here, and hold only what the expansions name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from patchbot import files, tools
from patchbot.errors import EnvironmentProblem
from patchbot.proof import toolchain
from patchbot.proof.cargo import Cargo
from patchbot.proof.compilers import TIMEOUT, Rustc, environment
from patchbot.truth import MacroCrate, MacroFile, RustModule

ROOT = "root.rs"
OBJECT = "root.o"

# Beside the inline module that has the list of builtins: the functions that its trampolines jump to.
_BODIES = "wasmtime_environ::foreach_builtin_function!(builtin_bodies);\n"
_BUILTINS = "wasmtime_environ"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Compiled crates of others: files by the name that code uses, and the folder with what they need."""

    crates: Mapping[str, str]
    folder: str


@cache
def _template(name: str) -> str:
    return resources.files("patchbot.proof").joinpath("templates", "macros", name).read_text(encoding="utf-8")


def shelf_identity() -> str:
    """Return a digest of the versions of others' crates."""
    return hashlib.sha256((_template("Cargo.toml") + _template("Cargo.lock")).encode()).hexdigest()


def build_shelf(folder: Path, *, offline: bool, on_line: Callable[[str], None]) -> Shelf:
    """Build the crates of others that upstream's macros are made with; what is built already stays.

    Raises ``EnvironmentProblem`` if cargo cannot get or build them.
    """
    for name, text in {**{n: _template(n) for n in ("Cargo.toml", "Cargo.lock")}, "lib.rs": ""}.items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            files.write(file, text.encode())
    cargo = Cargo(folder, folder / "target", toolchain.native(), offline=offline, on_line=on_line)
    build = cargo.build()
    if not build.ok:
        said = build.words.strip().splitlines() or ["cargo says nothing"]
        raise EnvironmentProblem(
            f"the crates that upstream's macros need cannot be built: {said[-1].strip()}",
            hint="without --offline cargo gets them from crates.io, once",
        )
    built = {**build.libraries, **build.macros}
    return Shelf({name: str(path) for name, path in sorted(built.items())}, str(folder / "target/debug/deps"))


# -- text ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tree:
    """Modules below one another; a leaf has the piece that stands there."""

    children: dict[str, _Tree] = field(default_factory=dict)
    leaf: RustModule | None = None


def root(source: MacroFile, folder: Path) -> str:
    """Return the crate's root; the files are below ``folder``.  What defines macros comes first."""
    tree = _Tree()
    for module in source.modules:
        at = tree
        for name in module.place:
            at = at.children.setdefault(name, _Tree())
        at.leaf = module
    builtins = any(crate.name == _BUILTINS for crate in source.crates)
    head = "#![allow(warnings)]\n" + (_template("stubs.rs") if builtins else "")
    return head + "".join(_modules(tree, folder, builtins=builtins))


def _modules(tree: _Tree, folder: Path, *, builtins: bool) -> Iterator[str]:
    for name, child in sorted(tree.children.items(), key=lambda item: _has_inline(item[1])):
        leaf = child.leaf
        if leaf is not None and leaf.inline:
            yield f"{_BODIES if builtins else ''}{_around(leaf)}{leaf.text}\n"
        elif leaf is not None:
            path = folder / file_name(leaf)
            yield f'{_around(leaf)}{_macro_use(child)}#[path = "{path}"]\nmod {name};\npub(crate) use {name}::*;\n'
        else:
            inner = "".join(_modules(child, folder, builtins=builtins))
            yield f"{_macro_use(child)}mod {name} {{\n{inner}}}\n"


def _macro_use(tree: _Tree) -> str:
    """Return what makes macros of a module visible behind it, unless it hands them on itself."""
    return "" if _hands_on(tree) else "#[macro_use]\n"


def _hands_on(tree: _Tree) -> bool:
    return (tree.leaf is not None and tree.leaf.hands_on) or any(map(_hands_on, tree.children.values()))


def _has_inline(tree: _Tree) -> bool:
    """Whether an inline module is below: it calls macros of the files, which must come before it."""
    return (tree.leaf is not None and tree.leaf.inline) or any(map(_has_inline, tree.children.values()))


def _around(module: RustModule) -> str:
    stubs = "".join(f'extern "C" fn {name}() {{}}\n' for name in module.stubs)
    return "".join(f"{block}\n" for block in module.beside) + stubs


def file_name(module: RustModule) -> str:
    """Return the name under which a piece that is a whole file is written."""
    return f"{'.'.join(module.place)}.rs"


# -- rustc -----------------------------------------------------------------------------------------


def expand(source: MacroFile, rustc: Rustc, shelf: Shelf, folder: Path) -> tools.Result:
    """Have rustc compile the crate into ``folder / OBJECT``; return what the step that failed said, or the last."""
    for module in source.modules:
        if not module.inline:
            files.write(folder / file_name(module), module.text.encode("latin-1"))
    files.write(folder / ROOT, root(source, folder).encode("latin-1"))
    known = dict(shelf.crates)
    # a macro of one crate can call another's: macros of functions first
    for crate in sorted(source.crates, key=lambda c: not c.proc_macro):
        done = _macro_crate(crate, rustc, known, shelf, folder)
        if not done.ok:
            return done
        known[crate.name] = str(_output(crate, folder))
    features = [word for name in source.features for word in ("--cfg", f'feature="{name}"')]
    arguments = ["--crate-type=lib", "--emit=obj", "-Ccodegen-units=1", "-Cpanic=abort", *features]
    out = ["-o", str(folder / OBJECT)]
    return _rustc(rustc, folder / ROOT, source.edition, known, shelf, [*arguments, *out])


def _macro_crate(
    crate: MacroCrate, rustc: Rustc, known: Mapping[str, str], shelf: Shelf, folder: Path
) -> tools.Result:
    file = folder / f"{crate.name}.rs"
    files.write(file, crate.text.encode("latin-1"))
    kind = (
        ["--crate-type=proc-macro", "--extern=proc_macro"]
        if crate.proc_macro
        else ["--crate-type=lib", "--emit=metadata"]
    )
    arguments = [f"--crate-name={crate.name}", *kind, "-o", str(_output(crate, folder))]
    return _rustc(rustc, file, crate.edition, known, shelf, arguments, crate.version)


def _output(crate: MacroCrate, folder: Path) -> Path:
    return folder / (f"lib{crate.name}.so" if crate.proc_macro else f"lib{crate.name}.rmeta")


def _rustc(
    rustc: Rustc,
    file: Path,
    edition: str,
    known: Mapping[str, str],
    shelf: Shelf,
    arguments: Sequence[str],
    version: str = "",
) -> tools.Result:
    externs = [f"--extern={name}={path}" for name, path in known.items()]
    common = [
        f"--edition={edition}",
        "--cap-lints=allow",
        "--error-format=short",
        f"-Ldependency={shelf.folder}",
    ]
    env = {**environment(), "CARGO_PKG_VERSION": version}
    argv = [rustc.program, str(file), *common, *arguments, *externs]
    return tools.run(argv, cwd=file.parent, env=env, timeout=TIMEOUT)
