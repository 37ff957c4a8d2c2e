"""Frozen values that two rooms share.

Values validate at birth (``parse`` and ``from_json`` class methods), never change, and know how to
become JSON again.  Nothing here touches files, git, processes or the network.
"""

from __future__ import annotations

from patchbot.model.crates import (
    CratePin,
    Dependency,
    DependencyKind,
    ImportedRelease,
    IndexEntry,
    MissingCrate,
    TreeFile,
    index_path,
    index_prefix,
)
from patchbot.model.forks import (
    ForkedCrate,
    ForkedRelease,
    Rewrite,
    Verdict,
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

__all__ = [
    "AllowedBlindSpot",
    "BlindSpot",
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
    "spoken_list",
    "suffixed_links_key",
]
