"""The sources of one release as the scan sees them, with the macros that a name can mean in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial

from patchbot.symbols import kept
from patchbot.symbols.rust import language
from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.tokens import Span
from patchbot.symbols.texts import Texts

_GAP = rb"\s*+(?:/\*.{0,500}?\*/\s*+|//[^\n]{0,500}+\n\s*+){0,5}"  # space and comments
_MACRO_DEFINITION = re.compile(
    rb"macro_rules\b%b!%b(?:r#)?([\w\x80-\xff]+)" % (_GAP, _GAP), re.ASCII | re.DOTALL
)


@dataclass
class Corpus(Texts):
    """A release's crates and files; ``has`` tells which macro definitions there are, and ``used`` are those asked for."""

    has: Callable[[Macro], bool] = lambda _: True
    used: dict[Span, Macro] = field(default_factory=dict)

    @cached_property
    def identity(self) -> bytes:
        """A digest of everything that can be read of the sources: what depends on them all is kept under it."""
        release = json.dumps(self.release.to_json(), sort_keys=True)
        return kept.digest((release, tuple(sorted(self._huge)), tuple(self.files.items())))

    def only(self, has: Callable[[Macro], bool]) -> Corpus:
        """Return the same sources with the macro definitions that ``has`` says are there, and no others."""
        view = copy(self)
        view.has, view.used = has, {}
        return view

    @cached_property
    def _macro_files(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for path in self.rust:
            data = self.files[path]
            for name in self.readings.keep(("macros", data), partial(_macro_names, data)):
                out.setdefault(name, []).append(path)
        return out

    @cached_property
    def macro_names(self) -> frozenset[str]:
        """The names of all ``macro_rules!`` definitions."""
        return frozenset(self._macro_files)

    def macros(self, name: str, near: str, path: Sequence[str] = ()) -> list[Macro]:
        """Return the ``macro_rules!`` definitions that ``name`` can mean in the file ``near``, behind ``path``.

        Those of the same file hide the others, those of the same crate hide other crates'; unless the name
        is imported, or stands behind the name of a crate.
        """
        found = [
            macro
            for file in dict.fromkeys(self._macro_files.get(name, []))
            for macro in self.facts(file).macros
            if macro.name == name and self.has(macro)
        ]
        meant = self._meant(found, name, near, path[0] if path else "")
        self.used.update((macro.place, macro) for macro in meant)
        return meant

    def _meant(self, found: list[Macro], name: str, near: str, root: str) -> list[Macro]:
        """Return those of the definitions of a name that can be meant in a file, behind a crate's name if any."""
        crate = self.crate_of.get(near, "")
        if root in language.CRATES or root in self.elsewhere(crate):
            return []
        here = [m for m in found if self.crate_of.get(m.place.path) == crate]
        if root in {"crate", "$crate", "self", "super"}:
            return here or found
        if root or name in self.facts(near).used:
            return found
        return [m for m in here if m.place.path == near] or here or found


def _macro_names(data: bytes) -> list[str]:
    return [match[1].decode("latin-1") for match in _MACRO_DEFINITION.finditer(data)]
