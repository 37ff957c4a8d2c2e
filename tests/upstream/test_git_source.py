from __future__ import annotations

from pathlib import Path

import pytest
from support.repository import Repository, tree

from patchbot.errors import ConfigError, EnvironmentProblem, RepositoryError, UsageError
from patchbot.git import remote
from patchbot.git.store import Store, TreeEntry
from patchbot.model import CratePin, DependencyKind, Release
from patchbot.upstream import differences, manifests, tags
from patchbot.upstream.git_tree import SUBMODULE, SYMLINK, GitTree
from patchbot.upstream.manifests import Package

PLAIN = "100644"
V8 = Release(8, 0, 1)

ROOT = """\
[workspace]
[workspace.package]
version = "8.0.1"
rust-version = "1.66"
[workspace.dependencies]
wasmtime-b = { path = "crates/b", version = "=8.0.1", default-features = false }
other = { version = "1.2", features = ["x"], package = "real-other" }
plain = "0.3"
[workspace.lints.rust]
unused = "warn"
"""


def read(files: dict[str, str]) -> dict[str, Package]:
    found = manifests.read({path: text.encode() for path, text in files.items()})
    assert found.unread == {}
    return {package.entry.name: package for package in found.packages}


def crate(name: str, rest: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "8.0.1"\n{rest}'


# -- manifests --------------------------------------------------------------------------------------


def test_what_a_workspace_says_is_inherited() -> None:
    text = """\
[package]
name = "a"
version.workspace = true
rust-version.workspace = true
links = "a-shims"
[dependencies]
wasmtime-b = { workspace = true, optional = true }
other = { workspace = true, features = ["y"] }
plain.workspace = true
[target.'cfg(windows)'.build-dependencies]
plain = { workspace = true }
[dev-dependencies]
wasmtime-c = { path = "../c" }
third = "2"
[lints]
workspace = true
[features]
async = ["dep:wasmtime-b"]
"""
    package = read({"Cargo.toml": ROOT, "crates/a/Cargo.toml": text})["a"]
    entry = package.entry
    assert (entry.version, entry.rust_version, entry.links, entry.sha256) == ("8.0.1", "1.66", "a-shims", "")
    assert entry.features == {"async": ("dep:wasmtime-b",)}
    rows = [(d.alias, d.package, d.req, d.kind, d.optional, d.target) for d in entry.dependencies]
    assert rows == [
        ("wasmtime-b", "wasmtime-b", "=8.0.1", DependencyKind.NORMAL, True, None),
        ("other", "real-other", "^1.2", DependencyKind.NORMAL, False, None),
        ("plain", "plain", "^0.3", DependencyKind.NORMAL, False, None),
        ("third", "third", "^2", DependencyKind.DEV, False, None),
        ("plain", "plain", "^0.3", DependencyKind.BUILD, False, "cfg(windows)"),
    ]
    by_alias = {d.alias: d for d in entry.dependencies}
    assert by_alias["other"].features == ("x", "y")
    assert by_alias["wasmtime-b"].default_features is False
    assert b"workspace" not in package.manifest
    again = read({"crates/a/Cargo.toml": package.manifest.decode()})["a"]
    assert again.entry == entry


def test_a_manifest_that_inherits_nothing_keeps_its_bytes() -> None:
    text = crate("a", "# with a comment\n")
    assert read({"a/Cargo.toml": text})["a"].manifest == text.encode()


def test_a_member_switches_default_features_on_and_not_off() -> None:
    both = "{ workspace = true, default-features = %s }"
    text = crate("a", f"[dependencies]\nwasmtime-b = {both % 'true'}\nother = {both % 'false'}\n")
    found = {
        d.alias: d.default_features
        for d in read({"Cargo.toml": ROOT, "a/Cargo.toml": text})["a"].entry.dependencies
    }
    assert found == {"wasmtime-b": True, "other": True}


@pytest.mark.parametrize(
    ("text", "req"),
    [('"8.0.1"', "^8.0.1"), ('"= 8.0.1"', "=8.0.1"), ('">=1, <2"', ">=1, <2"), ('"1.*"', "1.*"), ('"*"', "*"),
     ('{ path = "../b" }', "=8.0.1"), ('{ git = "https://example.org" }', "*"), ('{ path = "../none" }', "*")],
)  # fmt: skip
def test_requirements_are_spelled_as_cargo_publishes_them(text: str, req: str) -> None:
    files = {"a/Cargo.toml": crate("a", f"[dependencies]\nb = {text}\n"), "b/Cargo.toml": crate("b")}
    assert [d.req for d in read(files)["a"].entry.dependencies] == [req]


@pytest.mark.parametrize(
    "text", [crate("a", "publish = false\n"), crate("a", "publish = []\n"), '[package]\nname = "a"\n']
)
def test_what_is_never_published_is_no_crate(text: str) -> None:
    assert read({"a/Cargo.toml": text}) == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "end of document"),
        ('[package]\nname = "../a"\nversion = "1.0.0"\n', "is no package name"),
        ('[package]\nname = "a"\nversion.workspace = true\n', "nothing says 'version'"),
        (crate("a", "[dependencies]\nb.workspace = true\n"), "nothing says 'b'"),
        (crate("a", 'include = "src"\n'), "no list of patterns"),
        (crate("a", 'workspace = "/"\n[dependencies]\nb.workspace = true\n'), "nothing says 'b'"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(text: str, why: str) -> None:
    found = manifests.read({"a/Cargo.toml": text.encode(), "b/Cargo.toml": crate("b").encode()})
    assert [package.entry.name for package in found.packages] == ["b"]
    assert why in found.unread["a/Cargo.toml"]


def test_two_folders_with_one_package_are_refused() -> None:
    found = manifests.read({f"{folder}/Cargo.toml": crate("a").encode() for folder in "xy"})
    with pytest.raises(RepositoryError, match=r"x and y are both a 8\.0\.1"):
        found.entries("a")


# -- files ------------------------------------------------------------------------------------------


def packed(files: dict[str, str], rest: str = "", *, path: str = "a") -> tuple[list[str], list[str]]:
    """Return what is packed of the crate at ``path`` and what is flagged; a file's value is its mode."""
    package = read({f"{path}/Cargo.toml": crate("a", rest)})["a"]
    modes = {f"{path}/Cargo.toml": PLAIN, **files}
    entries = {p: TreeEntry(p, mode.partition(" ")[0], p) for p, mode in modes.items()}
    links = {p: mode.partition(" ")[2] for p, mode in modes.items() if mode.startswith(SYMLINK)}
    found, flags = GitTree(entries, links).crate_files(package)
    return sorted(entry.path for entry in found), flags


def test_nested_crates_and_other_folders_are_not_packed() -> None:
    files = dict.fromkeys(
        ["a/src/lib.rs", "a/macro/Cargo.toml", "a/macro/src/lib.rs", "ab/x.rs", "x.rs"], PLAIN
    )
    assert packed(files) == (["a/Cargo.toml", "a/src/lib.rs"], [])


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        ('include = ["src/**/*", "LICENSE"]', ["a/LICENSE", "a/src/lib.rs", "a/src/x/y.c", "a/z/LICENSE"]),
        ('include = ["/src/*.rs"]', ["a/src/lib.rs"]),
        ('include = ["src", "!*.c"]', ["a/src/lib.rs"]),
        ('exclude = ["/src/", "*ICENSE"]', []),
        ('exclude = ["x/"]', ["a/LICENSE", "a/src/lib.rs", "a/z/LICENSE"]),
        ('exclude = ["**/y.[a-c]", "LIC?NSE"]', ["a/src/lib.rs"]),
        ('exclude = ["# no pattern", " "]', ["a/LICENSE", "a/src/lib.rs", "a/src/x/y.c", "a/z/LICENSE"]),
    ],
)
def test_include_and_exclude_are_read_as_cargo_reads_them(rest: str, wanted: list[str]) -> None:
    files = dict.fromkeys(["a/src/lib.rs", "a/src/x/y.c", "a/LICENSE", "a/z/LICENSE"], PLAIN)
    assert packed(files, f"{rest}\n") == (sorted([*wanted, "a/Cargo.toml"]), [])


