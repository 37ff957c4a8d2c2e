"""Rewrite a release, and prove the rewrite before anyone sees it.

A rewrite is refused unless it still parses, is complete (every own name has the suffix, nothing else
has), changes nothing when done twice, and gives back the original bytes when the suffix is taken off.

The proof is done on the same rewrite with other names, the same for all releases: what differs between the
two is then shown to be the names alone.  So neighbours share it, file by file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from posixpath import commonprefix

from patchbot.errors import RewriteError
from patchbot.model import Inventory, Kind, NamePolicy, Names, Rewrite, Suffix
from patchbot.symbols import edits as edit
from patchbot.symbols import kept, places, rules
from patchbot.symbols.scan import Scan, scan_rewritten

_STAND_IN = "_0_0_0_stand_in"


def rewrite(scanned: Scan, policy: NamePolicy, names: Names) -> tuple[Rewrite, ...]:
    """Return the generated patches that give every own name of the release the suffix, in series order.

    Raises ``RewriteError`` with the place if any check fails; then nothing may be written.
    """
    _refuse_suffixed(scanned, names)
    wanted = rules.edits(scanned, names)
    rewrites = []
    done: list[edit.Edit] = []
    before: dict[str, bytes] = {}
    for name in sorted(wanted):
        done += wanted[name]
        after = edit.apply(scanned.files, done)
        changed = {path: data for path, data in after.items() if before.get(path) != data}
        rewrites.append(Rewrite(name, rules.RULES[name].digest(names), changed))
        before = after
    stand_ins = _stand_ins(scanned, names)
    proved = edit.apply(scanned.files, [e for own in rules.edits(scanned, stand_ins).values() for e in own])
    scanned.corpus.readings.keep(
        ("checked", scanned.corpus.identity, *_spelled(proved, policy, stand_ins)),
        partial(_check, scanned, proved, policy, stand_ins),
    )
    _same_but_for_names(before, names, proved, stand_ins)
    return tuple(rewrites)


def _spelled(after: Mapping[str, bytes], policy: NamePolicy, names: Names) -> kept.Key:
    """Return what the proof of a rewrite depends on besides the sources, for keys."""
    return tuple(after.items()), repr(policy), names.suffix.text, tuple(names.libraries.items())


def _stand_ins(scanned: Scan, names: Names) -> Names:
    """Return names for the proof that no source has: the same for all releases, unless one of them spells it."""
    word = _STAND_IN
    recall = scanned.corpus.readings.recall
    while any(
        recall(("spelled", word, data), partial(data.__contains__, word.encode()))
        for data in scanned.files.values()
    ):
        word += "_x"
    return Names(Suffix(word), {library: f"{library}{word}" for library in names.libraries})


def _same_but_for_names(
    after: Mapping[str, bytes], names: Names, proved: Mapping[str, bytes], stand_ins: Names
) -> None:
    """Refuse a rewrite that differs from the proved one in more than the names."""
    if after.keys() != proved.keys():
        raise RewriteError("other names change other files", where=min(after.keys() ^ proved.keys()))
    for path, data in after.items():
        text = data.decode("latin-1")
        for library, spelled in names.libraries.items():
            text = text.replace(spelled, stand_ins.libraries[library])
        for mine, theirs in _spellings(names.suffix, stand_ins.suffix):
            text = text.replace(mine, theirs)
        if text.encode("latin-1") != proved[path]:
            raise RewriteError("other names change more than the names", where=path)


def _spellings(suffix: Suffix, other: Suffix) -> tuple[tuple[str, str], ...]:
    """Return the ways in which edits spell a suffix, each with the other one's: as it is, in a variable, in a string."""
    upper = (suffix.text.upper(), other.text.upper())
    return ((suffix.text, other.text), upper, (f'"{suffix.text[1:]}"', f'"{other.text[1:]}"'))


def _refuse_suffixed(scanned: Scan, names: Names) -> None:
    """Refuse sources that have the suffix or a fork's name already: what they mark could not be told any more."""
    libraries = tuple(names.libraries.values())
    words = (names.suffix.text, *libraries)
    ends = [end.encode() for end in (names.suffix.text, *([_common_end(libraries)] if libraries else []))]
    suspects = {p: data for p, data in scanned.files.items() if any(end in data for end in ends)}
    for word in words:
        for path, data in suspects.items():
            at = data.find(word.encode())
            if at >= 0:
                what = "the suffix" if word == names.suffix.text else "the library name"
                raise RewriteError(
                    f"{what} {word} stands here already",
                    where=edit.place(data, path, at),
                    hint="choose another mark in patchbot.toml",
                )


def _common_end(words: Sequence[str]) -> str:
    """Return what all words end with: to look for it alone is quicker than to look for each of them."""
    return commonprefix([word[::-1] for word in words])[::-1]


