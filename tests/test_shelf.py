from __future__ import annotations

import os
from pathlib import Path

import pytest

from patchbot.shelf import Shelf


def test_what_is_saved_is_there_for_others(tmp_path: Path) -> None:
    one, other = Shelf(tmp_path / "a" / "shelf"), Shelf(tmp_path / "a" / "shelf")
    one.put(b"key", b"\0value")
    assert (one.get(b"key"), other.get(b"key")) == (b"\0value", None)
    one.save()
    assert (one.get(b"key"), other.get(b"key"), other.get(b"ke")) == (b"\0value", b"\0value", None)


def test_the_later_value_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    one, other = Shelf(tmp_path / "shelf"), Shelf(tmp_path / "shelf")
    for shelf, value in ((one, b"1"), (other, b"2")):
        shelf.put(b"key", value)
        shelf.save()
    assert one.get(b"key") == b"2"


def test_what_is_not_saved_is_lost(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    shelf.put(b"key", b"value")
    shelf.close()
    assert (shelf.get(b"key"), Shelf(tmp_path / "shelf").get(b"key")) == (None, None)


@pytest.mark.parametrize("damaged", [b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_makes_room_for_another_one(tmp_path: Path, damaged: bytes) -> None:
    file = tmp_path / "shelf"
    file.write_bytes(damaged)
    shelf = Shelf(file)
    shelf.put(b"key", b"value")
    shelf.save()
    assert shelf.get(b"key") is None
    fresh = Shelf(file)
    fresh.put(b"key", b"value")
    fresh.save()
    assert Shelf(file).get(b"key") == b"value"


def test_a_file_that_is_damaged_while_it_is_read_holds_nothing_any_more(tmp_path: Path) -> None:
    file = tmp_path / "shelf"
    shelf = Shelf(file)
    for number in range(2000):
        shelf.put(b"%d" % number, bytes(100))
    shelf.save()
    shelf.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert Shelf(file).get(b"1999") is None
    assert not file.exists()


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shelf = Shelf(tmp_path / "file" / "shelf")
    shelf.put(b"key", b"value")
    shelf.save()
    assert shelf.get(b"key") is None


def test_each_version_has_its_own_shelf_and_the_newest_stay(tmp_path: Path) -> None:
    for number in range(5):
        shelf = Shelf.open(tmp_path, f"v{number}")
        shelf.put(b"key", b"%d" % number)
        shelf.save()
        shelf.close()
        os.utime(tmp_path / f"v{number}.sqlite3", (number, number))
    Shelf.open(tmp_path, "v0").close()
    names = {file.name for file in tmp_path.iterdir() if file.suffix == ".sqlite3"}
    assert names == {"v0.sqlite3", "v4.sqlite3", "v3.sqlite3"}
    assert Shelf.open(tmp_path, "v4").get(b"key") == b"4"
    assert Shelf.open(tmp_path, "v1").get(b"key") is None
