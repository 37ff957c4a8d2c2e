from __future__ import annotations

import base64
import random
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.series.mails import binary
from patchbot.series.mails.binary import Literal, decode


def rows(data: bytes) -> list[bytes]:
    """Write bytes as git's diff.c does (emit_binary_diff_body)."""
    out = []
    for at in range(0, len(data), 52):
        part = data[at : at + 52]
        letter = chr(ord("A") + len(part) - 1) if len(part) <= 26 else chr(ord("a") + len(part) - 27)
        padded = part + bytes(-len(part) % 4)
        out.append(letter.encode() + base64.b85encode(padded))
    return out


def refused(lines: list[bytes], size: int, *, delta: bool = False) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        decode(lines, size, delta=delta)
    return str(caught.value)


def number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_what_git_would_write_is_read_back(data: bytes) -> None:
    assert decode(rows(zlib.compress(data)), len(data), delta=False).apply(b"anything") == data


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120), st.data())
def test_damaged_rows_are_refused_or_are_as_many_as_they_say(data: bytes, draw: st.DataObject) -> None:
    text = bytearray(b"\n".join(rows(zlib.compress(data))))
    at = draw.draw(st.integers(0, len(text) - 1))
    text[at] = draw.draw(st.integers(0, 255))
    try:
        found = decode([row for row in bytes(text).split(b"\n") if row], len(data), delta=False)
    except ValueError:
        return
    # Adler-32 is weak on few bytes: whose they are the blob ids say, which no binary patch goes without
    assert len(found.data) == len(data)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_stream_without_its_end_is_refused_although_all_bytes_are_there(cut: int) -> None:
    data = random.Random(1).randbytes(40)  # noqa: S311 - nothing secret
    assert refused(rows(zlib.compress(data)[:-cut]), len(data))


def test_bytes_behind_the_stream_are_refused() -> None:
    assert "end where" in refused(rows(zlib.compress(b"abc") + b"more"), 3)


@pytest.mark.parametrize("size", [0, 2, 4, binary.MAX_BYTES, binary.MAX_BYTES + 1, 10**12])
def test_another_size_than_said_is_refused(size: int) -> None:
    assert refused(rows(zlib.compress(b"abc")), size)


@pytest.mark.parametrize(
    "row",
    [b"", b"A", b"A\xff\xff\xff\xff\xff", b"Z00000", b"B0", b"~00000", b"A0000\r", b"500000", b"A~~~~~"],
)
def test_a_row_that_is_none_is_refused(row: bytes) -> None:
    assert refused([row] if row else [], 3)


def test_a_bomb_stops_at_the_size_that_it_says() -> None:
    lines = rows(zlib.compress(bytes(64 * 1024 * 1024), 9))
    tracemalloc.start()
    try:
        assert refused(lines, 10)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_delta_copies_and_inserts() -> None:
    old = b"0123456789"
    delta = number(10) + number(9) + bytes([0x80 | 0x01 | 0x10, 2, 5]) + bytes([4]) + b"abcd"
    assert Literal(delta, delta=True).apply(old) == b"23456abcd"


@pytest.mark.parametrize(
    "delta",
    [
        *(b"", b"\x80", number(3), number(4) + number(1) + b"\x01a"),
        number(3) + number(2) + b"\x01a",  # too few
        number(3) + number(1) + b"\x02ab",  # too many
        number(3) + number(1) + b"\x05a",  # an insert that is cut off
        number(3) + number(1) + b"\x00",
        number(3) + number(1) + bytes([0x80 | 0x01]),  # a copy that is cut off
        number(3) + number(9) + bytes([0x80 | 0x01 | 0x10, 1, 9]),  # from behind the end
        number(3) + number(binary.MAX_BYTES + 1),
        number(3) + number(1) + b"\x90" + b"\x01" * 50,
    ],
)
def test_a_delta_that_is_none_is_refused(delta: bytes) -> None:
    with pytest.raises(ValueError, match="delta"):
        Literal(delta, delta=True).apply(b"abc")


def test_a_number_without_an_end_is_refused_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(ValueError, match="ends early"):
        Literal(b"\x80" * 4_000_000, delta=True).apply(b"")
    assert time.monotonic() - begun < 1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=20))
def test_any_delta_is_refused_or_gives_as_many_bytes_as_it_says(tail: bytes, old: bytes) -> None:
    try:
        given_bytes = Literal(number(len(old)) + tail, delta=True).apply(old)
    except ValueError:
        return
    assert tail.startswith(number(len(given_bytes))[:1])