def test_a_pattern_that_cannot_be_read_is_told() -> None:
    with pytest.raises(RepositoryError, match="pattern"):
        packed({}, 'exclude = ["[z-a]"]\n')


def test_symlinks_are_followed_inside_the_repository_alone() -> None:
    files = {
        "a/good": f"{SYMLINK} ../LICENSE",
        "a/over": f"{SYMLINK} ../folder/LICENSE",
        "a/away": f"{SYMLINK} ../../etc/passwd",
        "a/root": f"{SYMLINK} /etc/passwd",
        "a/loop": f"{SYMLINK} loop",
        "a/dir": f"{SYMLINK} ../real",
        "folder": f"{SYMLINK} real",
        "real/LICENSE": PLAIN,
        "LICENSE": PLAIN,
    }
    found, flags = packed(files)
    assert found == ["a/Cargo.toml", "a/good", "a/over"]
    assert [flag.partition(" ")[0] for flag in flags] == ["a/away", "a/root", "a/loop", "a/dir"]
    assert "a symlink to /etc/passwd, which is no file here" in flags[1]


def test_a_followed_symlink_has_the_bytes_of_its_target() -> None:
    entries = {"a/x": TreeEntry("a/x", SYMLINK, "words"), "y": TreeEntry("y", "100755", "bytes")}
    assert GitTree(entries, {"a/x": "../y"}).follow("a/x") == TreeEntry("y", "100755", "bytes")


