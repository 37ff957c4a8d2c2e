from __future__ import annotations

import dataclasses
import json
import operator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot import model
from patchbot.errors import ConfigError, UsageError
from patchbot.model import (
    BlindSpot,
    CratePin,
    Dependency,
    DependencyKind,
    ForkedCrate,
    ForkedRelease,
    ImportedRelease,
    IndexEntry,
    Inventory,
    Kind,
    LinksKey,
    LinksReader,
    NameInString,
    Release,
    Role,
    Suffix,
    Symbol,
)

prop = settings(max_examples=60, deadline=None, derandomize=True)

numbers = st.integers(min_value=0, max_value=10**18)
identifiers = st.one_of(
    st.integers(min_value=0, max_value=99).map(str),
    st.from_regex(r"[0-9]{0,2}[A-Za-z-][0-9A-Za-z-]{0,3}", fullmatch=True),
)
# few numbers, so that two releases often agree in some of them
near_releases = st.builds(
    Release,
    *(st.integers(min_value=0, max_value=2) for _ in range(3)),
    st.lists(st.sampled_from(["0", "1", "2", "10", "a", "rc", "-", "1a", "A"]), max_size=3).map(tuple),
)
releases = st.builds(Release, numbers, numbers, numbers, st.lists(identifiers, max_size=3).map(tuple))


# -- releases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("", "8", "8.0", "8.0.1.2", "v8.0.1", " 8.0.1", "8.0.1\n", "8.0.1 ", "08.0.1", "8.00.1", "8.0.-1"),
        *("8.0.1-", "8.0.1-a..b", "8.0.1-a_b", "8.0.1+build", "8.0.1-rc.1+build", "8.0.1-01", "8.0.1-ä"),
        *("8.0.1٣", "٣.0.1", "8.0.1-rc.٣", "1.0." + "9" * 5000, "1.0.0-" + "9" * 5000),
    ],
)
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a release") as caught:
        Release.parse(text)
    assert "8.0.1 or 50.0.0-rc.1" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("8.0.1", Release(8, 0, 1)),
        ("0.40.0", Release(0, 40, 0)),
        ("50.0.0-rc.1", Release(50, 0, 0, ("rc", "1"))),
        ("1.0.0-0.3.7", Release(1, 0, 0, ("0", "3", "7"))),
        ("1.0.0-x-y-z.--", Release(1, 0, 0, ("x-y-z", "--"))),
        ("1.0.0-0a", Release(1, 0, 0, ("0a",))),
        ("1.0.999999999999999999", Release(1, 0, 10**18 - 1)),
    ],
)
def test_a_release_is_read_as_it_is_written(text: str, release: Release) -> None:
    assert Release.parse(text) == release
    assert str(release) == text
    assert release.is_prerelease == ("-" in text)


@prop
@given(releases)
def test_reading_what_was_written_gives_the_same_release(release: Release) -> None:
    assert Release.parse(str(release)) == release


@prop
@given(st.text(alphabet="0123456789.-arc٣", max_size=12))
def test_what_is_read_is_written_the_same(text: str) -> None:
    try:
        release = Release.parse(text)
    except UsageError:
        return
    assert str(release) == text


def test_releases_are_in_the_order_of_the_semver_specification() -> None:
    # semver.org 2.0.0, items 11.2 to 11.4
    texts = [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
        *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1"),
    ]
    expected = [Release.parse(text) for text in texts]
    assert sorted(sorted(expected, key=str, reverse=True)) == expected
    for index, low in enumerate(expected):
        for high in expected[index + 1 :]:
            assert low < high
            assert high > low
            assert low <= high
            assert high >= low
            assert low != high


def test_numbers_count_as_numbers() -> None:
    assert Release(9, 0, 4) < Release(10, 0, 0)
    assert Release(1, 0, 0, ("9",)) < Release(1, 0, 0, ("10",)) < Release(1, 0, 0, ("1a",))


