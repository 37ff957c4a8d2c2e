from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from patchbot.errors import ConfigError
from patchbot.model import Release
from patchbot.series import carried, policy
from patchbot.symbols.rules import RULES

PATCHES = Path(__file__).parents[2] / "patches"

GOOD = {
    "name": "suffix-c",
    "kind": "generated",
    "why": "C has no namespaces.",
    "upstream": "never",
}


def parsed(text: str) -> policy.Policy:
    return policy.parse(tomllib.loads(text))


def patch(**more: object) -> dict[str, object]:
    return {**GOOD, **more}


def without(key: str) -> dict[str, object]:
    return {k: v for k, v in GOOD.items() if k != key}


def test_the_projects_own_policy_says_why_for_every_rule_and_every_carried_patch() -> None:
    ours = policy.load(PATCHES)
    kinds = {kind: {n for n, p in ours.patches.items() if p.kind is kind} for kind in policy.PatchKind}
    assert kinds[policy.PatchKind.GENERATED] == set(RULES)
    assert kinds[policy.PatchKind.CARRIED] == {folder.name for folder in (PATCHES / "carried").iterdir()}
    assert not carried.strays(PATCHES, sorted(kinds[policy.PatchKind.CARRIED]))
    for name in kinds[policy.PatchKind.CARRIED]:
        assert all(form.read().message.startswith(f"{name}: ") for form in carried.forms(PATCHES, name))
    assert all(entry.why.endswith(".") for entry in ours.patches.values())
    assert all(e.upstream == "never" or e.upstream.startswith("https://") for e in ours.patches.values())
    assert ours.data == (PATCHES / policy.FILE_NAME).read_bytes()


def test_the_projects_own_policy_keeps_what_debuggers_look_up() -> None:
    names = {keep.name for keep in policy.load(PATCHES).names.keep}
    assert {"__jit_debug_register_code", "__jit_debug_descriptor"} <= names


def test_every_field_is_read() -> None:
    text = """
        [[patch]]
        name = "suffix-c"
        kind = "generated"
        why = "C has no namespaces."
        upstream = "https://example.invalid/1"
        first = "0.40.0"
        last = "11.0.2"

        [[keep]]
        name = "__debugger_looks"
        why = "A debugger looks."

        [[keep]]
        path = "*/platform.rs"
        why = "The embedder defines them."

        [[blind-spot]]
        path = "*/odd.rs"
        says = "a macro"
        why = "It makes no names."
    """
    read = parsed(text)
    assert read.patches == {
        "suffix-c": policy.PatchPolicy(
            name="suffix-c",
            kind=policy.PatchKind.GENERATED,
            why="C has no namespaces.",
            upstream="https://example.invalid/1",
            first=Release(0, 40, 0),
            last=Release(11, 0, 2),
        )
    }
    assert [(k.name, k.path, k.why) for k in read.names.keep] == [
        ("__debugger_looks", "", "A debugger looks."),
        ("", "*/platform.rs", "The embedder defines them."),
    ]
    assert [(a.path, a.says, a.why) for a in read.names.allowed] == [
        ("*/odd.rs", "a macro", "It makes no names.")
    ]


def test_an_empty_policy_allows_no_patch() -> None:
    empty = policy.parse({})
    empty.check(Release(8, 0, 1), [])
    with pytest.raises(ConfigError, match="does not say why there is a patch suffix-c"):
        empty.check(Release(8, 0, 1), ["suffix-c"])