def test_submodules_and_paths_that_no_crate_can_have_are_flagged() -> None:
    found, flags = packed({"a/sub": SUBMODULE, "a/src/\udcff.rs": PLAIN, "a/src/aux.rs": PLAIN})
    assert found == ["a/Cargo.toml"]
    assert [flag.partition(": ")[2] for flag in flags] == [
        "it is a submodule",
        "its path is not UTF-8, and no crate can have it",
        "its path has the part 'aux.rs', a device name",
    ]


# -- crates beside their tag ------------------------------------------------------------------------


def compared(
    crates: dict[str, str], tag: dict[str, str], copied: dict[str, str] | None = None, *, folder: str = "a"
) -> tuple[dict[str, int], dict[str, str]]:
    """Compare the crate in ``folder`` with a tag; a file's value is its blob, after a mode and a colon if it has one."""
    pin = CratePin(read({"a/Cargo.toml": crate("a")})["a"].entry, folder, "")
    entries, links = {}, {}
    for path, text in tag.items():
        mode, _, word = text.rpartition(":")
        entries[path] = TreeEntry(path, mode or PLAIN, word)
        if mode == SYMLINK:
            links[path] = word
    published = [TreeEntry(path, PLAIN, oid) for path, oid in crates.items()]
    found = differences.compare([pin], published, GitTree(entries, links), copied or {})
    counts = {fate.value: count for fate, count in found.counts.items() if count}
    return counts, {row.path: row.why for row in found.unexplained}


def test_every_file_of_a_crate_has_a_fate() -> None:
    crates = {
        "a/Cargo.toml": "normalised",
        "a/Cargo.toml.orig": "written",
        "a/Cargo.lock": "lock",
        "a/src/lib.rs": "lib",
        "a/LICENSE": "licence",
        "a/README.md": "readme",
        "a/sub/x.c": "x",
    }
    tag = {
        "a/Cargo.toml": "written",
        "a/src/lib.rs": "lib",
        "a/LICENSE": f"{SYMLINK}:../LICENSE",
        "a/sub": f"{SUBMODULE}:1",
        "a/tests/all.rs": "test",
        "LICENSE": "licence",
        "b/README.md": "readme",
    }
    counts, rest = compared(crates, tag, {"a/README.md": "b/README.md"})
    assert rest == {}
    assert counts == {"same": 1, "normalised": 1, "followed": 2, "made": 2, "submodule": 1, "left_out": 2}


def test_a_crate_at_the_root_has_all_that_is_nobody_elses() -> None:
    crates = {
        "Cargo.toml": "normalised",
        "Cargo.toml.orig": "written",
        "Cargo.lock": "lock",
        "src/main.rs": "main",
    }
    tag = {"Cargo.toml": "written", "src/main.rs": "main", "docs/book.md": "book", "tests/all.rs": "test"}
    counts, rest = compared(crates, tag, folder="")
    assert rest == {}
    assert counts == {"same": 1, "normalised": 1, "made": 2, "left_out": 2}


