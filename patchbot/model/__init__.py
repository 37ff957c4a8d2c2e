"""Frozen values that two rooms share.

Values validate at birth (``parse`` and ``from_json`` class methods), never change, and know how to
become JSON again.  Nothing here touches files, git, processes or the network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patchbot.model.crates import (
        CratePin,
        Dependency,
        DependencyKind,
        ImportedRelease,
        IndexEntry,
        MissingCrate,
        index_path,
        index_prefix,
        registry_key,
    )
    from patchbot.model.files import TreeFile
    from patchbot.model.forks import (
        ClosureMode,
        ForkedCrate,
        ForkedRelease,
        Rewrite,
        links_variable,
        suffixed_links_key,
    )
    from patchbot.model.inventory import (
        AllowedBlindSpot,
        BlindSpot,
        CratePath,
        CustomOption,
        Inventory,
        Keep,
        Kind,
        LinksKey,
        LinksReader,
        NameInString,
        NamePolicy,
        Role,
        Symbol,
    )
    from patchbot.model.release import Names, Release, Suffix
    from patchbot.model.spelling import JsonObject, spoken_list
    from patchbot.model.verdict import Verdict

__all__ = [
    "AllowedBlindSpot",
    "BlindSpot",
    "ClosureMode",
    "CratePath",
    "CratePin",
    "CustomOption",
    "Dependency",
    "DependencyKind",
    "ForkedCrate",
    "ForkedRelease",
    "ImportedRelease",
    "IndexEntry",
    "Inventory",
    "JsonObject",
    "Keep",
    "Kind",
    "LinksKey",
    "LinksReader",
    "MissingCrate",
    "NameInString",
    "NamePolicy",
    "Names",
    "Release",
    "Rewrite",
    "Role",
    "Suffix",
    "Symbol",
    "TreeFile",
    "Verdict",
    "index_path",
    "index_prefix",
    "links_variable",
    "registry_key",
    "spoken_list",
    "suffixed_links_key",
]

# What stands where.  To make all of these classes takes 30 ms, and a command needs a few of them.
_HOMES = {
    "crates": (
        "CratePin",
        "Dependency",
        "DependencyKind",
        "ImportedRelease",
        "IndexEntry",
        "MissingCrate",
        "index_path",
        "index_prefix",
        "registry_key",
    ),
    "files": ("TreeFile",),
    "forks": (
        "ClosureMode",
        "ForkedCrate",
        "ForkedRelease",
        "Rewrite",
        "links_variable",
        "suffixed_links_key",
    ),
    "inventory": (
        "AllowedBlindSpot",
        "BlindSpot",
        "CratePath",
        "CustomOption",
        "Inventory",
        "Keep",
        "Kind",
        "LinksKey",
        "LinksReader",
        "NameInString",
        "NamePolicy",
        "Role",
        "Symbol",
    ),
    "release": ("Names", "Release", "Suffix"),
    "spelling": ("JsonObject", "spoken_list"),
    "verdict": ("Verdict",),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name (PEP 562)
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"patchbot.model.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
