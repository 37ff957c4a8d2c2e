from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import random
import tarfile
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import crates

from patchbot.errors import RepositoryError
from patchbot.model import TreeFile
from patchbot.model.paths import check_path
from patchbot.upstream import unpack as module
from patchbot.upstream.unpack import VCS_INFO, Unpacked, refuse_twins

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def unpack(data: bytes) -> Unpacked:
    return module.unpack(data, name="a", version="1.0.0")


def refused(data: bytes) -> str:
    with pytest.raises(RepositoryError) as caught:
        unpack(data)
    assert caught.value.where == "a-1.0.0.crate"
    return caught.value.what


def member(path: str, **fields: Any) -> tarfile.TarInfo:  # noqa: ANN401 - any field of a TarInfo
    """A member below the crate's folder."""
    info = tarfile.TarInfo(f"a-1.0.0/{path}")
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def file(path: str, data: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    return member(path, size=len(data)), data


def tar(*members: tuple[tarfile.TarInfo, bytes], style: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed(raw: bytes) -> bytes:
    return gzip.compress(raw, 1, mtime=0)


# -- what is fine -----------------------------------------------------------------------------------


def test_files_come_out_in_the_order_of_their_paths() -> None:
    unpacked = unpack(crates.crate("a", "1.0.0", {"src/z.rs": "z", "Cargo.toml": "c", "src/a.rs": b"\xff\0"}))
    assert unpacked == Unpacked(
        (TreeFile("Cargo.toml", b"c"), TreeFile("src/a.rs", b"\xff\0"), TreeFile("src/z.rs", b"z")), "", None
    )


def test_the_executable_bit_is_kept() -> None:
    unpacked = unpack(crates.crate("a", "1.0.0", {"run.sh": "", "b": ""}, executable=("run.sh",)))
    assert {f.path: f.executable for f in unpacked.files} == {"run.sh": True, "b": False}
    for mode, executable in ((0o677, False), (0o100, True), (0o4644, False)):
        assert unpack(packed(tar((member("x", mode=mode), b"")))).files[0].executable is executable


def test_folders_are_no_files() -> None:
    assert unpack(packed(tar((member("src", type=tarfile.DIRTYPE), b""), file("src/a")))).files == (
        TreeFile("src/a", b""),
    )


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_are_read_in_every_way_to_write_them(style: int) -> None:
    limit = 40 if style == tarfile.USTAR_FORMAT else 300
    paths = ["/".join([*["deep" * 5] * 4, "x" * limit]), "src/lib.rs"]
    unpacked = unpack(packed(tar(*(file(path, path.encode()) for path in paths), style=style)))
    assert {f.path: f.data.decode() for f in unpacked.files} == {path: path for path in paths}


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_beyond_ascii_are_read(style: int) -> None:
    assert (
        unpack(packed(tar(file("src/\u00e9\u4e2d.rs"), style=style))).files[0].path == "src/\u00e9\u4e2d.rs"
    )


def test_a_name_that_is_not_utf8_keeps_its_bytes() -> None:
    unpacked = unpack(packed(tar(file("src/\udcff.rs"), style=tarfile.GNU_FORMAT)))
    assert os.fsencode(unpacked.files[0].path) == b"src/\xff.rs"


segments = st.from_regex(r"[a-zB-Y0-9_][a-z0-9_ .\u00e9-]{0,6}[a-z0-9_]", fullmatch=True)
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(paths, st.tuples(st.binary(max_size=600), st.booleans()), min_size=1, max_size=5))
def test_unpacking_gives_back_what_was_packed(content: dict[str, tuple[bytes, bool]]) -> None:
    content = {path: value for path, value in content.items() if check_path(path) is None}
    files = sorted((TreeFile(path, *value) for path, value in content.items()), key=lambda f: f.path)
    try:
        refuse_twins(files, "here")
    except RepositoryError:
        return
    data = crates.crate(
        "a",
        "1.0.0",
        {path: body for path, (body, _) in content.items()},
        executable=tuple(path for path, (_, executable) in content.items() if executable),
    )
    assert list(unpack(data).files) == files


# -- paths ------------------------------------------------------------------------------------------

BAD_PATHS = {
    "is absolute": ["/etc/passwd", "C:/x", "c:x"],
    "has an empty, . or .. part": [
        *("../x", "src/../../x", "src/..", "..", ".", "./x", "src//x", "src/./x", "src/"),
    ],
    "has a backslash, control or invisible character": [
        *("src\\x", "..\\x", "a\nb", "a\tb", "a\x01", "a\x7f", "a\x1b[2J", "a\x85b", "a\u2028b"),
        # zero width (HFS+ leaves them out when it compares), soft hyphen, direction of writing
        *("a\u200bb", "a\ufeff", "a\u00ad", "a\u202eb"),
    ],
    "which some file systems take for another name": [
        *(".git/config", ".git", "src/.git/hooks/x", ".GIT/config", ".Git", ".git./x", ".git /x", ".g\u200cit/config", ".git...x/.git"),
        *("git~1/config", "GIT~1", ".git::$INDEX_ALLOCATION/config", ".git:x", "x.", "src./x", "x ", "x. ."),
    ],
    "a device name": [
        *("con", "CON", "src/aux.txt", "Prn", "nul.tar.gz", "com1", "lpt9.rs", "aux.h/x", "con .txt", "con:x"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("reason", "path"), [(reason, p) for reason, ps in BAD_PATHS.items() for p in ps])
def test_a_path_that_is_not_plainly_inside_the_crate_is_refused(reason: str, path: str) -> None:
    assert reason in (check_path(path) or "")
    what = refused(packed(tar(file(path), style=tarfile.GNU_FORMAT)))
    assert what.startswith("the path")
    assert reason in what


@pytest.mark.parametrize(
    "path",
    [
        *("src/lib.rs", ".gitignore", ".github/x", "git", "git~2", "...x", "a b", "constant", "com", "com10"),
        *(
            "console.log",
            "auxiliary/x",
            "x..rs",
            "-x",
            "--help",
            '"x"',
            "\u00e9",
            "nul-able",
            ".cargo/config",
        ),
        *("x.git", "src/c", "lpt0", "'"),
    ],
)
def test_a_path_that_only_looks_odd_is_fine(path: str) -> None:
    assert check_path(path) is None
    assert unpack(packed(tar(file(path)))).files[0].path == path


@pytest.mark.parametrize(
    "name",
    ["b-1.0.0/x", "x", "/a-1.0.0/x", "../a-1.0.0/x", "a-1.0.0", "a-1.0.00/x", "A-1.0.0/x", "./a-1.0.0/x", ""],
)
def test_a_file_outside_the_crates_folder_is_refused(name: str) -> None:
    info, data = file("x")
    info.name = name
    assert "is outside a-1.0.0/" in refused(packed(tar(file("Cargo.toml"), (info, data))))


def test_a_name_in_a_pax_header_is_checked_like_any_other() -> None:
    info, data = file("harmless")
    info.pax_headers = {"path": "a-1.0.0/../../evil"}
    assert ".. part" in refused(packed(tar((info, data))))


def test_a_name_in_a_gnu_header_is_checked_like_any_other() -> None:
    assert ".. part" in refused(packed(tar(file(f"{'x' * 200}/../../y"), style=tarfile.GNU_FORMAT)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("src/Lib.rs", "src/lib.rs"),
        ("Src/a.rs", "src/A.rs"),
        ("a\u030a", "\u00e5"),
        ("\u1e9e.rs", "ss.rs"),
        ("\u212a.rs", "k.rs"),
        ("same", "same"),
    ],
)
def test_two_paths_that_are_one_file_somewhere_are_refused(first: str, second: str) -> None:
    for one, two in itertools.permutations((first, second)):
        assert "are one file on some systems" in refused(packed(tar(file(one), file(two))))


@pytest.mark.parametrize(("one", "inside"), [("src", "src/lib.rs"), ("SRC", "src/a/b"), ("a/b", "a/b/c/d")])
def test_a_file_that_is_also_a_folder_is_refused(one: str, inside: str) -> None:
    for first, second in itertools.permutations((one, inside)):
        assert "is a file and a folder" in refused(packed(tar(file(first), file(second))))


# -- what is no file --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE),
        *(tarfile.GNUTYPE_SPARSE, b"Z", b"M"),
    ],
)
def test_links_devices_pipes_and_unknown_members_are_refused(kind: bytes) -> None:
    info = member("x", type=kind, linkname="/etc/passwd")
    raw = tar(file("Cargo.toml"), (info, b""))
    assert "is a link, device or pipe" in refused(packed(raw))


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.size": "100", "GNU.sparse.numblocks": "0"},
        {"GNU.sparse.map": "0,1", "GNU.sparse.size": "100"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "100"},
    ],
)
def test_sparse_members_are_refused_in_each_of_their_forms(headers: dict[str, str]) -> None:
    body = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
    refused(packed(tar((member("x", size=len(body), pax_headers=headers), body))))


