from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry import killed, sent, tiny
from registry.test_local import bytes_of, made

from patchbot import files
from patchbot.errors import EnvironmentProblem
from patchbot.registry import gc
from patchbot.registry.local import LocalRegistry
from patchbot.registry.serving.exchange import Reply, Request
from patchbot.registry.serving.web import Site, answer, refuse

BASE = "http://127.0.0.1:8790"
CRATES = tiny.forks().crates
WRITTEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
API = "/api/v1/crates"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    registry = LocalRegistry(tmp_path / "registry")
    registry.publish([*CRATES, made("Other"), made("Other", "1.0.1", b"more")])
    for file in registry.folder.rglob("*"):
        os.utime(file, (WRITTEN.timestamp(), WRITTEN.timestamp() + 0.5))
    return Site(registry=registry, base=BASE, index=sent.OWN[0], unpack=sent.unpack, now=lambda: WRITTEN)


def ask(site: Site, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
    return answer(site, Request(method, target, {k.replace("_", "-"): v for k, v in headers.items()}, body))


def detail(reply: Reply) -> str:
    (error,) = json.loads(reply.body)["errors"]
    text = error["detail"]
    assert isinstance(text, str)
    return text


def put(site: Site, said: object, data: bytes, **headers: str) -> Reply:
    return ask(site, "PUT", f"{API}/new", sent.body(said, data), **headers)


# -- the index ---------------------------------------------------------------------------------------


def test_the_index_says_where_everything_is(site: Site) -> None:
    reply = ask(site, "GET", "/index/config.json")
    assert reply.status == 200
    assert json.loads(reply.body) == {
        "dl": f"{BASE}/crates/{{crate}}/{{crate}}-{{version}}.crate",
        "api": BASE,
    }
    known = replace(site, token="t", auth_required=True)  # noqa: S106 - of a test
    assert (
        json.loads(ask(known, "GET", "/index/config.json", authorization="t").body)["auth-required"] is True
    )


@pytest.mark.parametrize("name", ["tiny-v1-2-3", "tiny-core-v1-2-3"])
def test_an_index_file_is_served_as_it_is(site: Site, name: str) -> None:
    reply = ask(site, "GET", f"/index/ti/ny/{name}")
    data = site.registry.index_file(name).read_bytes()
    assert (reply.status, reply.body) == (200, data)
    assert reply.headers["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert reply.headers["Last-Modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"


def test_who_has_it_already_is_told_so(site: Site) -> None:
    place = "/index/ot/he/other"
    etag = ask(site, "GET", place).headers["ETag"]
    for header, value, status in (
        ("if_none_match", etag, 304),
        ("if_none_match", f'"other", W/{etag}', 304),
        ("if_none_match", "*", 304),
        ("if_none_match", '"other"', 200),
        ("if_none_match", "", 200),
        ("if_modified_since", "Fri, 02 Jan 2026 03:04:05 GMT", 304),
        ("if_modified_since", "Sat, 03 Jan 2026 00:00:00 GMT", 304),
        ("if_modified_since", "Fri, 02 Jan 2026 03:04:04 GMT", 200),
        ("if_modified_since", "yesterday", 200),
        ("if_modified_since", "Fri, 02 Jan 2026 03:04:05 -0000", 200),
    ):
        reply = ask(site, "GET", place, b"", **{header: value})
        assert reply.status == status, (header, value)
        assert reply.headers["ETag"] == etag
        assert bool(reply.body) == (status == 200)


def test_a_tag_counts_before_a_time(site: Site) -> None:
    later = "Sat, 03 Jan 2026 00:00:00 GMT"
    reply = ask(site, "GET", "/index/ot/he/other", if_none_match='"old"', if_modified_since=later)
    assert reply.status == 200


def test_a_yank_changes_the_tag(site: Site) -> None:
    etag = ask(site, "GET", "/index/ot/he/other").headers["ETag"]
    site.registry.set_yanked([("Other", "1.0.0")], yanked=True)
    reply = ask(site, "GET", "/index/ot/he/other", if_none_match=etag)
    assert reply.status == 200
    assert b'"yanked":true' in reply.body


@pytest.mark.parametrize(
    "place", ["no/bo/nobody", "ot/he/Other", "Ot/he/other", "other", "ti/ny/other", "1/other", "3/o/oth", ""]
)
def test_what_is_not_in_the_index_is_not_found(site: Site, place: str) -> None:
    assert ask(site, "GET", f"/index/{place}").status == 404


def test_what_was_removed_is_gone(site: Site) -> None:
    both = [("Other", "1.0.0"), ("Other", "1.0.1")]
    site.registry.set_yanked(both, yanked=True)
    gc.collect(site.registry, both)
    assert ask(site, "GET", "/index/ot/he/other").status == 410


# -- downloads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/crates/Other/Other-1.0.0.crate", f"{API}/Other/1.0.0/download"])
def test_a_crate_is_downloaded(site: Site, place: str) -> None:
    reply = ask(site, "GET", place)
    assert (reply.status, reply.body) == (200, made("Other").data)
    assert ask(site, "GET", place, if_none_match=reply.headers["ETag"]).status == 304


def test_names_that_end_like_versions_are_told_apart(site: Site) -> None:
    for crate in (made("a-1", "2.0.0", b"one"), made("a", "1.2.0-0.0", b"two")):
        site.registry.publish([crate])
        name, version = crate.entry.name, crate.entry.version
        assert ask(site, "GET", f"/crates/{name}/{name}-{version}.crate").body == crate.data


def test_a_yanked_crate_can_be_downloaded(site: Site) -> None:
    site.registry.set_yanked([("Other", "1.0.0")], yanked=True)
    assert ask(site, "GET", "/crates/Other/Other-1.0.0.crate").status == 200


def test_what_a_killed_run_left_is_not_served(site: Site) -> None:
    files.write(site.registry.crate_file("late", "1.0.0"), b"?")
    assert ask(site, "GET", "/crates/late/late-1.0.0.crate").status == 404


OUTSIDE = [
    "/index/../.lock", "/index/%2e%2e/.lock", "/index/%2E%2E%2F.lock", "/crates/../index/ot/he/other", "/.lock",
    "/crates/Other/..%2fOther-1.0.0.crate", "/crates/other/other-1.0.0.crate", "/crates/x/Other-1.0.0.crate",
    "/crates/Other/Other-1.0.0.crate%00", "/crates/Other/Other-1.0.0.crate%0a", "//index/config.json", "*", "",
    "/index/config.json/", "http://elsewhere/index/config.json", f"{API}/..%2f..%2f/1.0.0/download",
]  # fmt: skip


@pytest.mark.parametrize("target", OUTSIDE, ids=repr)
def test_nothing_else_can_be_reached(site: Site, target: str) -> None:
    assert ask(site, "GET", target).status == 404


@given(st.text(max_size=30), st.sampled_from(["GET", "PUT", "DELETE"]))
def test_any_target_is_answered(target: str, method: str) -> None:
    empty = Site(registry=LocalRegistry(Path("/nowhere")), base=BASE, index=sent.OWN[0], unpack=sent.unpack)
    assert ask(empty, method, f"/index/{target}").status in {404, 405, 200}
    assert ask(empty, method, f"{API}/{target}").status in {400, 404, 405, 403, 200}


# -- publishing --------------------------------------------------------------------------------------


def test_a_crate_is_published_and_can_be_read_at_once(site: Site) -> None:
    data = sent.crate()
    reply = put(site, sent.metadata(), data)
    assert reply.status == 200
    assert json.loads(reply.body)["warnings"]["other"] == []
    line = json.loads(ask(site, "GET", "/index/sm/al/small").body)
    assert line["cksum"] == hashlib.sha256(data).hexdigest()
    assert line["pubtime"] == "2026-01-02T03:04:05Z"
    assert ask(site, "GET", "/crates/small/small-1.0.0.crate").body == data


def test_both_addresses_of_the_registry_mean_this_one(site: Site) -> None:
    deps = [
        sent.dependency(f"d{n}", registry=url) for n, url in enumerate((sent.OWN[0], f"sparse+{BASE}/index/"))
    ]
    manifest = "[dependencies]\nd0 = '1'\nd1 = '1'\n"
    assert put(site, sent.metadata(deps=deps), sent.crate(manifest=manifest)).status == 200
    line = json.loads(ask(site, "GET", "/index/sm/al/small").body)
    assert all("registry" not in dependency for dependency in line["deps"])


def test_nothing_is_published_twice(site: Site) -> None:
    put(site, sent.metadata(), sent.crate())
    before = bytes_of(site.registry.folder)
    again = put(site, sent.metadata(), sent.crate())
    assert again.status == 409
    assert "already uploaded, with the same bytes" in detail(again)
    other = sent.crate(files={"src/lib.rs": "pub fn y() {}"})
    refused = put(site, sent.metadata(), other)
    assert refused.status == 409
    for digest in (hashlib.sha256(sent.crate()).hexdigest(), hashlib.sha256(other).hexdigest()):
        assert digest in detail(refused)
    assert bytes_of(site.registry.folder) == before


def test_a_name_that_is_the_same_to_cargo_is_refused(site: Site) -> None:
    assert put(site, sent.metadata("oTHER", "2.0.0"), sent.crate("oTHER", "2.0.0")).status == 409
    assert "is the same name to cargo" in detail(
        put(site, sent.metadata("tiny_v1-2-3"), sent.crate("tiny_v1-2-3"))
    )


@pytest.mark.parametrize("body", [b"", b"\0" * 8, sent.body(sent.metadata(), sent.crate())[:-1], b"{}"])
def test_a_broken_upload_is_refused_and_leaves_nothing(site: Site, body: bytes) -> None:
    before = bytes_of(site.registry.folder)
    reply = ask(site, "PUT", f"{API}/new", body)
    assert reply.status == 400
    assert detail(reply)
    assert bytes_of(site.registry.folder) == before


def test_a_disk_that_refuses_is_told_to_the_client(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise EnvironmentProblem("cannot be written: No space left on device", where="/srv/secret")

    monkeypatch.setattr(files, "write", full)
    reply = put(site, sent.metadata(), sent.crate())
    assert reply.status == 500
    assert detail(reply) == "the registry's disk refuses: cannot be written: No space left on device"


def test_a_damaged_registry_is_told_to_the_client(site: Site) -> None:
    site.registry.index_file("Other").write_bytes(b"{")
    for method, target in (("GET", "/crates/Other/Other-1.0.0.crate"), ("GET", f"{API}?q=other")):
        reply = ask(site, method, target)
        assert reply.status == 500
        assert "the registry is damaged" in detail(reply)


def test_a_server_that_was_killed_anywhere_takes_the_upload_again_to_the_same_bytes(tmp_path: Path) -> None:
    def at(name: str) -> Site:
        registry = LocalRegistry(tmp_path / name)
        return Site(registry=registry, base=BASE, index=sent.OWN[0], unpack=sent.unpack, now=lambda: WRITTEN)

    killed_one, whole = at("killed"), at("whole")
    put(whole, sent.metadata(), sent.crate())
    outcomes = set()
    for survived in killed.everywhere(
        killed_one.registry.folder,
        lambda: shutil.rmtree(killed_one.registry.folder, ignore_errors=True),
        lambda: put(killed_one, sent.metadata(), sent.crate()),
    ):
        outcomes.add(put(killed_one, sent.metadata(), sent.crate()).status)
        assert bytes_of(killed_one.registry.folder) == bytes_of(whole.registry.folder), survived
    assert 200 in outcomes
    assert outcomes <= {200, 409}


# -- yanks, owners, search ---------------------------------------------------------------------------


def test_a_version_is_yanked_and_back(site: Site) -> None:
    for method, word, yanked in (("DELETE", "yank", True), ("PUT", "unyank", False)):
        reply = ask(site, method, f"{API}/Other/1.0.0/{word}")
        assert (reply.status, json.loads(reply.body)) == (200, {"ok": True})
        assert {v: e.yanked for v, e in site.registry.entries("Other").items()} == {
            "1.0.0": yanked,
            "1.0.1": False,
        }


@pytest.mark.parametrize("version", ["Other/9.0.0", "other/1.0.0", "nobody/1.0.0"])
def test_what_is_not_there_cannot_be_yanked(site: Site, version: str) -> None:
    assert ask(site, "DELETE", f"{API}/{version}/yank").status == 404
    assert ask(site, "PUT", f"{API}/{version}/unyank").status == 404


def test_owners_are_answered(site: Site) -> None:
    assert json.loads(ask(site, "GET", f"{API}/Other/owners").body) == {"users": []}
    assert ask(site, "GET", f"{API}/nobody/owners").status == 404
    for method in ("PUT", "DELETE"):
        reply = ask(site, method, f"{API}/Other/owners", b'{"users":["me"]}')
        assert reply.status == 403
        assert "no owners" in detail(reply)


def found(site: Site, query: str) -> tuple[list[Any], int]:
    said = json.loads(ask(site, "GET", f"{API}?{query}").body)
    return [(crate["name"], crate["max_version"]) for crate in said["crates"]], said["meta"]["total"]


def test_a_search_finds_names(site: Site) -> None:
    assert found(site, "q=OTH") == ([("Other", "1.0.1")], 1)
    assert found(site, "q=tiny+v1&per_page=1") == ([("tiny-core-v1-2-3", "1.2.3")], 3)
    assert found(site, "q=nothing") == ([], 0)
    site.registry.publish([made("snake_case")])
    assert found(site, "q=snake-case") == found(site, "q=Snake_") == ([("snake_case", "1.0.0")], 1)
    assert found(site, "per_page=many") == found(site, "q=&per_page=99999")
    site.registry.publish([made("Other", "1.0.10", b"x"), made("Other", "2.0.0-rc.1", b"y")])
    assert found(site, "q=other")[0] == [("Other", "2.0.0-rc.1")]
    site.registry.set_yanked([("Other", "2.0.0-rc.1")], yanked=True)
    assert found(site, "q=other")[0] == [("Other", "1.0.10")]


# -- who may -----------------------------------------------------------------------------------------

WRITES = [
    ("PUT", f"{API}/new"), ("DELETE", f"{API}/Other/1.0.0/yank"), ("PUT", f"{API}/Other/1.0.0/unyank"),
    ("PUT", f"{API}/Other/owners"), ("DELETE", f"{API}/Other/owners"),
]  # fmt: skip
READS = [
    "/index/config.json",
    "/index/ot/he/other",
    "/crates/Other/Other-1.0.0.crate",
    API,
    f"{API}/Other/owners",
]


@pytest.fixture
def guarded(site: Site) -> Site:
    return replace(site, token="sesame")  # noqa: S106 - of a test


@pytest.mark.parametrize(("method", "target"), WRITES)
@pytest.mark.parametrize(
    "header", [None, "", "Sesame", "sesame2", "sesam", "Bearer x", "Basic sesame", "sésame"]
)
def test_nobody_writes_without_the_token(guarded: Site, method: str, target: str, header: str | None) -> None:
    before = bytes_of(guarded.registry.folder)
    headers = {} if header is None else {"authorization": header}
    reply = ask(guarded, method, target, sent.body(sent.metadata(), sent.crate()), **headers)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == f'Cargo login_url="{BASE}/me"'
    assert "token" in detail(reply)
    assert "sesame" not in detail(reply)
    assert bytes_of(guarded.registry.folder) == before


@pytest.mark.parametrize("header", ["sesame", "Bearer sesame"])
def test_who_has_the_token_writes(guarded: Site, header: str) -> None:
    assert put(guarded, sent.metadata(), sent.crate(), authorization=header).status == 200
    assert ask(guarded, "DELETE", f"{API}/small/1.0.0/yank", authorization=header).status == 200


@pytest.mark.parametrize("target", READS)
def test_readers_need_the_token_only_where_it_is_required(guarded: Site, target: str) -> None:
    assert ask(guarded, "GET", target).status == 200
    closed = replace(guarded, auth_required=True)
    assert ask(closed, "GET", target).status == 401
    assert ask(closed, "GET", target, authorization="wrong").status == 401
    assert ask(closed, "GET", target, authorization="sesame").status == 200


def test_how_to_get_a_token_is_told_to_everybody(guarded: Site) -> None:
    closed = replace(guarded, auth_required=True)
    for target in ("/me", "/"):
        reply = ask(closed, "GET", target)
        assert reply.status == 200
        assert b"sesame" not in reply.body
    assert b"No token is needed" in ask(replace(guarded, token=None), "GET", "/me").body


@pytest.mark.parametrize(("method", "target"), WRITES)
def test_nobody_writes_where_it_is_served_for_reading(guarded: Site, method: str, target: str) -> None:
    reply = ask(replace(guarded, read_only=True), method, target, authorization="sesame")
    assert reply.status == 403
    assert "for reading only" in detail(reply)


def test_the_token_is_in_no_picture_of_a_site_or_a_request(guarded: Site) -> None:
    assert "sesame" not in repr(guarded)
    assert "sesame" not in repr(Request("GET", "/me", {"authorization": "sesame"}))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8790", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:8790", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost@evil.example", 403), ("[", 403),
    ],
)  # fmt: skip
def test_without_a_token_other_names_for_this_machine_are_refused(
    site: Site, guarded: Site, host: str, status: int
) -> None:
    assert ask(site, "GET", "/index/config.json", host=host).status == status
    assert ask(guarded, "GET", "/index/config.json", host=host).status == 200
    named = replace(site, base="https://evil.example")
    assert ask(named, "GET", "/index/config.json", host="evil.example").status == 200


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", f"{API}/new", "PUT"), ("PUT", "/index/config.json", "GET"), ("DELETE", f"{API}", "GET"),
        ("PUT", f"{API}/Other/1.0.0/yank", "DELETE"), ("PATCH", f"{API}/Other/owners", "GET, PUT, DELETE"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_at_an_address_is_said(
    site: Site, method: str, target: str, allowed: str
) -> None:
    reply = ask(site, method, target)
    assert (reply.status, reply.headers["Allow"]) == (405, allowed)


def test_a_request_is_judged_before_its_body(guarded: Site) -> None:
    judge: Callable[[Request], Reply | None] = lambda request: refuse(guarded, request)  # noqa: E731 - short
    refused = judge(Request("PUT", f"{API}/new"))
    assert refused is not None
    assert refused.status == 401
    assert judge(Request("PUT", f"{API}/new", {"authorization": "sesame"})) is None
    assert ask(guarded, "HEAD", "/index/config.json").status == 200