@prop
@given(near_releases, near_releases, near_releases)
def test_the_order_of_releases_is_total(a: Release, b: Release, c: Release) -> None:
    assert (a < b) + (a == b) + (b < a) == 1
    assert (a <= b) == (a < b or a == b)
    assert not (a < b and b < c and not a < c)
    assert (a == b) == (str(a) == str(b))
    if a == b:
        assert hash(a) == hash(b)


@prop
@given(near_releases)
def test_a_prerelease_comes_before_its_release(release: Release) -> None:
    whole = Release(release.major, release.minor, release.patch)
    assert (release < whole) == release.is_prerelease


def test_a_release_is_not_compared_with_other_things() -> None:
    with pytest.raises(TypeError):
        operator.lt(Release(8, 0, 1), "8.0.1")
    assert not operator.eq(Release(8, 0, 1), "8.0.1")


@pytest.mark.parametrize(
    ("text", "slug"), [("8.0.1", "8-0-1"), ("50.0.0-rc.1", "50-0-0-rc-1"), ("1.0.0---", "1-0-0-")]
)
def test_the_slug_has_no_dots(text: str, slug: str) -> None:
    assert Release.parse(text).slug == slug


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("36.0.20", "36.x"),
        ("1.0.0", "1.x"),
        ("0.40.1", "0.40.x"),
        ("0.0.3", "0.0.3"),
        ("50.0.0-rc.1", "50.x"),
    ],
)
def test_a_range_is_what_a_caret_takes_for_one_another(text: str, versions: str) -> None:
    assert Release.parse(text).range == versions


# -- names -----------------------------------------------------------------------------------------


def test_every_value_is_found_where_it_stands() -> None:
    homes = {name: home for home, names in model._HOMES.items() for name in names}
    assert sorted(homes) == sorted(model.__all__)
    for name, home in homes.items():
        value = getattr(model, name)
        assert getattr(value, "__module__", f"patchbot.model.{home}") in {
            f"patchbot.model.{home}",
            "builtins",
        }
    with pytest.raises(AttributeError, match="no attribute 'Missing'"):
        _ = model.Missing


# -- suffixes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "template", "mark", "text"),
    [
        ("8.0.1", "_{version}_{mark}", "pb", "_8_0_1_pb"),
        ("50.0.0-rc.1", "_{version}_{mark}", "pb", "_50_0_0_rc_1_pb"),
        ("8.0.1", "_{mark}{version}", "v", "_v8_0_1"),
        ("8.0.1", "_x", "pb", "_x"),
        ("8.0.1", "_{version}_{mark}", "a-b.c", "_8_0_1_a_b_c"),
        ("1.0.0---", "_{version}", "pb", "_1_0_0_"),
    ],
)
def test_a_template_is_filled_in(release: str, template: str, mark: str, text: str) -> None:
    suffix = Suffix.of(Release.parse(release), template=template, mark=mark)
    assert (suffix.text, str(suffix)) == (text, text)


