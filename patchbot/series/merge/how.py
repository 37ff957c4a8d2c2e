"""How a file took its part of a patch."""

from __future__ import annotations

from enum import Enum


class How(Enum):
    """How a file took its part of a patch, the best first."""

    EXACT = "the file is the one that the patch is for"
    SHIFTED = "only line numbers moved"
    MERGED = "upstream changed lines near it"
    PARTLY = "the release had some of it"
    THERE = "the release had it"