# -- archives that are damaged, or none -------------------------------------------------------------


def small_crate() -> bytes:
    return crates.crate("a", "1.0.0", {"Cargo.toml": "[package]\n", "src/lib.rs": "// x\n"}, path="crates/a")


def test_a_crate_cut_off_at_any_byte_is_refused() -> None:
    data = small_crate()
    unpack(data)
    for length in range(len(data)):
        assert refused(data[:length]) == "ends in the middle"


def test_an_archive_cut_off_inside_is_refused() -> None:
    raw = tar(file("Cargo.toml", b"x" * 600), file("src/lib.rs", b"y" * 100))
    end = len(raw.rstrip(b"\0"))
    whole = (end + 511) // 512 * 512  # up to here there are headers and contents, from here only zeros
    assert len(unpack(packed(raw[: whole + 512])).files) == 2
    for length in {*range(0, whole + 512, 32), *range(whole - 4, whole + 512)}:
        refused(packed(raw[:length]))


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end() -> None:
    raw = tar(file("Cargo.toml", b"x"), file("src/lib.rs", b"y"))
    whole = unpack(packed(raw))
    for offset in range(1024, 1024 + 512):
        damaged = bytearray(raw)
        damaged[offset] ^= 0x01
        try:
            found = unpack(packed(bytes(damaged)))
        except RepositoryError:
            continue
        assert found == whole


