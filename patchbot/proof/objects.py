"""What ``nm`` says of the forks' libraries, judged name by name.

A clean link proves little: members of an archive are pulled in on demand, and two versions can silently
share one symbol.  So every object of every library is looked at, whether the program needs it or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Rust's mangled names, legacy and v0; Mach-O puts an underscore in front.
_MANGLED = re.compile(r"_?_(?:ZN|R[A-Za-z0-9_])")

_SYMBOL = re.compile(r"(.+)\[(.+?)\]: (\S+) ([A-Za-z?-])(?: .*)?")

_UPSTREAM_SUFFIX = re.compile(r"_\d+_\d+_\d+\w*$")

# Names that the compiler and its runtime put into every object, each with its reason.
RUNTIME = {
    re.compile(r"DW\.ref\.rust_eh_personality"): "where the unwinder finds Rust's personality function",
    re.compile(r"_?rust_eh_personality"): "Rust's personality function, of std",
    re.compile(r"_?__rust_\w+|_?__rdl_\w+|_?__rg_\w+"): "Rust's allocator and panic entry points, of std",
    re.compile(r"__rustc_debug_gdb_scripts_section__"): "a marker for debuggers, merged by the linker",
    re.compile(r"anon\.[0-9a-f]+\.\d+"): "a constant without a name, unique by its hash",
}


@dataclass(frozen=True, slots=True)
class ObjectSymbol:
    """A global symbol of one member of an archive."""

    library: str
    member: str
    name: str
    defined: bool


def parse_nm(output: str) -> list[ObjectSymbol]:
    """Read ``nm -P -A -g``: ``library[member]: name type value size``; ``unread`` names other lines."""
    symbols = []
    for line in output.splitlines():
        match = _SYMBOL.fullmatch(line)
        if match is None:
            continue
        library, member, name, kind = match.groups()
        # U is undefined; lower-case v and w are weak and undefined
        symbols.append(ObjectSymbol(library, member, name, kind not in "Uvw"))
    return symbols


def unread(output: str, errors: str) -> list[str]:
    """Return a line for each thing that ``nm`` could not read; it ends with exit code 0 all the same.

    Members without symbols are fine: the metadata that Rust adds is one.
    """
    odd = [line for line in output.splitlines() if _SYMBOL.fullmatch(line) is None]
    odd += [line for line in errors.splitlines() if not line.endswith("no symbols")]
    return [f"not every object was read: {line}" for line in odd if line.strip()]


@dataclass(frozen=True, slots=True)
class Judged:
    """One library's owner: its release, its suffix, and the names that must have it.

    ``silent`` says that the scan has found no name in the library's crate: one of macros alone has no symbols.
    """

    release: str
    suffix: str
    own: frozenset[str]
    silent: bool = False


def judge(
    symbols: Iterable[ObjectSymbol],
    libraries: Mapping[str, Judged],
    *,
    keep: frozenset[str],
) -> list[str]:
    """Return what is wrong with the libraries, one line each, sorted; nothing if they may live together.

    ``libraries`` maps each archive that must be there to its owner; an archive without a single symbol is
    wrong, since an empty scan proves nothing, unless it is a silent one.  ``keep`` are names that must stay as they are.
    """
    problems: set[str] = set()
    seen: set[str] = set()
    defined: dict[str, set[str]] = {}
    used: dict[str, set[str]] = {}
    suffixes = {owner.suffix for owner in libraries.values()}
    for symbol in symbols:
        owner = libraries.get(symbol.library)
        if owner is None:
            continue
        seen.add(symbol.library)
        name = symbol.name
        if _MANGLED.match(name) or name.lstrip("_") in {k.lstrip("_") for k in keep} or _is_runtime(name):
            continue
        place = f"{owner.release}: {symbol.member}"
        plain = (
            name.removeprefix("_") if name.removeprefix("_").removesuffix(owner.suffix) in owner.own else name
        )
        if plain.endswith(owner.suffix):
            (defined if symbol.defined else used).setdefault(owner.release, set()).add(plain)
        elif any(plain.endswith(suffix) for suffix in suffixes):
            problems.add(f"{place} has {name}, another version's")
        elif symbol.defined:
            problems.add(f"{place} defines {name} without the suffix {owner.suffix}")
        elif is_own(plain, owner.own):
            problems.add(f"{place} uses {name} without the suffix {owner.suffix}")
    for library in sorted(name for name in set(libraries) - seen if not libraries[name].silent):
        problems.add(f"{libraries[library].release}: {library} has no symbols at all")
    for release, names in used.items():
        for name in sorted(names - defined.get(release, set())):
            problems.add(f"{release}: {name} is used and nowhere defined")
    return sorted(problems)


def is_own(name: str, own: frozenset[str]) -> bool:
    """Whether a name is one that gets the suffix; from 12 on it ends in upstream's version already."""
    plain = name.removeprefix("_")
    return bool({name, plain, _UPSTREAM_SUFFIX.sub("", name), _UPSTREAM_SUFFIX.sub("", plain)} & own)


def is_rusts(name: str) -> bool:
    """Whether rustc makes a name: a mangled one, or one of its runtime."""
    return _MANGLED.match(name) is not None or _is_runtime(name)


def _is_runtime(name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in RUNTIME)


_DUPLICATE = re.compile(
    r"duplicate symbol:? '?(?!for architecture)([\w$.]+)"  # rust-lld, ld64 and its closing line
    r"|multiple definition of [`'\"]([\w$.]+)"  # GNU ld, gold
)


def duplicates(linker_output: str) -> frozenset[str]:
    """Return the names that a linker says are defined more than once."""
    return frozenset(first or second for first, second in _DUPLICATE.findall(linker_output))
