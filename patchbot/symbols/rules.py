"""From a scan to edits: one rule per kind of place, each with the patch that its edits belong to.

=============== ============================================================ ==========================
patch           what                                                         how
=============== ============================================================ ==========================
crate-paths     paths that macros print, and crates that use such macros      the fork's library name
links-keys      build scripts that read ``DEP_<KEY>_…``                      suffix inside the string
suffix-c        C files                                                      ``#define`` block on top
suffix-c-api    names that C callers know, and the headers they know them by attribute, ``#define`` block
suffix-dwarf    names that the compiler writes into DWARF                    suffix inside the string
suffix-rust     attributes, foreign items, assembler text in Rust            attribute or string
suffix-s390x    assembler files, and the Rust items that only they call      ``#define`` block, attribute
suffix-upstream upstream's own version string                                one expression
=============== ============================================================ ==========================

Names are in alphabetical order, so that ``git am patches/8.0.1/*.patch`` applies them in series order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from patchbot.errors import RewriteError
from patchbot.model import Kind, Names, Suffix, links_variable
from patchbot.symbols.edits import Edit, by_place, place
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    flatten,
    is_punct,
    read_trees,
    string_value,
)
from patchbot.symbols.scan import Scan
from patchbot.symbols.spots import ExportSpot, Found, ImportSpot, SourceSpot, TextSpot, VariableSpot

_DEFINES = {".c": "suffix-c", ".h": "suffix-c-api"}  # the patch of a block of #defines, by the file it is for
DEFINE_HEADER = b"/* patchbot: link-time names of this file, with the suffix of their release */\n"


@dataclass(frozen=True, slots=True)
class Rule:
    """A generated patch: its name, the version of its edits, and what it is for."""

    name: str
    version: int
    subject: str
    why: str

    def digest(self, names: Names) -> str:
        """Return a digest of what the rule does, for the release lock."""
        words = [f"{self.name}/{self.version}", str(names.suffix)]
        if self.name == "crate-paths":
            words += sorted(names.libraries.values())
        return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "crate-paths",
            1,
            "print the paths of the fork's own libraries",
            "What a macro prints is looked up where it is used, and there the library has the fork's name.\n"
            "Crates of the fork know it by upstream's name, so they get the other one as well.",
        ),
        Rule(
            "links-keys",
            1,
            "read what the suffixed links keys make cargo say",
            "A cargo graph may hold one package per `links` key, so the key carries the suffix, and with\n"
            "it the DEP_ variable that a dependent's build script reads.",
        ),
        Rule(
            "suffix-c",
            1,
            "give the names of C files the suffix",
            "C has no namespaces and a static library is searched by name: the preprocessor renames what\n"
            "this release defines or calls. Names that debuggers look up stay.",
        ),
        Rule(
            "suffix-c-api",
            1,
            "give the names of the C API the suffix",
            "C programs keep their source: the headers map each name to the suffixed one, so that the files\n"
            "of one program can use different releases, each with its own headers.",
        ),
        Rule(
            "suffix-dwarf",
            1,
            "write suffixed names into DWARF",
            "The compiler names runtime functions in the debug information of compiled modules, where\n"
            "debuggers look them up; they must be this release's.",
        ),
        Rule(
            "suffix-rust",
            1,
            "give names made by Rust the suffix",
            "Exported functions, foreign items and symbols of assembler text keep their Rust identifiers;\n"
            "only what the linker sees changes.",
        ),
        Rule(
            "suffix-s390x",
            1,
            "give the names of assembler files the suffix",
            "The assembler files define trampolines and jump to functions that Rust exports for them\n"
            "alone, so both sides change in one patch.",
        ),
        Rule(
            "suffix-upstream",
            1,
            "add the fork's mark to upstream's own suffix",
            "Upstream appends its version to most names. The mark tells the fork from the original of\n"
            "the same version, so that both can be in one program.",
        ),
    )
}


def edits(scan: Scan, names: Names) -> dict[str, list[Edit]]:
    """Return the edits that give every own name of ``scan`` the suffix, by patch; none for an empty patch.

    Raises ``RewriteError`` for a place that no rule can edit.
    """
    suffix = names.suffix
    own = scan.inventory.names(Kind.OWN)
    called_by_assembler = _called_by_assembler(scan)
    out: dict[str, list[Edit]] = {name: [] for name in RULES}
    defines: dict[str, set[str]] = {}
    for found in scan.found:
        if isinstance(found.spot, VariableSpot):
            out["links-keys"].append(_variable(found.spot, scan.files, suffix))
        elif found.name in own and _mine(found) and found.suffix == "":
            if isinstance(found.spot, SourceSpot):
                defines.setdefault(found.spot.path, set()).add(found.name)
            else:
                out[_rule(found, called_by_assembler, scan.inventory.c_api)] += _edit(
                    found, scan.files, suffix
                )
    for path, bases in sorted(defines.items()):
        rule = _DEFINES.get(path[path.rfind(".") :], "suffix-s390x")
        out[rule].append(_define(path, bases, suffix))
    if scan.version is not None and scan.inventory.upstream_suffix != suffix.text:
        span = scan.version
        out["suffix-upstream"].append(Edit(span.path, span.start, span.end, f'"{suffix.text[1:]}"'.encode()))
    out["crate-paths"] = list(_paths(scan, names.libraries))
    return {name: sorted(set(own_edits), key=by_place) for name, own_edits in out.items() if own_edits}


def _mine(found: Found) -> bool:
    """Whether the place speaks of an own name: a kept or embedder's one may be spelled alike."""
    return found.symbol is None or found.symbol.kind is Kind.OWN