@pytest.mark.parametrize(
    ("crates", "tag", "why"),
    [
        ({"a/x.rs": "mine"}, {"a/x.rs": "theirs"}, {"a/x.rs": "other bytes"}),
        ({"a/x.rs": "mine"}, {}, {"a/x.rs": "only in the crate"}),
        ({"a/src/Cargo.lock": "mine"}, {}, {"a/src/Cargo.lock": "only in the crate"}),
        ({"a/Cargo.toml": "mine"}, {"a/Cargo.toml": "theirs"}, {"a/Cargo.toml": "other bytes"}),
        (
            {"a/Cargo.toml": "mine", "a/Cargo.toml.orig": "other"},
            {"a/Cargo.toml": "theirs"},
            {"a/Cargo.toml": "other bytes", "a/Cargo.toml.orig": "it is not the Cargo.toml of the tag"},
        ),
        (
            {"a/x": "mine"},
            {"a/x": f"{SYMLINK}:../y", "y": "theirs"},
            {"a/x": "other bytes than a symlink to ../y leads to"},
        ),
        (
            {"a/x": "../y"},
            {"a/x": f"{SYMLINK}:../y", "y": "theirs"},
            {"a/x": "the tag has a symlink to ../y, and the crate its words"},
        ),
    ],
)  # fmt: skip
def test_what_nothing_explains_is_named(
    crates: dict[str, str], tag: dict[str, str], why: dict[str, str]
) -> None:
    assert compared(crates, tag)[1] == why


# -- tags -------------------------------------------------------------------------------------------


def test_a_tag_is_for_a_release() -> None:
    assert tags.release_of("v8.0.1") == V8
    assert str(tags.release_of("v50.0.0-rc.1")) == "50.0.0-rc.1"
    assert tags.name_of(V8) == "v8.0.1"


@pytest.mark.parametrize(
    "name",
    ["dev", "8.0.1", "cranelift-v0.1.0", "v8.0", "v8.0.1^{tree}", "refs/tags/v8.0.1", "", "main", "-v8.0.1"],
)
def test_no_other_revision_is_read(name: str) -> None:
    with pytest.raises(UsageError, match="is not the tag of a release") as caught:
        tags.release_of(name)
    assert "v8.0.1" in str(caught.value.hint)


def test_the_lock_is_sorted_and_read_back() -> None:
    rows = [
        tags.Tag(Release.parse(v), f"v{v}", c * 40, "a" * 40) for v, c in (("10.0.0", "1"), ("8.0.1", "2"))
    ]
    data = tags.render({tag.release: tag for tag in rows})
    assert data.index(b"v8.0.1") < data.index(b"v10.0.0")
    assert tags.parse(data, where="x") == {tag.release: tag for tag in rows}
    assert tags.render(tags.parse(data, where="x")) == data


@pytest.mark.parametrize(
    "text", ["[", "schema = 2\n", "", "schema = 1\ntag = 1\n", 'schema = 1\n[[tag]]\nrelease = "8.0.1"\n',
             'schema = 1\n[[tag]]\nrelease = "8.0.1"\ntag = "v8.0.1"\ncommit = "HEAD"\ntree = "x"\n']
)  # fmt: skip
def test_a_damaged_lock_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="no list of tags"):
        tags.parse(text.encode(), where="tags.toml")


# -- another repository -----------------------------------------------------------------------------


@pytest.fixture
def there(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "there")
    repository.write({"file": "first\n"})
    repository.commit()
    repository.release("8.0.1")
    return repository


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store.git")


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_commit_comes_without_its_history(
    there: Repository, store: Store, tmp_path: Path, form: str
) -> None:
    source = remote.origin(form.format(there.folder), tmp_path)
    commit = remote.find_tag(store, source, "v8.0.1")
    assert commit == there.git("rev-parse", "v8.0.1")
    remote.take(store, source, "v8.0.1", commit)
    listed = {entry.path for entry in store.list_tree(store.tree_of(commit))}
    assert listed == {"file", *tree("8.0.1")}
    parent = there.git("rev-parse", "v8.0.1~1")
    assert store.find_object(parent) is None
    assert (store.path / "shallow").read_text().split() == [commit]
    assert store.refs("refs/") == {}


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_annotated_tags_are_followed(there: Repository, store: Store, tmp_path: Path, form: str) -> None:
    there.git("tag", "--annotate", "--message=x", "inner", "v8.0.1")
    there.git("tag", "--annotate", "--message=y", "v8.0.2", "inner")
    source = remote.origin(form.format(there.folder), tmp_path)
    commit = remote.find_tag(store, source, "v8.0.2")
    assert commit == there.git("rev-parse", "v8.0.1")
    remote.take(store, source, "v8.0.2", commit)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_tag_that_is_not_there_is_told_with_its_neighbours(
    there: Repository, store: Store, tmp_path: Path, form: str
) -> None:
    there.git("branch", "v8.0.3")
    source = remote.origin(form.format(there.folder), tmp_path)
    with pytest.raises(RepositoryError, match=r"has no tag v8\.0\.3") as caught:
        remote.find_tag(store, source, "v8.0.3")
    assert caught.value.hint == "near it: v8.0.1"


