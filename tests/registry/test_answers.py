from __future__ import annotations

import json

import pytest

from patchbot.registry.remote.answers import Fate, judge


def errors(*details: str) -> bytes:
    return json.dumps({"errors": [{"detail": detail} for detail in details]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "fate"),
    [
        (200, b"{}", Fate.DONE),
        (200, b"", Fate.DONE),
        (201, b'{"warnings": null}', Fate.DONE),
        (200, b'{"ok": true}', Fate.DONE),
        (200, b'{"errors": []}', Fate.DONE),
        (200, errors("no"), Fate.REFUSED),
        (200, b'{"errors": "no"}', Fate.REFUSED),
        (200, b"<html>", Fate.UNKNOWN),
        (301, b"", Fate.REFUSED),
        (400, errors("no"), Fate.REFUSED),
        (401, b"", Fate.DENIED),
        (403, errors("no"), Fate.DENIED),
        (408, b"", Fate.UNKNOWN),
        (409, b"", Fate.REFUSED),
        (413, b"", Fate.REFUSED),
        (429, b"", Fate.LATER),
        (503, b"", Fate.LATER),
        *((status, b"x", Fate.UNKNOWN) for status in (500, 502, 504, 599)),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, fate: Fate) -> None:
    assert judge(status, body, after="", now=0).fate is fate


def test_its_words_are_kept_and_bounded() -> None:
    assert judge(400, errors("one", "two"), after="", now=0).words == "400: one; two"
    assert judge(500, b"<html>\n  sorry  </html>", after="", now=0).words == "500: <html> sorry </html>"
    assert len(judge(500, b"x" * 10_000, after="", now=0).words) < 250


@pytest.mark.parametrize(
    ("status", "body", "duplicate"),
    [
        (409, b"", True),
        (200, errors("crate version `1.0.0` is already uploaded"), True),
        (400, errors("Crate exists"), True),
        (200, errors("missing license"), False),
    ],
)
def test_duplicates_are_known(status: int, body: bytes, *, duplicate: bool) -> None:
    assert judge(status, body, after="", now=0).duplicate is duplicate


def test_the_wait_comes_from_the_header_or_the_words() -> None:
    assert judge(429, b"", after="9", now=0).wait == 9
    assert judge(503, b"", after="", now=0).wait is None
    said = judge(429, errors("try again after Thu, 01 Jan 1970 00:01:00 GMT"), after="", now=0)
    assert said.wait == 60


@pytest.mark.parametrize("body", [b"[]", b"3", b"null", b'{"warnings": 3}', b'{"warnings": {"other": "x"}}'])
def test_odd_json_is_no_warning(body: bytes) -> None:
    assert judge(200, body, after="", now=0).warnings == ()