def test_what_follows_the_end_is_refused() -> None:
    data = small_crate()
    for more in (b"\0", b"garbage", data):
        assert refused(data + more) == "goes on after its end"
    raw = tar(file("Cargo.toml"))
    assert refused(packed(raw + tar(file("evil")))) == "is damaged in the middle"
    assert refused(packed(raw + b"x")) == "is damaged in the middle"


@pytest.mark.parametrize(
    "data", [b"<html>", b"\x1f\x8b", b"PK\x03\x04" + b"\0" * 40, b"\x1f\x8b\x08" + b"\xff" * 40]
)
def test_what_is_no_gzip_file_is_refused(data: bytes) -> None:
    assert refused(data).startswith(("is no gzip file", "ends in the middle"))


def test_a_wrong_checksum_of_the_gzip_file_is_refused() -> None:
    data = bytearray(small_crate())
    data[-5] ^= 1
    assert refused(bytes(data)).startswith("is no gzip file: Error -3")
    data[-5] ^= 1
    data[-8] ^= 1
    assert refused(bytes(data)).startswith("is no gzip file: Error -3")


def test_a_bare_zlib_stream_is_no_gzip_file() -> None:
    assert refused(zlib.compress(tar(file("x")))).startswith("is no gzip file")


@pytest.mark.parametrize("raw", [b"", b"x", b"x" * 512, b"x" * 5000])
def test_what_is_no_tar_archive_is_refused(raw: bytes) -> None:
    refused(packed(raw))


def test_the_hint_of_a_broken_download_says_whom_to_tell() -> None:
    for data in (b"<html>", small_crate()[:-1], packed(b"x" * 512), packed(tar(file("x"))[:600])):
        with pytest.raises(RepositoryError) as caught:
            unpack(data)
        assert "operator" in (caught.value.hint or "")


def test_a_chain_of_long_names_is_refused() -> None:
    # each is read inside the one before it
    one = tar((tarfile.TarInfo("././@LongLink"), b""), style=tarfile.GNU_FORMAT)[:512]
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    one = info.tobuf(tarfile.GNU_FORMAT) + b"x\0".ljust(512, b"\0")
    assert refused(packed(one * 3000 + tar(file("x")))).startswith("is no tar archive")


