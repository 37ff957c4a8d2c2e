from __future__ import annotations

from patchbot.model import JsonObject
from patchbot.report import publishing

STEP = {
    "order": 1,
    "name": "wasmtime-v8-0-1",
    "version": "8.0.1",
    "sha256": "ab" * 32,
    "bytes": 1_500_000,
    "action": "upload",
    "yanked": False,
    "reason": "has 3 link-time names",
}
CHANGE = {"release": "8.0.1", "action": "yank", "why": "asked for", "crates": [{}], "total": 2}


def test_a_plan_is_a_table_with_a_sum() -> None:
    kept = {**STEP, "order": 2, "name": "x", "action": "keep", "yanked": True, "reason": "is small"}
    assert publishing.plan([STEP, kept]).splitlines() == [
        "   crate            version  sha256        action         why",
        "1  wasmtime-v8-0-1  8.0.1    abababababab  upload         has 3 link-time names",
        "2  x                8.0.1    abababababab  keep (yanked)  is small",
        "1 to upload (1.5 MB), 1 there already",
    ]


def test_yanks_say_what_is_done_and_what_was_so() -> None:
    so_already = {**CHANGE, "release": "9.0.4", "crates": []}
    assert publishing.yanks([CHANGE, so_already], "mine", done=True).splitlines() == [
        "8.0.1  yank                 1 of 2 crates  asked for",
        "9.0.4  yank: is so already  0 of 2 crates  asked for",
        "mine: done",
    ]
    assert publishing.yanks([CHANGE], "mine", done=False).endswith("mine: would be done\n")
    assert publishing.yanks([so_already], "mine", done=True) == "mine: nothing to do\n"


def test_findings_have_a_mark_each() -> None:
    rows: list[JsonObject] = [
        {"question": "a", "ok": True, "answer": "yes"},
        {"question": "b", "ok": False, "answer": "no"},
        {"question": "c", "ok": None, "answer": "so\x1b[31m so"},
    ]
    assert publishing.findings(rows) == "+  a  yes\n-  b  no\n.  c  so?[31m so\n"