def _called_by_assembler(scan: Scan) -> frozenset[str]:
    """Return own names that an assembler file uses and does not define."""
    used = {f.name for f in scan.found if _in_assembler(f) and f.symbol is None}
    return frozenset(used - {f.name for f in scan.found if _in_assembler(f) and f.symbol is not None})


def _in_assembler(found: Found) -> bool:
    return isinstance(found.spot, SourceSpot) and not found.spot.path.endswith((".c", ".h"))


def _rule(found: Found, called_by_assembler: frozenset[str], c_api: Sequence[str]) -> str:
    if isinstance(found.spot, ExportSpot) and found.symbol is not None and found.symbol.crate in c_api:
        return "suffix-c-api"
    if isinstance(found.spot, ExportSpot) and found.name in called_by_assembler:
        return "suffix-s390x"
    if isinstance(found.spot, TextSpot) and found.dwarf:
        return "suffix-dwarf"
    return "suffix-rust"


def _edit(found: Found, files: Mapping[str, bytes], suffix: Suffix) -> Iterator[Edit]:
    match found.spot:
        case ExportSpot(item, attribute):
            word = attribute.name.origin
            if attribute.name.text == "no_mangle":
                expression = _name_expression(item.name, word, files, suffix)
                yield Edit(word.path, word.start, word.end, f"export_name = {expression}".encode("latin-1"))
            else:
                yield from _wrap(_span(attribute.value), suffix)
        case ImportSpot(item, attribute):
            if attribute is None:
                expression = _name_expression(item.name, item.head, files, suffix)
                text = f"#[link_name = {expression}]\n{_indent(item.head, files)}"
                yield Edit(item.head.path, item.head.start, item.head.start, text.encode("latin-1"))
            else:
                yield from _wrap(_span(attribute.value), suffix)
        case TextSpot(piece, end):
            if piece.offsets is None:
                yield from _wrap(piece.place, suffix)
            else:
                at = piece.offsets[end]
                yield Edit(piece.place.path, at, at, suffix.text.encode())
        case SourceSpot() | VariableSpot():
            pass  # edited once per file, and once per variable


def _wrap(span: Span, suffix: Suffix) -> Iterator[Edit]:
    """Make the string expression at ``span`` the first part of a ``concat!``."""
    yield Edit(span.path, span.start, span.start, b"concat!(")
    yield Edit(span.path, span.end, span.end, f', "{suffix}")'.encode())