@pytest.mark.parametrize("size", [-1, -512, 2**40, 2**66])
def test_a_member_whose_size_is_not_that_of_its_content_is_refused(size: int) -> None:
    info, _ = file("x")
    info.size = size
    refused(packed(info.tobuf(tarfile.GNU_FORMAT)))
    refused(packed(info.tobuf(tarfile.GNU_FORMAT) + tar(file("y"))))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_a_damaged_archive_is_refused_or_read_and_never_a_bug(
    changes: list[tuple[int, int]],
    repair: bool,  # noqa: FBT001
) -> None:
    style = tarfile.PAX_FORMAT
    info = member("y" * 120, size=3, pax_headers={"GNU.sparse.size": "3"} if repair else {})
    raw = bytearray(tar(file("src/lib.rs", b"abc"), (info, b"abc"), style=style))
    for offset, value in changes:
        raw[offset] = value
    if repair:  # with a right checksum a damaged header is believed
        for start in range(0, 4096, 512):
            header = raw[start : start + 512]
            header[148:156] = b" " * 8
            raw[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    try:
        found = unpack(packed(bytes(raw)))
    except RepositoryError:
        return
    assert all(check_path(f.path) is None for f in found.files)


# -- archives that are too large --------------------------------------------------------------------


def test_a_bomb_stops_long_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024), 9)
    tracemalloc.start()
    try:
        assert "unpacks to more than" in refused(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(bomb) * module.MAX_RATIO + 8 * 1024 * 1024 < 32 * 1024 * 1024


def test_the_limits_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = random.Random(0).randbytes(5000)  # noqa: S311 - nothing secret
    raw = tar(file("x", noise))
    data = packed(raw)
    monkeypatch.setattr(module, "MAX_BYTES", len(raw))
    assert unpack(data).files[0].data == noise
    monkeypatch.setattr(module, "MAX_BYTES", len(raw) - 1)
    assert refused(data) == f"unpacks to more than {len(raw) - 1} bytes"


def test_a_crate_that_is_much_denser_than_real_ones_is_refused() -> None:
    dense = gzip.compress(tar(file("x", bytes(1024 * 1024))), 9)
    assert refused(dense) == f"unpacks to more than {len(dense) * module.MAX_RATIO} bytes"


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 10)
    files = [file(f"f{i}") for i in range(10)]
    folder = (member("src", type=tarfile.DIRTYPE), b"")
    assert len(unpack(packed(tar(*files))).files) == 10
    for more in (file("x"), folder):
        assert refused(packed(tar(*files, more))) == "has more than 10 entries"


# -- where upstream has it --------------------------------------------------------------------------


def vcs(info: object) -> bytes:
    text = info if isinstance(info, bytes) else json.dumps(info).encode()
    return packed(tar(file(VCS_INFO, text)))


@pytest.mark.parametrize(
    ("info", "commit", "path"),
    [
        ({"git": {"sha1": COMMIT}, "path_in_vcs": "crates/a"}, COMMIT, "crates/a"),
        ({"git": {"sha1": COMMIT, "dirty": True}, "path_in_vcs": "a"}, COMMIT, "a"),
        ({"git": {"sha1": "ab" * 32}, "path_in_vcs": "a"}, "ab" * 32, "a"),
        ({"git": {"sha1": COMMIT}, "path_in_vcs": ""}, COMMIT, ""),
        # of a cargo before 1.57
        ({"git": {"sha1": COMMIT}}, COMMIT, None),
    ],
)
def test_a_crate_says_where_upstream_has_it(info: object, commit: str, path: str | None) -> None:
    unpacked = unpack(vcs(info))
    assert (unpacked.commit, unpacked.path) == (commit, path)
    assert [f.path for f in unpacked.files] == [VCS_INFO]


def test_a_crate_may_say_nothing() -> None:
    unpacked = unpack(packed(tar(file(f"src/{VCS_INFO}", b"{"))))
    assert (unpacked.commit, unpacked.path) == ("", None)


@pytest.mark.parametrize(
    "info",
    [
        *(b"", b"{", b"\xff", b"null", b"[]", b"3", b"{}", b"[" * 100_000),
        *(
            {"git": None},
            {"git": []},
            {"git": {}},
            {"git": "x"},
            {"git": {"sha1": 3}},
            {"git": {"sha1": None}},
        ),
        *({"git": {"sha1": COMMIT}, "path_in_vcs": None}, {"git": {"sha1": COMMIT}, "path_in_vcs": 5}),
        {"git": {"sha1": COMMIT}, "path_in_vcs": ["a"]},
    ],
)
def test_a_place_that_cannot_be_read_is_refused(info: object) -> None:
    assert refused(vcs(info)) == f"{VCS_INFO} cannot be read"


@pytest.mark.parametrize(
    "commit", ["", "HEAD", COMMIT[:-1], COMMIT + "0", COMMIT.upper(), COMMIT + "\n", "--all"]
)
def test_a_commit_that_is_none_is_refused(commit: str) -> None:
    assert "names the commit" in refused(vcs({"git": {"sha1": commit}}))


@pytest.mark.parametrize(
    "path", ["/etc", "../x", "a/../b", ".git/hooks", "a\\b", "a/", "a//b", "nul", "C:/x"]
)
def test_a_place_outside_the_repository_is_refused(path: str) -> None:
    assert f"{VCS_INFO}: the path" in refused(vcs({"git": {"sha1": COMMIT}, "path_in_vcs": path}))
