"""Tell whether a release has what a patch adds already, at another place than the patch would put it.

Real upstream commits that are put once more onto releases that have them land a second time now and then, even
by a clean three-way merge: the diff has matched other lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from patchbot.series.lines import Change, Lines

_WORDS = re.compile(rb"\w")
_LINE = 6  # letters and digits of a line that says something: `}` and `else {` do not
_BLOCK = 60  # and of lines that nobody writes twice by chance


class Seen(Enum):
    """What is known of added lines."""

    NO = "not there"
    MAYBE = "the same few words are there"
    YES = "there"


def seen(
    base: Sequence[bytes], ours: Sequence[bytes], change: Change, *, wanted: int = 1, known: int = 0
) -> Seen:
    """Tell whether upstream has added the lines of ``change`` somewhere in the file.

    Only lines that are added, none replaced: where upstream has taken a replacement, the replaced lines are
    gone, and the merge sees that by itself.  ``wanted`` is at how many places the patch adds them, ``known``
    how many copies of upstream's are the patch's own, at the same place.
    """
    if change.start != change.end or not _says_something(change.lines):
        return Seen.NO
    copies = count(ours, change.lines) - count(base, change.lines) - known
    if copies <= 0:
        return Seen.NO
    weight = sum(len(_WORDS.findall(line)) for line in change.lines)
    return Seen.YES if weight >= _BLOCK and copies >= wanted else Seen.MAYBE


def _says_something(lines: Lines) -> bool:
    return any(len(_WORDS.findall(line)) >= _LINE for line in lines)


def count(text: Sequence[bytes], block: Lines) -> int:
    """Return how often ``block`` stands in ``text``."""
    return len(found(text, block))


def found(text: Sequence[bytes], block: Lines) -> list[int]:
    """Return the lines (from 0) at which ``block`` stands in ``text``."""
    size = len(block)
    # the block's longest line is the rarest
    key = max(range(size), key=lambda n: len(block[n]))
    starts = (n - key for n, line in enumerate(text) if line == block[key])
    return [n for n in starts if n >= 0 and tuple(text[n : n + size]) == block]