@pytest.mark.parametrize(
    "template",
    [
        *("{version", "_{}", "_{0}", "_{release}", "_{version!z}", "_{version.major}", "_{version.nope}"),
        *("_{version[0][9]}", "_{mark:d}", "}"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused(template: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Suffix.of(Release(8, 0, 1), template=template, mark="pb")
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    "text", ["", "_", "8_0_1", "v8", "_8 0", "_ä", "_8_0_1\n", "_8+1", "_٣", '_"', "_$x", "-x"]
)
def test_what_cannot_end_a_c_identifier_is_no_suffix(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be part of a C identifier"):
        Suffix(text)


# -- index lines ------------------------------------------------------------------------------------

packages = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
words = st.lists(st.text(max_size=6), max_size=3).map(tuple)
dependencies = st.builds(
    Dependency,
    alias=st.text(min_size=1, max_size=8),
    package=packages,
    req=st.text(max_size=8),
    kind=st.sampled_from(DependencyKind),
    optional=st.booleans(),
    default_features=st.booleans(),
    features=words,
    target=st.none() | st.text(max_size=8),
    registry=st.none() | st.text(min_size=1, max_size=8),
)
entries = st.builds(
    IndexEntry,
    name=packages,
    version=releases.map(str),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    yanked=st.booleans(),
    dependencies=st.lists(dependencies, max_size=3).map(tuple),
    features=st.dictionaries(st.text(max_size=6), words, max_size=3),
    links=st.none() | st.text(max_size=6),
    rust_version=st.none() | st.just("1.70"),
    published=st.sampled_from(["", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123+02:00"]),
)


def through_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(json.dumps(value))


@prop
@given(dependencies)
def test_a_dependency_survives_json(dependency: Dependency) -> None:
    assert Dependency.from_json(through_json(dependency.to_json())) == dependency


@prop
@given(entries)
def test_an_index_entry_survives_json(entry: IndexEntry) -> None:
    again = IndexEntry.from_json(through_json(entry.to_json()))
    assert again == entry
    assert json.dumps(again.to_json()) == json.dumps(IndexEntry.from_json(again.to_json()).to_json())


LINE: dict[str, Any] = {"name": "wasmtime", "vers": "8.0.1", "deps": [], "cksum": "0" * 64}
DEPENDENCY: dict[str, Any] = {"name": "cc", "req": "^1"}


def test_what_an_index_line_leaves_out_has_cargos_defaults() -> None:
    entry = IndexEntry.from_json({**LINE, "deps": [DEPENDENCY]})
    assert entry == IndexEntry(
        name="wasmtime",
        version="8.0.1",
        sha256="0" * 64,
        yanked=False,
        dependencies=(
            Dependency(
                alias="cc",
                package="cc",
                req="^1",
                kind=DependencyKind.NORMAL,
                optional=False,
                default_features=True,
                features=(),
                target=None,
            ),
        ),
        features={},
    )


def test_what_an_index_line_says_is_read() -> None:
    entry = IndexEntry.from_json(
        {
            **LINE,
            "deps": [
                {
                    **DEPENDENCY,
                    "package": "real",
                    "kind": "build",
                    "optional": True,
                    "default_features": False,
                    "features": ["a"],
                    "target": "cfg(unix)",
                    "registry": "https://other",
                },
                {**DEPENDENCY, "kind": None, "features": None, "package": None},
            ],
            "yanked": True,
            "features": {"z": ["y"], "b": ["c"]},
            "features2": {"a": ["dep:cc"]},
            "links": "native",
            "rust_version": "1.70",
            "pubtime": "2024-01-02T03:04:05Z",
            "v": 2,
        }
    )
    assert entry.dependencies[0] == Dependency(
        "cc", "real", "^1", DependencyKind.BUILD, True, False, ("a",), "cfg(unix)", "https://other"  # noqa: FBT003
    )  # fmt: skip
    assert (entry.dependencies[1].kind, entry.dependencies[1].package) == (DependencyKind.NORMAL, "cc")
    assert list(entry.features.items()) == [("a", ("dep:cc",)), ("b", ("c",)), ("z", ("y",))]
    assert (entry.yanked, entry.links, entry.rust_version) == (True, "native", "1.70")
    assert entry.published == "2024-01-02T03:04:05Z"


@pytest.mark.parametrize("key", ["name", "vers", "cksum", "deps"])
def test_an_index_line_must_have_its_keys(key: str) -> None:
    with pytest.raises(KeyError):
        IndexEntry.from_json({k: v for k, v in LINE.items() if k != key})


@pytest.mark.parametrize(
    "wrong",
    [
        # names, versions and digests become parts of paths and addresses
        {"name": "../../.bashrc"},
        {"name": "wasmtime-/../../x"},
        {"name": ""},
        {"name": "-x"},
        {"name": "a\n"},
        {"name": "{version}"},
        {"name": 3},
        {"vers": "../8.0.1"},
        {"vers": ""},
        {"vers": "8.0.1/x"},
        {"vers": 8},
        {"cksum": "../../secret"},
        {"cksum": "0" * 63},
        {"cksum": "A" * 64},
        {"cksum": None},
        {"deps": None},
        {"deps": ["cc"]},
        {"deps": [{"req": "^1"}]},
        {"deps": [{**DEPENDENCY, "name": "wasmtime-/../x"}]},
        {"deps": [{**DEPENDENCY, "package": "../x"}]},
        {"deps": [{**DEPENDENCY, "kind": "weekly"}]},
        {"deps": [{**DEPENDENCY, "features": "abc"}]},
        {"deps": [{**DEPENDENCY, "features": [1]}]},
        {"features": {"a": "b"}},
        {"features": ["a"]},
        {"pubtime": "yesterday"},
        {"pubtime": "2024-01-02T03:04:05"},
    ],
)
def test_an_index_line_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        IndexEntry.from_json({**LINE, **wrong})


# cargo book, "Index Files"
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", "1/a"),
        ("cc", "2/cc"),
        ("mio", "3/m/mio"),
        ("wast", "wa/st/wast"),
        ("wasmtime", "wa/sm/wasmtime"),
        ("MyCrate", "my/cr/mycrate"),
        ("Mio", "3/m/mio"),
    ],
)
def test_an_index_keeps_crates_where_cargo_looks_for_them(name: str, path: str) -> None:
    assert model.index_path(name) == path


def test_the_prefix_of_a_download_keeps_the_case() -> None:
    assert [model.index_prefix(n) for n in ("A", "Cc", "Mio", "MyCrate")] == ["1", "2", "3/M", "My/Cr"]


@prop
@given(packages)
def test_the_place_in_an_index_is_lower_case_and_ends_with_the_name(name: str) -> None:
    path = model.index_path(name)
    folders, _, last = path.rpartition("/")
    assert last == name.lower()
    assert path == model.index_path(name.upper())
    assert folders.split("/")[0] in {"1", "2", "3", name.lower()[:2]}
    assert len(path.split("/")) == (2 if len(name) < 3 else 3)


# -- releases in the store --------------------------------------------------------------------------


def pin(name: str, path: str) -> CratePin:
    return CratePin(IndexEntry(name, "8.0.1", "0" * 64, False, (), {}), path, "c" * 40)  # noqa: FBT003


def imported(*pins: CratePin) -> ImportedRelease:
    return ImportedRelease(
        release=Release.parse("50.0.0-rc.1"),
        roots=("wasmtime", "wasmtime-wasi"),
        commit="c" * 40,
        tree="d" * 40,
        published="2024-01-02T03:04:05Z",
        crates=pins,
        flags=("odd",),
    )


@prop
@given(
    st.lists(st.builds(CratePin, entries, st.text(max_size=8), st.text(max_size=8)), max_size=3).map(tuple)
)
def test_an_imported_release_survives_json(pins: tuple[CratePin, ...]) -> None:
    release = imported(*pins)
    assert ImportedRelease.from_json(through_json(release.to_json())) == release


def test_the_deepest_crate_owns_a_file() -> None:
    release = imported(pin("outer", "crates/a"), pin("inner", "crates/a/b"), pin("other", "crates/ab"))
    owners = {
        "crates/a/src/lib.rs": "outer",
        "crates/a/b/src/lib.rs": "inner",
        "crates/a/bc": "outer",
        "crates/ab/x": "other",
    }
    for path, owner in owners.items():
        assert (found := release.owner(path)) is not None
        assert found.name == owner
    assert release.owner("crates/a") is None
    assert release.owner("crates/abc/x") is None
    # one at the root has all that is nobody else's
    around = imported(*release.crates, pin("root", ""))
    assert [around.owner(path) for path in ("src/x", "crates/abc/x")] == [around.crate("root")] * 2
    assert around.owner("crates/a/x") == release.crate("outer")


def test_a_crate_is_found_by_its_name() -> None:
    release = imported(pin("a", "crates/a"), pin("b", "crates/b"))
    crate = release.crate("b")
    assert (crate.path, crate.name, crate.version, crate.sha256) == ("crates/b", "b", "8.0.1", "0" * 64)
    with pytest.raises(KeyError):
        release.crate("c")


def test_a_fork_is_found_by_the_name_of_its_upstream() -> None:
    upstream = pin("wasmtime-runtime", "crates/runtime")
    entry = dataclasses.replace(upstream.entry, name="wasmtime-runtime-v8-0-1")
    fork = ForkedCrate(upstream, entry, b"bytes", "it defines names")
    release = ForkedRelease(Release(8, 0, 1), Suffix("_8_0_1_pb"), (fork,))
    assert release.crate("wasmtime-runtime") is fork
    assert fork.library == "wasmtime_runtime_v8_0_1"
    assert "bytes" not in repr(fork)
    with pytest.raises(KeyError):
        release.crate("wasmtime-runtime-v8-0-1")


# -- inventories ------------------------------------------------------------------------------------


def symbol(name: str, kind: Kind = Kind.OWN, role: Role = Role.DEFINE, crate: str = "runtime") -> Symbol:
    return Symbol(name, role, f"crates/{crate}/src/lib.rs", 3, kind, crate, "no_mangle", "cfg(unix)")


INVENTORY = Inventory(
    symbols=(
        symbol("a"),
        symbol("a", role=Role.IMPORT, crate="fiber"),
        symbol("b", role=Role.IMPORT),
        symbol("__jit_debug_descriptor", Kind.KEEP, crate="jit-debug"),
        symbol("memcpy", Kind.FOREIGN, Role.IMPORT),
    ),
    strings=(NameInString("a", "crates/cranelift/src/x.rs", 1, "cranelift", "_8_0_1"),),
    links=(LinksKey("native", "key", (LinksReader("build.rs", 2, "DEP_KEY_X"),)),),
    blind_spots=(BlindSpot("crates/x.rs", 9, "a macro"),),
    upstream_suffix="_12_0_0",
)


def test_names_are_chosen_by_kind_and_role() -> None:
    assert INVENTORY.names() == {"a", "b", "memcpy", "__jit_debug_descriptor"}
    assert INVENTORY.names(Kind.OWN) == {"a", "b"}
    assert INVENTORY.names(Kind.OWN, role=Role.DEFINE) == {"a"}
    assert INVENTORY.names(Kind.KEEP, Kind.FOREIGN) == {"memcpy", "__jit_debug_descriptor"}
    assert INVENTORY.names(role=Role.IMPORT) == {"a", "b", "memcpy"}
    assert INVENTORY.names(Kind.EMBEDDER) == frozenset()


def test_owners_define_or_import_own_names_spell_them_or_have_a_links_key() -> None:
    assert INVENTORY.owners() == {"runtime", "fiber", "cranelift", "native"}


def test_an_inventory_survives_json() -> None:
    assert Inventory.from_json(through_json(INVENTORY.to_json())) == INVENTORY
    assert Inventory.from_json(through_json(Inventory(()).to_json())) == Inventory(())


def test_the_keys_of_scan_json_are_a_promise() -> None:
    data = INVENTORY.to_json()
    assert {"name", "role", "kind", "crate", "path", "line", "form", "cfg", "upstream_suffixed"} <= data[
        "symbols"
    ][0].keys()
    assert (data["symbols"][0]["role"], data["symbols"][0]["kind"]) == ("define", "own")
    assert data["links"] == [
        {
            "crate": "native",
            "key": "key",
            "readers": [{"path": "build.rs", "line": 2, "variable": "DEP_KEY_X"}],
        }
    ]
    assert data["blind_spots"] == [{"path": "crates/x.rs", "line": 9, "why": "a macro"}]


# -- words ------------------------------------------------------------------------------------------


def test_a_links_key_gets_the_suffix_and_cargos_variables_follow() -> None:
    key = model.suffixed_links_key("wasi-common-19", Suffix("_8_0_1_pb"))
    assert key == "wasi-common-19_8_0_1_pb"
    assert model.links_variable(key) == "DEP_WASI_COMMON_19_8_0_1_PB_"
    assert model.links_variable("a.b") == "DEP_A.B_"


@pytest.mark.parametrize(
    ("words", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_lists_are_spoken(words: list[str], text: str) -> None:
    assert model.spoken_list(words) == text
    assert model.spoken_list(iter(words)) == text