@pytest.mark.parametrize(
    ("table", "where", "what"),
    [
        ({"patches": []}, None, "patches: no such table"),
        ({"patch": "suffix-c"}, "patch", "must be [[patch]] tables"),
        ({"patch": GOOD}, "patch", "must be [[patch]] tables"),
        ({"patch": [patch(), "suffix-c"]}, "patch", "must be [[patch]] tables"),
        ({"keep": 3}, "keep", "must be [[keep]] tables"),
        ({"blind-spot": [[]]}, "blind-spot", "must be [[blind-spot]] tables"),
        *(
            ({"patch": [patch(name="a"), without(key)]}, "patch[1]", f"needs {key}")
            for key in ("name", "kind", "why", "upstream")
        ),
        ({"patch": [patch(why="  ")]}, "patch[0]", "needs why"),
        ({"patch": [patch(why=["a"])]}, "patch[0]", "needs why"),
        ({"patch": [patch(because="x", also="y")]}, "patch[0]", "also, because: no such key"),
        ({"patch": [patch(kind="guessed")]}, "patch[0]", "'guessed' is not a valid PatchKind"),
        ({"patch": [patch(first="v12")]}, "patch[0]", "'v12' is not a release"),
        ({"patch": [patch(last=12)]}, "patch[0]", "expected string"),
        ({"patch": [patch(first="9.0.0", last="8.0.1")]}, "patch[0]", "no release is from 9.0.0 to 8.0.1"),
        ({"patch": [patch(), patch(name="b"), patch()]}, "patch[2]", "suffix-c is there twice"),
        ({"keep": [{"why": "x"}]}, "keep[0]", "needs a name or a path"),
        ({"keep": [{"why": "x", "name": "n", "path": "p"}]}, "keep[0]", "needs a name or a path"),
        ({"keep": [{"why": "x", "name": "n"}, {"name": "n"}]}, "keep[1]", "needs why"),
        ({"keep": [{"why": "x", "name": ""}]}, "keep[0]", "needs name"),
        ({"keep": [{"why": "x", "path": 3}]}, "keep[0]", "needs path"),
        ({"keep": [{"why": "x", "names": "n"}]}, "keep[0]", "names: no such key"),
        ({"blind-spot": [{"path": "p", "says": "s"}]}, "blind-spot[0]", "needs why"),
        ({"blind-spot": [{"path": "p", "why": "s"}]}, "blind-spot[0]", "needs says"),
        ({"blind-spot": [{"path": "p", "says": "s", "why": "w", "line": 3}]}, "blind-spot[0]", "line: no"),
    ],
)
def test_a_wrong_entry_is_told_with_its_place(table: dict[str, object], where: str | None, what: str) -> None:
    with pytest.raises(ConfigError) as told:
        policy.parse(table)
    assert told.value.where == where
    assert what in told.value.what


@pytest.mark.parametrize(
    ("first", "last", "inside", "outside"),
    [
        (None, None, ["0.1.0", "8.0.1", "99.0.0"], []),
        ("12.0.0", None, ["12.0.0", "12.0.1", "50.0.0"], ["11.0.2", "0.40.0", "12.0.0-rc.1"]),
        (None, "11.0.2", ["0.40.0", "11.0.2", "11.0.2-rc.9"], ["11.0.3", "12.0.0"]),
        ("2.0.0", "10.0.0", ["2.0.0", "9.9.9", "10.0.0"], ["1.99.99", "10.0.1"]),
    ],
)
def test_a_patch_is_expected_in_its_range_only(
    first: str | None, last: str | None, inside: list[str], outside: list[str]
) -> None:
    bounds = {k: v for k, v in (("first", first), ("last", last)) if v is not None}
    read = policy.parse({"patch": [patch(**bounds)]})
    for release in inside:
        read.check(Release.parse(release), ["suffix-c"])
    for release in outside:
        with pytest.raises(ConfigError, match=f"suffix-c matched in {release}, and is expected") as told:
            read.check(Release.parse(release), ["suffix-c"])
        assert str(first or "the first") in told.value.what
        assert str(last or "the newest release") in told.value.what
        assert told.value.where == policy.FILE_NAME
        assert "widen the range" in str(told.value.hint)


def test_every_patch_of_a_release_is_looked_at() -> None:
    read = policy.parse({"patch": [patch(), patch(name="suffix-rust", last="3.0.0")]})
    with pytest.raises(ConfigError, match=r"suffix-rust matched in 8\.0\.1"):
        read.check(Release(8, 0, 1), ["suffix-c", "suffix-rust"])


def test_a_missing_policy_is_told_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file") as told:
        policy.load(tmp_path)
    assert told.value.where == str(tmp_path / "policy.toml")
    assert told.value.hint == "every patch needs a policy"


@pytest.mark.parametrize("data", [b"[[patch]\n", b"why = '\xff'\n"])
def test_a_policy_that_is_no_toml_is_told_with_its_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "policy.toml").write_bytes(data)
    with pytest.raises(ConfigError, match="cannot be read") as told:
        policy.load(tmp_path)
    assert told.value.where == str(tmp_path / "policy.toml")


def test_a_wrong_entry_of_a_file_is_told_with_file_and_entry(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[[keep]]\nwhy = "x"\n')
    with pytest.raises(ConfigError) as told:
        policy.load(tmp_path)
    assert told.value.where == f"{tmp_path / 'policy.toml'}: keep[0]"
    (tmp_path / "policy.toml").write_text("[stray]\n")
    with pytest.raises(ConfigError) as told:
        policy.load(tmp_path)
    assert told.value.where == str(tmp_path / "policy.toml")
