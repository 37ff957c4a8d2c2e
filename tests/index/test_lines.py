from __future__ import annotations

import json
from typing import Any

import pytest
from support import crates

from patchbot.errors import RepositoryError
from patchbot.index.lines import IndexConfig, parse_lines
from patchbot.model import IndexEntry


def line(version: str, **more: Any) -> bytes:  # noqa: ANN401 - any key of an index line
    return json.dumps(crates.index_line("wasmtime", version, b"", **more)).encode()


def test_each_line_is_a_version() -> None:
    entries = parse_lines(line("8.0.1") + b"\n" + line("9.0.0", yanked=True) + b"\n", "here")
    assert {version: entry.yanked for version, entry in entries.items()} == {"8.0.1": False, "9.0.0": True}


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n  \n"])
def test_blank_lines_and_line_ends_do_not_count(end: bytes) -> None:
    assert list(parse_lines(b"\n" + line("8.0.1") + end, "here")) == ["8.0.1"]


def test_a_later_line_of_a_version_wins() -> None:
    entries = parse_lines(line("8.0.1") + b"\n" + line("8.0.1", yanked=True), "here")
    assert entries["8.0.1"].yanked


def test_no_lines_are_no_versions() -> None:
    assert parse_lines(b"", "here") == {}


@pytest.mark.parametrize(
    "bad",
    [
        *(b"<html>", b"{", b"[]", b"3", b"null", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000),
        line("8.0.1", deps=[3]),
        line("../8.0.1"),
        line("8.0.1", cksum="../x"),
        line("8.0.1").replace(b"wasmtime", b"../x"),
        line("8.0.1")[:-1],
    ],
)
def test_a_line_that_is_no_entry_is_named(bad: bytes) -> None:
    with pytest.raises(RepositoryError, match="line 3 is no index entry") as caught:
        parse_lines(line("1.0.0") + b"\n\n" + bad + b"\n" + line("2.0.0"), "https://x/wa/sm/wasmtime")
    assert caught.value.where == "https://x/wa/sm/wasmtime"
    assert "proxy" in (caught.value.hint or "")


ENTRY = IndexEntry("MyCrate", "1.2.3-rc.1", "ab" * 32, False, (), {})  # noqa: FBT003


def url(download: str) -> str:
    return IndexConfig.parse(json.dumps({"dl": download}).encode(), "here").url(ENTRY)


@pytest.mark.parametrize(
    ("download", "address"),
    [
        ("https://x/api/v1/crates", "https://x/api/v1/crates/MyCrate/1.2.3-rc.1/download"),
        ("https://x/{crate}-{version}.crate", "https://x/MyCrate-1.2.3-rc.1.crate"),
        ("https://x/{prefix}/{lowerprefix}", "https://x/My/Cr/my/cr"),
        ("https://x/{sha256-checksum}", f"https://x/{'ab' * 32}"),
        ("https://x/{crate}/{crate}?v={version}", "https://x/MyCrate/MyCrate?v=1.2.3-rc.1"),
        ("https://x/{unknown}", "https://x/{unknown}/MyCrate/1.2.3-rc.1/download"),
    ],
)
def test_the_download_address_follows_the_template(download: str, address: str) -> None:
    assert url(download) == address


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"[]", b"3", b"null", b'"dl"', b"{}", b"[" * 100_000, b"\xff", b'{"DL": "x"}']
)
def test_what_is_no_config_is_refused(data: bytes) -> None:
    with pytest.raises(RepositoryError, match=r"is no registry config\.json") as caught:
        IndexConfig.parse(data, "https://x/config.json")
    assert caught.value.where == "https://x/config.json"


@pytest.mark.parametrize("download", [None, 3, ["https://x"], {}])
def test_a_download_address_must_be_text(download: object) -> None:
    with pytest.raises(RepositoryError, match="has no download address"):
        IndexConfig.parse(json.dumps({"dl": download}).encode(), "here")


@pytest.mark.parametrize(
    ("more", "api", "auth_required"),
    [
        ({}, None, False),
        ({"api": None, "auth-required": False}, None, False),
        ({"api": ""}, None, False),
        ({"api": "https://x/", "auth-required": True}, "https://x", True),
    ],
)
def test_the_web_api_and_its_rule(more: dict[str, object], api: str | None, auth_required: bool) -> None:  # noqa: FBT001
    config = IndexConfig.parse(json.dumps({"dl": "https://x", **more}).encode(), "here")
    assert (config.api, config.auth_required) == (api, auth_required)


def test_an_api_address_must_be_text() -> None:
    with pytest.raises(RepositoryError, match="no text"):
        IndexConfig.parse(b'{"dl": "https://x", "api": 3}', "here")