def _span(trees: Sequence[Token | Group]) -> Span:
    return trees[0].origin.to(trees[-1].origin)


def _name_expression(name: Token, beside: Span, files: Mapping[str, bytes], suffix: Suffix) -> str:
    """Spell the suffixed name of an item as a string expression, in the scope of ``beside``.

    In a macro's body the name may be a metavariable, or be pasted from several.
    """
    written = name.written_in(beside)
    if written is None:
        raise RewriteError(
            f"the name {name.text} is not written beside its item",
            where=place(files[beside.path], beside.path, beside.start),
            hint="a macro builds this item from parts of several macros; patchbot has to learn this form",
        )
    parts = _parts(files[written.path][written.start : written.end].decode("latin-1"))
    if len(parts) == 1 and parts[0].startswith('"'):
        return f'{parts[0][:-1]}{suffix}"'
    return f'concat!({", ".join(parts)}, "{suffix}")'


@lru_cache(maxsize=20_000)
def _parts(source: str) -> tuple[str, ...]:
    """Return string expressions for an identifier as it is written: ``foo``, ``$x``, ``[<foo_ $x>]``, ``#x``."""
    tokens = list(flatten(read_trees(source, "")))
    parts: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if (is_punct(token, "$") or is_punct(token, "#")) and at < len(tokens):
            parts.append(f"stringify!({token.text}{tokens[at].text})")
            at += 1
        elif token.kind in {TokenKind.IDENT, TokenKind.STRING}:
            word = (
                string_value(token).text if token.kind is TokenKind.STRING else token.text.removeprefix("r#")
            )
            before = parts.pop()[1:-1] if parts and parts[-1].startswith('"') else ""
            parts.append(f'"{before}{word}"')
        elif not (is_punct(token, "<") or is_punct(token, ">")):
            raise RewriteError(
                f"a name is pasted with {token.text!r}", hint="patchbot has to learn this form of paste!"
            )
    return tuple(parts)


def _indent(head: Span, files: Mapping[str, bytes]) -> str:
    data = files[head.path]
    line = data[data.rfind(b"\n", 0, head.start) + 1 : head.start]
    match = re.match(rb"[ \t]*", line)
    return match[0].decode() if match else ""


def _define(path: str, names: set[str], suffix: Suffix) -> Edit:
    if path.endswith(".s"):
        raise RewriteError(
            "defines link-time names and is not preprocessed",
            where=path,
            hint="only .S files pass through the C preprocessor; patchbot has to learn this form",
        )
    for name in sorted(names):
        if re.fullmatch(r"[A-Za-z_$][\w$]*", name) is None:
            raise RewriteError(f"the name {name} cannot be one of a macro", where=path)
    lines = b"".join(f"#define {name} {name}{suffix}\n".encode() for name in sorted(names))
    return Edit(path, 0, 0, DEFINE_HEADER + lines + b"\n")


def _variable(spot: VariableSpot, files: Mapping[str, bytes], suffix: Suffix) -> Edit:
    prefix = links_variable(spot.key)[:-1].encode()
    data = files[spot.place.path]
    at = data.index(prefix, spot.place.start, spot.place.end) + len(prefix)
    return Edit(spot.place.path, at, at, suffix.text.upper().encode())


def _paths(scan: Scan, libraries: Mapping[str, str]) -> Iterator[Edit]:
    """Print the fork's names of the libraries (upstream's → the fork's), and make them known where they are used."""
    for printed in scan.paths.printed:
        if printed.library in libraries:
            place = printed.place
            yield Edit(place.path, place.start, place.end, libraries[printed.library].encode())
    lines: dict[tuple[str, int], list[str]] = {}
    for user in scan.paths.users:
        if user.library in libraries:
            condition = f"#[cfg({user.cfg})]\n" if user.cfg else ""
            line = f"{condition}extern crate {user.alias} as {libraries[user.library]};\n"
            lines.setdefault((user.root, user.at), []).append(line)
    for (root, at), own in lines.items():
        yield Edit(root, at, at, "".join(sorted(own)).encode())
