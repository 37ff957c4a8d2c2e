"""What the files of a release say, each read once: its trees, its facts, its words."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeVar

from patchbot.model import CratePin
from patchbot.symbols import kept
from patchbot.symbols.build import build_script
from patchbot.symbols.build.build_script import BuildFacts
from patchbot.symbols.c import asm
from patchbot.symbols.c.preprocessor import Unit, preprocess
from patchbot.symbols.crates import Crates, Unread
from patchbot.symbols.rust import outside
from patchbot.symbols.rust.facts import Facts
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.tokens import Span, Tree, UnbalancedError, read_trees
from patchbot.symbols.rust.words import is_worth_reading

_WORD = re.compile(rb"[\w\x80-\xff]+", re.ASCII)
_QUOTED = re.compile(rb'"([\w.$]+)(?:\\0)?"', re.ASCII)

T = TypeVar("T")


@dataclass(slots=True)
class _Preprocessed:
    """A preprocessed file, and the text of each file that this rests on."""

    unit: Unit | None = None
    asked: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Texts(Crates):
    """A release's files as they are read, on demand; what is read is remembered in ``readings``."""

    def text(self, path: str) -> str | None:
        """Return a file as latin-1, or None if the release has no such file; a huge one is empty (reported)."""
        self._tell_huge(path)
        data = self.files.get(path)
        return None if data is None else data.decode("latin-1")

    def preprocessed(self, path: str, defines: Mapping[str, str]) -> Unit:
        """Return a file that a build script compiles, preprocessed with the macros that the script defines."""
        key = ("preprocessed", path, self.files[path], tuple(sorted(defines.items())))
        known = self.readings.recall(key, _Preprocessed)
        if known.unit is None or any(self.text(asked) != text for asked, text in known.asked.items()):
            asked: dict[str, str | None] = {}

            def read(file: str) -> str | None:
                return asked.setdefault(file, self.text(file))

            known.unit, known.asked = preprocess(path, read=read, defines=defines), asked
        return known.unit

    def build_facts(self, pin: CratePin, path: str) -> BuildFacts:
        """Return what the build script ``path`` of a crate says."""
        features = self.features(pin)
        return self.of_trees("build script", path, lambda trees: build_script.read(trees, features), features)

    def trees(self, path: str) -> tuple[Tree, ...]:
        """Return the token trees of a Rust file; a file that cannot be read has none, and is reported."""
        self._tell_huge(path)
        read = self._trees(path)
        if isinstance(read, Unread):
            self._cannot_read(read.path, read.offset, read.why)
            return ()
        return read

    def _trees(self, path: str) -> tuple[Tree, ...] | Unread:
        data = self.files.get(path, b"")
        return self.readings.recall(("trees", path, data), lambda: _read_trees(data, path))

    def tell_unreadable(self, path: str) -> None:
        """Report a Rust file that cannot be read."""
        self.of_trees("readable", path, lambda _trees: True)

    def of_trees(self, what: str, path: str, make: Callable[[tuple[Tree, ...]], T], *more: kept.Part) -> T:
        """Return what ``make`` gives for the trees of a Rust file, kept so that they need not be read for it.

        ``what`` it is, the file and ``more`` must say everything that it depends on.  A file that cannot be
        read has no trees, and is reported.
        """

        def read() -> T | Unread:
            trees = self._trees(path)
            return trees if isinstance(trees, Unread) else make(trees)

        self._tell_huge(path)
        known = self.readings.keep((what, path, self.files.get(path, b""), *more), read)
        if isinstance(known, Unread):
            self._cannot_read(known.path, known.offset, known.why)
            return make(())
        return known

    def assembler(self, text: str) -> asm.AsmText:
        """Return the names of an assembler text."""
        return self.readings.keep(("assembler", text), lambda: asm.scan(text))

    def facts(self, path: str) -> Facts:
        """Return what stands in a Rust file."""
        return self.of_trees("facts", path, read)

    def facts_with_tests(self, path: str) -> Facts:
        """Return what stands in a Rust file, with what only tests have."""
        return self.of_trees("facts with tests", path, partial(read, tests=True))

    def line(self, path: str, offset: int) -> int:
        """Return the line (from 1) of a byte offset."""
        data = self.files.get(path, b"")  # a manifest that is not there has a line too
        ends = self.readings.recall(("lines", data), lambda: [m.end() for m in re.finditer(rb"\n", data)])
        return bisect_right(ends, offset) + 1

    def line_of(self, span: Span) -> int:
        """Return the line on which a span begins."""
        return self.line(span.path, span.start)

    def with_word(self, words: Iterable[str]) -> list[str]:
        """Return the Rust files in which one of ``words`` stands as a word."""
        wanted = [word.encode("latin-1").removeprefix(b"r#") for word in words]
        odd = [word for word in wanted if _WORD.fullmatch(word) is None]  # what no source has as a name
        return [
            path
            for path in self.rust
            if not self.words(path).isdisjoint(wanted) or any(word in self.files[path] for word in odd)
        ]

    def words(self, path: str) -> frozenset[bytes]:
        """Return everything in a file that reads as a word."""
        data = self.files[path]
        return self.readings.keep(("words", data), lambda: frozenset(_WORD.findall(data)))

    def matching(self, pattern: re.Pattern[bytes], needles: Sequence[bytes]) -> list[str]:
        """Return the Rust files that ``pattern`` is found in; one of ``needles`` is in whatever it matches."""
        return [path for path in self.rust if self.readings.found(pattern, needles, self.files[path])]

    @cached_property
    def worth_reading(self) -> tuple[str, ...]:
        """Rust files that can have anything that makes or names a link-time symbol."""

        def is_worth(data: bytes) -> bool:
            return self.readings.keep(("worth", data), partial(is_worth_reading, data))

        return tuple(path for path in self.rust if is_worth(self.files[path]))

    def check_rust(self) -> None:
        """Report Rust files that no compiler takes, and those that are not read; whatever they are for."""
        for path in self.crate_of:
            if path.endswith(".rs"):
                self._tell_huge(path)
                data = self.files[path]
                at = self.readings.recall(("utf-8", data), partial(_not_utf_8, data))
                if at is not None:
                    self._cannot_read(path, at, "is not UTF-8, so no compiler takes it")

    def names(self, path: str) -> frozenset[str]:
        """Return the names of macros and attributes that a file uses, as ``outside`` tells them."""
        data = self.files[path]
        return self.readings.keep(("names", data), partial(outside.names, data))

    def quoted(self, path: str) -> frozenset[str]:
        """Return the words that stand alone between quotes, a zero byte behind them or not."""
        data = self.files[path]
        return self.readings.keep(("quoted", data), partial(_quoted, data))

    @cached_property
    def pathed(self) -> frozenset[str]:
        """Rust files that can have a module with ``#[path]``."""
        return frozenset(
            path for path in self.rust if not self.names(path).isdisjoint({"#path", outside.UNREADABLE})
        )


def _read_trees(data: bytes, path: str) -> tuple[Tree, ...] | Unread:
    try:
        return read_trees(data.decode("latin-1"), path)
    except UnbalancedError as error:
        return Unread(path, error.offset, "brackets, a string or a comment do not end, or nest too deep")


def _quoted(data: bytes) -> frozenset[str]:
    return frozenset(match[1].decode() for match in _QUOTED.finditer(data))


def _not_utf_8(data: bytes) -> int | None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None