def test_another_ref_that_ends_like_the_tag_is_not_it(
    there: Repository, store: Store, tmp_path: Path
) -> None:
    there.git("update-ref", "refs/heads/refs/tags/v8.0.2", "HEAD")
    with pytest.raises(RepositoryError, match="has no tag"):
        remote.find_tag(store, remote.origin(f"file://{there.folder}", tmp_path), "v8.0.2")


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_what_is_no_repository_is_told_in_gits_words(store: Store, tmp_path: Path, form: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RepositoryError, match="git repository") as caught:
        remote.find_tag(store, remote.origin(form.format(tmp_path / "empty"), tmp_path), "v8.0.1")
    assert caught.value.hint


def test_a_server_that_does_not_answer_is_an_environment_problem(store: Store, tmp_path: Path) -> None:
    source = remote.origin("http://user:secret@127.0.0.1:9/wasmtime.git", tmp_path)
    with pytest.raises(EnvironmentProblem, match="git ls-remote failed") as caught:
        remote.find_tag(store, source, "v8.0.1")
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "address",
    [
        "--upload-pack=touch x",
        "-x",
        "",
        "ext::sh -c touch% x",
        "fd::3",
        "foo::bar",
        "ext://x",
        "ftp://x/y",
        "a\nb",
    ],
)
def test_addresses_that_would_run_something_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError):
        remote.origin(address, tmp_path)


def test_the_user_cannot_lead_to_a_program_either(
    there: Repository, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Path.home() / ".gitconfig"
    config.write_text(
        f'[url "ext::touch {tmp_path}/made "]\n\tinsteadOf = https://evil/\n[protocol]\n\tallow = always\n'
    )
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    with pytest.raises(EnvironmentProblem, match="not allowed"):
        remote.find_tag(store, remote.origin("https://evil/x", tmp_path), "v8.0.1")
    assert not (tmp_path / "made").exists()


def test_the_users_way_to_a_server_is_taken(there: Repository, store: Store, tmp_path: Path) -> None:
    config = Path.home() / ".gitconfig"
    config.write_text(f'[url "file://{there.folder}"]\n\tinsteadOf = https://example.org/wasmtime\n')
    source = remote.origin("https://example.org/wasmtime", tmp_path)
    assert remote.find_tag(store, source, "v8.0.1") == there.git("rev-parse", "v8.0.1")


def test_hooks_and_settings_of_a_folder_do_not_count(there: Repository, store: Store, tmp_path: Path) -> None:
    there.git("config", "uploadpack.packObjectsHook", f"touch {tmp_path}/made;")
    there.git("config", "core.fsmonitor", f"touch {tmp_path}/made")
    for address in (str(there.folder), f"file://{there.folder}"):
        source = remote.origin(address, tmp_path)
        remote.take(store, source, "v8.0.1", remote.find_tag(store, source, "v8.0.1"))
    assert not (tmp_path / "made").exists()


def test_a_folder_that_lacks_blobs_will_do(there: Repository, store: Store, tmp_path: Path) -> None:
    blob = there.git("rev-parse", "v8.0.1:file")
    (there.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    source = remote.origin(str(there.folder), tmp_path)
    commit = remote.find_tag(store, source, "v8.0.1")
    remote.take(store, source, "v8.0.1", commit)
    assert {entry.path for entry in store.list_tree(commit)} == {"file", *tree("8.0.1")}
    assert store.find_object(blob) is None


def test_names_relative_to_the_working_folder_and_of_servers(there: Repository, tmp_path: Path) -> None:
    assert remote.origin("there", tmp_path).folder == there.folder
    assert remote.origin("git@example.org:wasmtime.git", tmp_path).folder is None
    with pytest.raises(RepositoryError, match="no such folder"):
        remote.origin("not-there", tmp_path)
