"""Compare what ``nm`` says of one object with what the scan says of it, name by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchbot.proof import objects
from patchbot.truth import Expected, Form, OwnNames

# What compilers put into objects on their own, each with its reason.
_COMPILERS_OWN = (
    re.compile(r"__x86\.get_pc_thunk\.\w+"),  # position-independent code on 32-bit x86; merged by the linker
    re.compile(r"\.refptr\..+"),  # where mingw keeps the address of a variable of another object
)

_LINE = re.compile(r"(\S+) (\S)(?: ([0-9a-fA-F]*))?(?: ([0-9a-fA-F]+))? *")


@dataclass(frozen=True, slots=True)
class ObjectName:
    """A global name of an object: ``kind`` is nm's letter, ``size`` what the object says of it (0 for nothing)."""

    name: str
    kind: str
    size: int = 0

    @property
    def defined(self) -> bool:
        """Whether the object defines it; lower-case v and w are weak and undefined."""
        return self.kind not in {"U", "v", "w"}

    @property
    def weak(self) -> bool:
        """Whether its definition is weak."""
        return self.kind in {"V", "W"}


def parse_nm(output: str) -> tuple[ObjectName, ...]:
    """Read ``nm -P -g`` of one object: ``name type value size``.  Raises ``ValueError`` for another line."""
    names = []
    for line in output.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(line)
        name, kind, _, size = match.groups()
        names.append(ObjectName(name, kind, int(size or "0", 16)))
    return tuple(names)


def names_of(found: Sequence[ObjectName], form: Form) -> tuple[ObjectName, ...]:
    """Return the names that sources made: not the compiler's own, and of a crate not the mangled ones."""
    return tuple(name for name in found if not _is_compilers(name.name, form))


def _is_compilers(name: str, form: Form) -> bool:
    if any(pattern.fullmatch(name) for pattern in _COMPILERS_OWN):
        return True
    return form in {Form.TEXT, Form.MACROS} and objects.is_rusts(name)


def compare(found: Sequence[ObjectName], expected: Expected, names: OwnNames) -> tuple[str, ...]:
    """Return what is wrong with an object, a line each; nothing if it is what the scan says."""
    return tuple(sorted({*_defined(found, expected, names), *_imported(found, expected, names)}))


def _is_own(name: str, names: OwnNames) -> bool:
    """Whether a name is one that gets the suffix: with it, bare, or with upstream's version alone."""
    return objects.is_own(name, names.own) or objects.is_own(name.removesuffix(names.suffix), names.own)


def _defined(found: Sequence[ObjectName], expected: Expected, names: OwnNames) -> Iterator[str]:
    defined = {name.name for name in found if name.defined}
    for name in defined - expected.defined:
        bare = _is_own(name, names) and not name.endswith(names.suffix)
        yield f"defines {name}{f' without the suffix {names.suffix}' if bare else ', and the scan does not know it'}"
    for name in expected.defined - defined:
        yield f"does not define {name}, and the scan says so"
    for symbol in found:
        known = symbol.defined and symbol.name in expected.defined
        if known and symbol.weak != (symbol.name in expected.weak):
            here, there = ("weak", "strong") if symbol.weak else ("strong", "weak")
            yield f"{symbol.name} is {here}, and {there} in the scan"


def _imported(found: Sequence[ObjectName], expected: Expected, names: OwnNames) -> Iterator[str]:
    own = {n.name for n in found if not n.defined and _is_own(n.name, names)}
    for name in own:
        if not name.endswith(names.suffix):
            yield f"uses {name} without the suffix {names.suffix}"
        elif name not in expected.imported:
            yield f"uses {name}, and the scan does not say so"
    if expected.exact:
        for name in expected.imported - own:
            yield f"does not use {name}, and the scan says so"


def strangers(found: Sequence[ObjectName], names: OwnNames, form: Form) -> tuple[str, ...]:
    """Return what an assembler's object uses and the release does not define: leftovers that link nowhere."""
    if form not in {Form.ASSEMBLER, Form.TEXT}:
        return ()
    used = (n.name for n in found if not n.defined and not _is_own(n.name, names))
    return tuple(
        f"uses {name}, which nothing defines" for name in sorted(used) if name != "_GLOBAL_OFFSET_TABLE_"
    )


def other_sizes(found: Sequence[ObjectName], sizes: Mapping[str, int]) -> Iterator[str]:
    """Compare the sizes of what rustc expanded with those of our own expansions (``sizes``, by name)."""
    for name in found:
        ours = sizes.get(name.name, 0)
        if name.defined and ours and name.size and name.size != ours:
            yield f"{name.name} has {name.size} bytes in rustc's expansion, and {ours} in ours"
