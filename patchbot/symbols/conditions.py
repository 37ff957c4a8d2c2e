"""The ``cfg`` under which a file is compiled, put together from the modules on the way to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from patchbot.symbols.cfg import either, join
from patchbot.symbols.rust.facts import Facts, Module


class ModuleTree:
    """Finds the conditions of a file by walking up to its crate's root.

    Only the files on the way are read: a child's parents can be told from its path, except for modules
    with ``#[path]``, whose parents are the files that have such an attribute.
    """

    def __init__(self, files: frozenset[str], facts: Callable[[str], Facts], pathed: frozenset[str]) -> None:
        self._files = files
        self._facts = facts
        self._pathed = pathed
        self._known: dict[str, tuple[str, ...] | None] = {}
        self._named: dict[str, dict[str, list[Module]]] = {}

    def conditions(self, path: str) -> tuple[str, ...] | None:
        """Return the conditions under which ``path`` is a module, or None if no module names it."""
        if path not in self._known:
            self._known[path] = None  # a cycle through #[path] is no way to the root
            self._known[path] = self._compute(path)
        return self._known[path]

    def astray(self) -> Iterator[Module]:
        """Return modules whose ``#[path]`` leads to no file that is read."""
        for parent in sorted(self._pathed):
            for module in self._facts(parent).modules:
                if module.path and self._files.isdisjoint(_module_files(parent, module)):
                    yield module

    def _compute(self, path: str) -> tuple[str, ...] | None:
        if re.search(r"(^|/)(lib|main|build)\.rs$", path):
            return ()
        near, far = self._parents(path)
        alternatives = self._from(path, near) or self._from(path, far)
        if not alternatives:
            return None
        either_of = either(alternatives)
        return (either_of,) if either_of else ()

    def _from(self, path: str, parents: Sequence[str]) -> list[str]:
        alternatives = []
        for parent in parents:
            for module in self._modules(parent).get(path, ()):
                above = self.conditions(parent)
                if above is not None:
                    alternatives.append(join((*above, *module.cfgs)))
        return alternatives

    def _modules(self, parent: str) -> dict[str, list[Module]]:
        """Return the modules that a file names, by the files in which each can be."""
        if parent not in self._named:
            named: dict[str, list[Module]] = {}
            for module in self._facts(parent).modules:
                for path in dict.fromkeys(_module_files(parent, module)):
                    named.setdefault(path, []).append(module)
            self._named[parent] = named
        return self._named[parent]

    def _parents(self, path: str) -> tuple[list[str], list[str]]:
        """Return where a file's ``mod`` item should stand, and where it can be with inline modules."""
        folder, _, _ = path.rpartition("/")
        if path.endswith("/mod.rs"):
            folder = folder.rpartition("/")[0]
        above, _, last = folder.rpartition("/")
        named = [f"{folder}/mod.rs", f"{folder}/lib.rs", f"{folder}/main.rs", f"{above}/{last}.rs"]
        near = [f for f in dict.fromkeys([*named, *self._pathed]) if f in self._files and f != path]
        far = [*self._beside.get(above, ()), *self._files.intersection([f"{above}.rs"])]
        return near, sorted(far)

    @cached_property
    def _beside(self) -> dict[str, list[str]]:
        """The files of each folder."""
        out: dict[str, list[str]] = {}
        for file in self._files:
            out.setdefault(file.rpartition("/")[0], []).append(file)
        return out


def _module_files(parent: str, module: Module) -> tuple[str, ...]:
    folder, _, name = parent.rpartition("/")
    if module.path:
        base = "/".join([folder, *module.folder]) if module.folder else folder
        return (_normal(f"{base}/{module.path}"),)
    stem = "" if name in {"mod.rs", "lib.rs", "main.rs"} else name.removesuffix(".rs")
    base = "/".join(part for part in (folder, stem, *module.folder, module.name) if part)
    return (f"{base}.rs", f"{base}/mod.rs")


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
