"""What a reading of Rust finds: attributes, items, calls, assembly, macros, modules, each with its tokens."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    Tree,
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute after ``cfg_attr`` and ``unsafe(…)`` were opened.

    ``name`` is the last token of its path, ``path`` what stands before; ``value`` what stands behind ``=``;
    ``arguments`` what is in parentheses; ``cfg`` the condition of the ``cfg_attr`` around it, empty if there
    is none.  ``derived`` if it stands in a ``derive``.
    """

    name: Token
    value: tuple[Tree, ...] = ()
    arguments: tuple[Tree, ...] = ()
    cfg: str = ""
    path: tuple[str, ...] = ()
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A function or static with attributes: ``head`` is its first token behind them.

    ``caller`` is the macro call that made it, if the macro belongs to another crate: the item is the caller's.
    """

    kind: str
    name: Token
    head: Span
    attributes: tuple[Attribute, ...]
    cfgs: tuple[str, ...]
    foreign: bool = False
    body: tuple[Tree, ...] = ()
    caller: Span | None = None

    def attribute(self, *names: str) -> Attribute | None:
        """Return the first attribute of one of these names."""
        return next(iter(self.all(*names)), None)

    def all(self, *names: str) -> tuple[Attribute, ...]:
        """Return the attributes of these names; ``cfg_attr`` can give an item several for one purpose."""
        return tuple(a for a in self.attributes if a.name.text in names)


@dataclass(frozen=True, slots=True)
class Call:
    """A macro invocation that is none of the built-in ones; ``path`` is what stands before its name."""

    name: Token
    arguments: Group
    cfgs: tuple[str, ...]
    foreign: bool = False
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assembly:
    """An ``asm!``-like invocation: its operands are not yet told apart from its text.

    ``caller`` is the macro call in a file that it is an expansion of, None where it stands in the file itself.
    """

    name: Token
    arguments: tuple[Tree, ...]
    cfgs: tuple[str, ...]
    caller: Span | None = None


@dataclass(frozen=True, slots=True)
class Module:
    """A ``mod name;`` whose body is another file; ``folder`` are the inline modules around it."""

    name: str
    path: str
    folder: tuple[str, ...]
    cfgs: tuple[str, ...]
    place: Span


@dataclass(frozen=True, slots=True)
class DwarfName:
    """What a ``DW_AT_linkage_name = …`` is set to: the trees behind the sign."""

    value: tuple[Tree, ...]
    cfgs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that could make a link-time name and is not understood here."""

    place: Span
    why: str


@dataclass(slots=True)
class Facts:
    """Everything a reading found, in the order of the text.

    ``renames`` are names that ``use … as …`` hides, ``aliases`` what it calls them, ``used`` all words of
    ``use``.  ``attributes`` are those (and derives) that the language does not have.
    """

    items: list[Item] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    assembly: list[Assembly] = field(default_factory=list)
    macros: list[Macro] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    dwarf: list[DwarfName] = field(default_factory=list)
    renames: list[Token] = field(default_factory=list)
    aliases: list[Token] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def add(self, other: Facts) -> None:
        """Take over what another reading found."""
        for name in _LISTS:  # most are empty: a reading of one macro call has next to nothing
            if theirs := getattr(other, name):
                getattr(self, name).extend(theirs)


_LISTS = tuple(one.name for one in fields(Facts))
