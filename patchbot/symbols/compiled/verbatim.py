"""The pieces of a release whose macros make assembler text, as they are written, for rustc to expand.

What rustc makes of them must have the names that our own expansion has.  A piece is a whole file where it
can be, or the inline module that has the call: the file around it needs the rest of its crate.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Sequence

from patchbot.model import CratePin
from patchbot.symbols.compiled.inputs import OnTarget
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust.facts import Call
from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_group,
    is_ident,
    is_punct,
)
from patchbot.truth import MacroCrate, MacroFile, RustModule


def macro_files(release: OnTarget) -> tuple[MacroFile, ...]:
    """Return, for each crate with macro calls that define names in assembler text, what rustc is given."""
    corpus = release.reader.corpus
    calls: dict[str, list[Call]] = {}
    for call in _calls(release):
        calls.setdefault(corpus.crate_of[call.name.origin.path], []).append(call)
    return tuple(_macro_file(release, crate, own) for crate, own in calls.items())


def _calls(release: OnTarget) -> Iterator[Call]:
    """Return the macro calls in files whose expansions have texts that define names, each once."""
    callers = {
        assembly.caller
        for _, assembly in release.assemblies()
        if assembly.caller is not None and any(text.defined() for _, text in release.read(assembly))
    }
    for path in dict.fromkeys(caller.path for caller in sorted(callers)):
        yield from (c for c in release.reader.corpus.facts(path).calls if c.name.origin in callers)


def _macro_file(release: OnTarget, crate: str, calls: Sequence[Call]) -> MacroFile:
    corpus = release.reader.corpus
    pin = corpus.release.crate(crate)
    used = _used(release, calls)
    mine = [macro.place for macro in used if corpus.crate_of.get(macro.place.path) == crate]
    places = [*mine, *(call.name.origin for call in calls)]
    paths = tuple(dict.fromkeys(place.path for place in places))
    names = {macro.name for macro in used}
    modules = tuple(
        _module(corpus, pin, path, [p for p in places if p.path == path], names) for path in paths
    )
    return MacroFile(
        path=pin.path,
        crate=crate,
        paths=paths,
        edition=_edition(corpus, pin),
        features=corpus.features(pin),
        modules=modules,
        crates=tuple(_crates(release, pin, used)),
    )


def _used(release: OnTarget, calls: Iterable[Call]) -> list[Macro]:
    """Return the definitions that these calls take on the target, in the order in which they are needed."""
    corpus = release.reader.corpus
    corpus.used.clear()
    for call in calls:
        for assembly in release.reader.expander.follow(call).assembly:
            release.reader.evaluator.templates(assembly.arguments)
    return list(corpus.used.values())


# -- pieces of the crate itself --------------------------------------------------------------------


def _module(
    corpus: Corpus, pin: CratePin, path: str, places: Sequence[Span], macros: Collection[str]
) -> RustModule:
    """Return a file, or the inline module of it that has all of the places; ``macros`` are those that are used."""
    name, text, trees = _place_of(corpus, pin, path), corpus.files[path], corpus.trees(path)
    around = [_inline_around(trees, place.start) for place in places]
    inline = around[0] if all(found == around[0] for found in around) else None
    if inline is not None:
        start, end, inner = inline
        name, text = (*name, inner), text[start:end]
    wanted = tuple(dict.fromkeys(_asked_of_super(trees)))
    parent = next((p for p in _files_of(corpus, pin, name[:-1]) if p in corpus.files), None)
    blocks = {} if parent is None else _foreign_blocks(corpus, parent, wanted)
    return RustModule(
        place=name,
        text=text.decode("latin-1"),
        inline=inline is not None,
        hands_on=any(name.text in macros for name in _reexported(trees)),
        beside=tuple(dict.fromkeys(blocks.values())),
        stubs=tuple(word for word in wanted if word not in blocks),
    )


def _place_of(corpus: Corpus, pin: CratePin, path: str) -> tuple[str, ...]:
    """Return the path of a file's module in its crate."""
    inside = posixpath.relpath(path, posixpath.dirname(corpus.library(pin)))
    return tuple(inside.removesuffix(".rs").removesuffix("/mod").split("/"))


def _files_of(corpus: Corpus, pin: CratePin, place: Sequence[str]) -> tuple[str, ...]:
    """Return the files that a module can be in."""
    if not place:
        return (corpus.library(pin),)
    base = posixpath.join(posixpath.dirname(corpus.library(pin)), *place)
    return f"{base}.rs", f"{base}/mod.rs"


def _inline_around(trees: Sequence[Tree], offset: int) -> tuple[int, int, str] | None:
    """Return start, end and name of the ``mod name {…}`` that holds an offset, None at the top of a file."""
    for at, tree in enumerate(trees[:-2]):
        name, body = trees[at + 1], trees[at + 2]
        if not is_ident(tree, "mod") or not isinstance(name, Token) or not isinstance(body, Group):
            continue
        if body.open.start < offset < body.close.end:
            return _with_visibility(trees, at), body.close.end, name.text
    return None