def _check(scanned: Scan, after: Mapping[str, bytes], policy: NamePolicy, names: Names) -> None:
    suffix, readings = names.suffix, scanned.corpus.readings
    files = {**scanned.files, **after}

    def errors(data: bytes) -> int:
        return readings.keep(("errors", data), partial(places.parse_errors, data))

    for path, data in after.items():
        original = scanned.files[path]
        if path.endswith(".rs") and errors(data) > errors(original):
            raise RewriteError("no longer parses when rewritten", where=path)
        spelled = Names(names.suffix, {a: b for a, b in names.libraries.items() if b.encode() in data})
        key = ("unsuffixed", data, spelled.suffix, *spelled.libraries.items())
        if readings.recall(key, partial(unsuffixed, data, spelled)) != original:
            raise RewriteError("taking the suffix off does not give back what it was", where=path)
    again = scan_rewritten(scanned, files, policy, suffix)
    _complete(scanned.inventory, again.inventory, suffix)
    left = rules.edits(again, names)
    left.pop("links-keys", None)  # a variable of another key's prefix may match twice; its own check is above
    if left:
        name, (first, *_) = next(iter(left.items()))
        raise RewriteError(f"{name} would edit its own result", where=first.path)


def _complete(before: Inventory, after: Inventory, suffix: Suffix) -> None:
    """Every own name has the suffix, nothing else has, and nothing came or went."""
    for symbol in after.symbols:
        expected = suffix.text if symbol.kind is Kind.OWN else ""
        if symbol.suffix != expected:
            state = f"has {symbol.suffix!r} instead of {expected!r}"
            raise RewriteError(
                f"{symbol.role} of {symbol.name} {state}", where=f"{symbol.path}:{symbol.line}"
            )
    for string in after.strings:
        if string.suffix != suffix.text:
            raise RewriteError(
                f"the string {string.name} has no suffix", where=f"{string.path}:{string.line}"
            )
    old, new = _shape(before), _shape(after)
    if old != new:
        name, role, path, _ = next(iter((old - new) | (new - old)))
        raise RewriteError(f"{role} of {name} is told differently after the rewrite", where=path)
    if len(after.blind_spots) > len(before.blind_spots):
        spot = next(
            s
            for s in after.blind_spots
            if (s.path, s.why) not in {(b.path, b.why) for b in before.blind_spots}
        )
        raise RewriteError(
            f"the rewrite made something unreadable: {spot.why}", where=f"{spot.path}:{spot.line}"
        )


def _shape(inventory: Inventory) -> Counter[tuple[str, str, str, str]]:
    return Counter((s.name, s.role.value, s.path, s.kind.value) for s in inventory.symbols)


def unsuffixed(data: bytes, names: Names) -> bytes:
    """Take the names of a fork off a rewritten file by the forms that rewriting makes, knowing nothing of the edits."""
    suffix = names.suffix
    text = _without_libraries(data.decode("latin-1"), names.libraries)
    mark = re.escape(suffix.text)
    literal = rf'"\w+{mark}"'
    composed = rf'concat!\((?:"\w*", )*(?:stringify!\([$#]\w+\)(?:, )?(?:"\w*", )*)+"{mark}"\)'
    header = re.escape(rules.DEFINE_HEADER.decode())
    for pattern, replacement in (
        (rf"\A{header}(?:#define (\w+) \1{mark}\n)+\n", ""),
        (rf"#\[link_name = (?:{literal}|{composed})\]\n[ \t]*", ""),
        (rf"export_name = (?:{literal}|{composed})", "no_mangle"),
        (rf'"{re.escape(suffix.text[1:])}"', 'env!("CARGO_PKG_VERSION")'),
    ):
        text = re.sub(pattern, replacement, text)
    text = _unwrapped(text, f', "{suffix}")')
    return text.replace(suffix.text, "").replace(suffix.text.upper(), "").encode("latin-1")


def _without_libraries(text: str, libraries: Mapping[str, str]) -> str:
    for upstream, library in libraries.items():
        text = re.sub(rf"(?:#\[cfg\([^\n]*\)\]\n)?extern crate \w+ as {library};\n", "", text)
        text = text.replace(library, upstream)
    return text


def _unwrapped(text: str, end: str) -> str:
    """Turn ``concat!(x, "_suffix")`` back into ``x``."""
    while (at := text.find(end)) >= 0:
        start = text.rfind("concat!(", 0, at)
        while start >= 0 and text.count("(", start, at) - text.count(")", start, at) != 1:
            start = text.rfind("concat!(", 0, start)
        if start < 0:
            return text
        text = text[:start] + text[start + len("concat!(") : at] + text[at + len(end) :]
    return text