def _with_visibility(trees: Sequence[Tree], at: int) -> int:
    """Return where an item with its ``pub`` or ``pub(crate)`` begins."""
    first = at - 1 if at and is_group(trees[at - 1], "(") else at
    return (
        trees[first - 1].origin.start
        if first and is_ident(trees[first - 1], "pub")
        else trees[at].origin.start
    )


def _reexported(trees: Sequence[Tree]) -> Iterator[Token]:
    """Return the words of each ``pub use`` and ``pub(crate) use`` at the top of a file."""
    for at, tree in enumerate(trees):
        if is_ident(tree, "use") and _with_visibility(trees, at) != tree.origin.start:
            end = next((i for i in range(at, len(trees)) if is_punct(trees[i], ";")), len(trees))
            yield from flatten(trees[at:end])


def _asked_of_super(trees: Sequence[Tree]) -> Iterator[str]:
    """Return the names of ``sym super::name`` operands."""
    words = list(flatten(trees))
    for at, word in enumerate(words):
        spelled = [token.text for token in words[at : at + 4]]
        if spelled == ["sym", "super", ":", ":"] and at + 4 < len(words) and word.kind is TokenKind.IDENT:
            yield words[at + 4].text


def _foreign_blocks(corpus: Corpus, path: str, wanted: Sequence[str]) -> dict[str, str]:
    """Return the foreign blocks of a file that declare the wanted names, by name, as they are written."""
    found: dict[str, str] = {}
    for start, block in _blocks(corpus.trees(path)):
        declared = {t.text for t in flatten(block.children)}
        for name in declared.intersection(wanted):
            found.setdefault(name, corpus.files[path][start : block.close.end].decode("latin-1"))
    return found


def _blocks(trees: Sequence[Tree]) -> Iterator[tuple[int, Group]]:
    for at, tree in enumerate(trees):
        if is_ident(tree, "extern"):
            block = next(
                (t for t in trees[at + 1 : at + 3] if isinstance(t, Group) and t.delimiter == "{"), None
            )
            if block is not None:
                head = trees[at - 1] if at and is_ident(trees[at - 1], "unsafe") else tree
                yield head.origin.start, block
        if isinstance(tree, Group):
            yield from _blocks(tree.children)


# -- crates whose macros it uses -------------------------------------------------------------------


def _crates(release: OnTarget, pin: CratePin, used: Sequence[Macro]) -> Iterator[MacroCrate]:
    """Return upstream's crates that define the used macros: all of a library's root, or just its macros."""
    corpus = release.reader.corpus
    foreign: dict[str, list[Macro]] = {}
    for macro in used:
        crate = corpus.crate_of.get(macro.place.path, "")
        if crate and crate != pin.name:
            foreign.setdefault(crate, []).append(macro)
    for name, macros in foreign.items():
        owner = corpus.release.crate(name)
        library = corpus.library(owner)
        whole = all(macro.place.path == library for macro in macros)
        text = corpus.files[library].decode("latin-1") if whole else "\n".join(_definitions(corpus, macros))
        yield _crate(corpus, pin, owner, text)
    version = release.reader.out.version
    versions = None if version is None else corpus.release.owner(version.path)
    if version is not None and versions is not None and _knows(pin, versions):
        yield _crate(corpus, pin, versions, corpus.files[version.path].decode("latin-1"), proc_macro=True)


def _knows(user: CratePin, owner: CratePin) -> bool:
    return owner.name in {dependency.package for dependency in user.entry.dependencies}


def _crate(
    corpus: Corpus, user: CratePin, owner: CratePin, text: str, *, proc_macro: bool = False
) -> MacroCrate:
    known = {d.package: d.alias for d in user.entry.dependencies}
    name = known.get(owner.name, owner.name).replace("-", "_")
    return MacroCrate(name, text, _edition(corpus, owner), owner.version, proc_macro)


def _definitions(corpus: Corpus, macros: Iterable[Macro]) -> Iterator[str]:
    """Return ``macro_rules!`` items as they are written, each for everybody and under its conditions."""
    for macro in macros:
        for start, name, end in _macro_items(corpus.trees(macro.place.path)):
            if name == macro.place:
                conditions = "".join(f"#[cfg({condition})]\n" for condition in macro.cfgs)
                text = corpus.files[macro.place.path][start:end].decode("latin-1")
                yield f"{conditions}#[macro_export]\n{text}\n"


def _macro_items(trees: Sequence[Tree]) -> Iterator[tuple[int, Span, int]]:
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            yield from _macro_items(tree.children)
        elif is_ident(tree, "macro_rules") and at + 3 < len(trees) and is_punct(trees[at + 1], "!"):
            name, body = trees[at + 2], trees[at + 3]
            if isinstance(name, Token) and isinstance(body, Group):
                yield tree.origin.start, name.origin, body.close.end


def _edition(corpus: Corpus, pin: CratePin) -> str:
    return corpus.manifest(pin).edition or "2015"
