from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fork import small
from support.upstream import Upstream

from patchbot.config import OWN_PACKAGES
from patchbot.errors import ConfigError, RepositoryError
from patchbot.fork import closure, forge
from patchbot.git.store import Store
from patchbot.model import (
    ClosureMode,
    CratePin,
    Dependency,
    DependencyKind,
    ForkedCrate,
    ForkedRelease,
    ImportedRelease,
    IndexEntry,
    TreeFile,
)
from patchbot.upstream import importer, resolve
from patchbot.upstream.source import LocalRegistry

PROVENANCE = {"series": "5" * 64, "tool": "patchbot 1.2.3"}

RELEASE = small.release(
    small.pin(
        "wasmtime",
        [
            small.dependency("engine-jit", "=1.0.0", alias="jit", features=("gdb",), default_features=False),
            small.dependency("engine-fiber", "=0.9.0", optional=True, target="cfg(unix)"),
            small.dependency("engine-asm", "=1.0.0", kind=DependencyKind.BUILD),
            small.dependency("anyhow", "^1.0.22", features=("std",), default_features=False),
            small.dependency("windows-sys", "^0.48", target="cfg(windows)", alias="win"),
            small.dependency("cc", "^1", kind=DependencyKind.BUILD, optional=True),
            small.dependency("engine-fiber", "=0.9.0", kind=DependencyKind.DEV),
            small.dependency("only-for-tests", kind=DependencyKind.DEV),
        ],
        features={"async": ("dep:engine-fiber",), "default": ("async", "jit/gdb")},
    ),
    small.pin("engine-jit", [small.dependency("engine-fiber", "^0.9")], features={"gdb": ()}),
    small.pin("engine-fiber", ["engine-macros"], version="0.9.0", path="crates/fiber", links="engine-shims"),
    small.pin("engine-macros", path="crates/fiber/macros"),
    small.pin("engine-asm"),
)


def manifest_of(pin: CratePin) -> str:
    """The manifest that goes with an index line, as cargo normalises it."""
    lines = ["[package]", f'name = "{pin.name}"', f'version = "{pin.version}"']
    if pin.entry.links:
        lines.append(f'links = "{pin.entry.links}"')
    tables = {
        DependencyKind.NORMAL: "dependencies",
        DependencyKind.BUILD: "build-dependencies",
        DependencyKind.DEV: "dev-dependencies",
    }
    for d in pin.entry.dependencies:
        where = f"target.{json.dumps(d.target)}." if d.target else ""
        lines += ["", f"[{where}{tables[d.kind]}.{d.alias}]", f'version = "{d.req.removeprefix("^")}"']
        lines += [f'package = "{d.package}"'] if d.package != d.alias else []
        lines += ["optional = true"] if d.optional else []
        lines += ["default-features = false"] if not d.default_features else []
        lines += [f"features = {json.dumps(d.features)}"] if d.features else []
    lines += ["", "[features]", *(f"{k} = {json.dumps(v)}" for k, v in pin.entry.features.items())]
    return "\n".join(lines) + "\n"


def sources(release: ImportedRelease = RELEASE, more: Mapping[str, str] | None = None) -> list[TreeFile]:
    files = {f"{pin.path}/Cargo.toml": manifest_of(pin) for pin in release.crates}
    files |= {f"{pin.path}/src/lib.rs": f"// {pin.name}\n" for pin in release.crates}
    files |= {f"{pin.path}/LICENSE": "A licence\n" for pin in release.crates}
    files["crates/fiber/configure"] = "#!/bin/sh\n"
    return small.tree({**files, **(more or {})}, executable=["crates/fiber/configure"])


def owners(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "has 2 link-time names")


def forged(
    files: list[TreeFile] | None = None,
    *,
    release: ImportedRelease = RELEASE,
    twin: bool = False,
    revision: int = 1,
    index: str = small.INDEX,
    mode: ClosureMode = ClosureMode.MINIMAL,
    roots: tuple[str, ...] = ("wasmtime",),
) -> ForkedRelease:
    return forge.forge(
        release,
        sources(release) if files is None else files,
        closure.close(release, roots, owners("engine-fiber"), mode),
        suffix=small.suffix(),
        provenance=PROVENANCE,
        index=index,
        registry=small.REGISTRY,
        revision=revision,
        twin=twin,
    )


def contents(crate: ForkedCrate) -> dict[str, bytes]:
    prefix = f"{crate.entry.name}-{crate.entry.version}/"
    out = {}
    with tarfile.open(fileobj=io.BytesIO(crate.data), mode="r:gz") as archive:
        for member in archive:
            assert member.name.startswith(prefix)
            content = archive.extractfile(member)
            assert content is not None
            out[member.name.removeprefix(prefix)] = content.read()
    return out


def manifest(crate: ForkedCrate) -> dict[str, Any]:
    return tomllib.loads(contents(crate)["Cargo.toml"].decode())


def dependencies_said(table: Mapping[str, Any]) -> set[Dependency]:
    """What a manifest says of its dependencies, as cargo would spell it in an index line."""
    out = set()
    places = [(None, table), *table.get("target", {}).items()]
    for target, place in places:
        for kind, name in (
            ("normal", "dependencies"),
            ("build", "build-dependencies"),
            ("dev", "dev-dependencies"),
        ):
            for alias, value in place.get(name, {}).items():
                at = value.get("registry-index")
                req = value["version"]
                out.add(
                    Dependency(
                        alias=alias,
                        package=value.get("package", alias),
                        req=req if req[0] in "=^" else f"^{req}",
                        kind=DependencyKind(kind),
                        optional=value.get("optional", False),
                        default_features=value.get("default-features", True),
                        features=tuple(value.get("features", ())),
                        target=target,
                        registry=None if at == small.INDEX else at or forge.CRATES_IO,
                    )
                )
    return out


def assert_agree(crate: ForkedCrate) -> None:
    said, line = manifest(crate), crate.entry
    assert (said["package"]["name"], said["package"]["version"]) == (line.name, line.version)
    assert said["package"].get("links") == line.links
    assert dependencies_said(said) == set(line.dependencies)
    assert len(line.dependencies) == len(set(line.dependencies))
    assert {k: tuple(v) for k, v in said.get("features", {}).items()} == dict(line.features)
    assert said["lib"]["name"] == crate.library
    assert hashlib.sha256(crate.data).hexdigest() == line.sha256
    assert not line.yanked


def test_index_line_and_manifest_say_the_same() -> None:
    for crate in forged().crates:
        assert_agree(crate)


def test_forks_stand_in_the_order_of_their_dependencies_with_their_reasons() -> None:
    release = forged()
    assert [(c.upstream.name, c.entry.name, c.reason) for c in release.crates] == [
        ("engine-fiber", "engine-fiber-v1-0-0", "has 2 link-time names"),
        ("engine-jit", "engine-jit-v1-0-0", "depends on engine-fiber"),
        ("wasmtime", "wasmtime-v1-0-0", "depends on engine-fiber and engine-jit"),
    ]
    assert release.shared == ("engine-asm", "engine-macros")
    assert (release.release, release.suffix) == (RELEASE.release, small.suffix())


def test_a_fork_keeps_the_version_that_its_code_checks() -> None:
    assert [crate.entry.version for crate in forged().crates] == ["0.9.0", "1.0.0", "1.0.0"]
    assert manifest(forged().crates[0])["package"]["version"] == "0.9.0"


def test_forked_dependencies_are_pinned_and_others_come_from_crates_io() -> None:
    line = forged().crate("wasmtime").entry
    assert {d.alias: (d.package, d.req, d.registry) for d in line.dependencies} == {
        "jit": ("engine-jit-v1-0-0", "=1.0.0", None),
        "engine-fiber": ("engine-fiber-v1-0-0", "=0.9.0", None),
        "engine-asm": ("engine-asm", "=1.0.0", "https://github.com/rust-lang/crates.io-index"),
        "anyhow": ("anyhow", "^1.0.22", "https://github.com/rust-lang/crates.io-index"),
        "win": ("windows-sys", "^0.48", "https://github.com/rust-lang/crates.io-index"),
        "cc": ("cc", "^1", "https://github.com/rust-lang/crates.io-index"),
    }
    fiber = next(d for d in line.dependencies if d.alias == "engine-fiber")
    assert (fiber.optional, fiber.target, fiber.kind) == (True, "cfg(unix)", DependencyKind.NORMAL)
    jit = next(d for d in line.dependencies if d.alias == "jit")
    assert (jit.features, jit.default_features) == (("gdb",), False)


def test_a_dependency_of_another_registry_stays_there() -> None:
    elsewhere = Dependency("x", "x", "^1", DependencyKind.NORMAL, False, True, (), None, "https://x.invalid/")  # noqa: FBT003 - a row
    release = small.release(small.pin("wasmtime", [elsewhere]))
    files = small.tree({"crates/wasmtime/Cargo.toml": manifest_of(small.pin("wasmtime"))})
    line = forged(files, release=release).crates[0].entry
    assert line.dependencies == (elsewhere,)


def test_the_line_goes_through_json_unchanged() -> None:
    for crate in forged().crates:
        assert IndexEntry.from_json(json.loads(json.dumps(crate.entry.to_json()))) == crate.entry


def test_links_keys_have_the_suffix_in_line_and_manifest() -> None:
    fiber = forged().crate("engine-fiber")
    assert fiber.entry.links == manifest(fiber)["package"]["links"] == "engine-shims_1_0_0_pb"
    assert forged().crate("wasmtime").entry.links is None


def test_the_manifest_says_where_the_fork_comes_from() -> None:
    pin = RELEASE.crate("engine-fiber")
    assert manifest(forged().crate("engine-fiber"))["package"]["metadata"]["patchbot"] == {
        "upstream": "engine-fiber",
        "version": "0.9.0",
        "sha256": pin.sha256,
        "commit": small.COMMIT,
        "release": "1.0.0",
        "closure": "minimal",
        **PROVENANCE,
    }


def test_a_fork_holds_the_series_bytes_of_its_folder_and_no_other_crates() -> None:
    changed = {"crates/fiber/src/lib.rs": "// patched\n", "crates/fiber/macros/src/x.rs": "", "README.md": ""}
    read = contents(forged(sources(more=changed)).crate("engine-fiber"))
    assert set(read) == {"Cargo.toml", "LICENSE", "NOTICE", "configure", "src/lib.rs"}
    assert read["src/lib.rs"] == b"// patched\n"
    assert read["LICENSE"] == b"A licence\n"


def test_a_fork_says_which_closure_it_is_part_of() -> None:
    for mode in ClosureMode:
        made = forged(mode=mode)
        assert {manifest(c)["package"]["metadata"]["patchbot"]["closure"] for c in made.crates} == {
            mode.value
        }
        assert (made.closure, made.revision, made.series, made.index) == (mode, 1, "5" * 64, small.INDEX)
    assert forged(mode=ClosureMode.EXACT).shared == ()


def test_the_same_crate_has_other_bytes_in_another_closure() -> None:
    sums = [{c.upstream.name: c.entry.sha256 for c in forged(mode=mode).crates} for mode in ClosureMode]
    for name in sums[0]:
        assert len({found[name] for found in sums}) == len(sums)


def test_more_roots_leave_the_bytes_of_the_others_as_they_are() -> None:
    wider = small.release(*RELEASE.crates, small.pin("wasmtime-wasi", ["wasmtime"]))
    few, many = (
        forged(release=wider, roots=roots) for roots in (("wasmtime",), ("wasmtime", "wasmtime-wasi"))
    )
    assert many.crates[:-1] == few.crates
    assert many.crates[-1].upstream.name == "wasmtime-wasi"


def test_a_crate_without_licence_text_gets_that_of_its_release() -> None:
    files = [file for file in sources() if file.path != "crates/fiber/LICENSE"]
    licensed = [
        replace(f, data=f.data.replace(b"[package]", b'[package]\nlicense = "MIT"'))
        if f.path.endswith("Cargo.toml")
        else f
        for f in files
    ]
    read = contents(forged(licensed).crate("engine-fiber"))
    assert read["LICENSE"] == b"A licence\n"
    assert b"it has no file of it, so LICENSE is wasmtime's." in read["NOTICE"]
    assert b"see the licence file beside this one." in contents(forged(licensed).crate("wasmtime"))["NOTICE"]
    assert "LICENSE" not in contents(forged(files).crate("engine-fiber")), "of a licence that nobody named"


def test_features_about_dev_dependencies_go_from_line_and_manifest() -> None:
    benches = {**RELEASE.crate("wasmtime").entry.features, "slow": ("only-for-tests/html", "async")}
    pins = [
        replace(pin, entry=replace(pin.entry, features=benches)) if pin.name == "wasmtime" else pin
        for pin in RELEASE.crates
    ]
    crate = forged(release=small.release(*pins)).crate("wasmtime")
    assert crate.entry.features["slow"] == ("async",)
    assert_agree(crate)


def test_executable_files_stay_executable() -> None:
    with tarfile.open(fileobj=io.BytesIO(forged().crate("engine-fiber").data), mode="r:gz") as archive:
        modes = {m.name.split("/", 1)[1]: m.mode for m in archive}
    assert modes["configure"] == 0o755
    assert modes["src/lib.rs"] == 0o644


def test_what_cargo_would_refuse_or_what_drifts_is_left_out() -> None:
    more = {
        f"crates/fiber/{name}": "x"
        for name in ("Cargo.toml.orig", "Cargo.lock", ".cargo_vcs_info.json", ".cargo-ok", "data/Cargo.lock")
    }
    read = contents(forged(sources(more=more)).crate("engine-fiber"))
    assert set(read) == {"Cargo.toml", "LICENSE", "NOTICE", "configure", "src/lib.rs", "data/Cargo.lock"}


def test_a_notice_states_the_change() -> None:
    notice = contents(forged().crate("engine-fiber"))["NOTICE"].decode()
    assert notice.startswith("engine-fiber-v1-0-0 is engine-fiber 0.9.0 of the Wasmtime project, changed by")
    assert "link-time names, which end in _1_0_0_pb." in notice
    assert RELEASE.crate("engine-fiber").sha256 in notice


def test_upstreams_own_notice_stays_beside_ours() -> None:
    read = contents(forged(sources(more={"crates/fiber/NOTICE": "upstream's\n"})).crate("engine-fiber"))
    assert read["NOTICE"] == b"upstream's\n"
    assert read["NOTICE.patchbot"].startswith(b"engine-fiber-v1-0-0 is engine-fiber")


def test_the_same_input_gives_the_same_bytes() -> None:
    assert forged() == forged(list(reversed(sources())))


def test_another_order_of_the_index_gives_the_same_crates() -> None:
    other = small.release(*reversed(RELEASE.crates))
    assert {c.entry.name: c.entry.sha256 for c in forged(release=other).crates} == {
        c.entry.name: c.entry.sha256 for c in forged().crates
    }


def test_a_twin_is_the_same_crate_under_another_name() -> None:
    real, twin = forged(), forged(twin=True)
    assert [c.entry.name for c in twin.crates] == [f"{c.entry.name}-bare" for c in real.crates]
    assert not {c.library for c in twin.crates} & {c.library for c in real.crates}
    for crate in twin.crates:
        assert_agree(crate)
        ours = contents(real.crate(crate.upstream.name))
        same = {path for path, data in contents(crate).items() if ours[path] == data}
        assert ours.keys() - same == {"Cargo.toml", "NOTICE"}


def test_a_revision_gives_all_forks_new_names_and_pins() -> None:
    again = forged(revision=2)
    assert [c.entry.name for c in again.crates] == [f"{c.entry.name}-r2" for c in forged().crates]
    pins = {d.alias: d.package for d in again.crate("wasmtime").entry.dependencies}
    assert (pins["jit"], pins["engine-fiber"]) == ("engine-jit-v1-0-0-r2", "engine-fiber-v1-0-0-r2")


def test_the_index_is_part_of_the_bytes_and_nothing_of_the_machine_is() -> None:
    here = [str(Path.cwd()), str(Path.home()), os.uname().nodename, "/tmp/", "file://", "127.0.0.1"]  # noqa: S108 - looked for
    for crate in forged().crates:
        for path, data in contents(crate).items():
            assert not [word for word in here if word.encode() in data], path
    assert small.INDEX in contents(forged().crate("wasmtime"))["Cargo.toml"].decode()
    moved = forged(index="sparse+https://elsewhere.invalid/")
    assert moved.crate("wasmtime").entry.sha256 != forged().crate("wasmtime").entry.sha256


def test_a_crate_without_a_manifest_is_told_with_its_place() -> None:
    files = [file for file in sources() if file.path != "crates/fiber/Cargo.toml"]
    with pytest.raises(RepositoryError, match=r"engine-fiber has no Cargo\.toml") as told:
        forged(files)
    assert told.value.where == "crates/fiber"


def test_a_manifest_that_cannot_be_read_is_told_with_its_crate() -> None:
    files = sources(more={"crates/fiber/Cargo.toml": "[package"})
    with pytest.raises(RepositoryError, match="cannot be read") as told:
        forged(files)
    assert told.value.where == "Cargo.toml of engine-fiber"


def test_crates_whose_names_are_one_to_a_registry_are_refused() -> None:
    release = small.release(
        small.pin("wasmtime", ["engine-fiber", "engine_fiber"]),
        small.pin("engine-fiber"),
        small.pin("engine_fiber", path="crates/other"),
    )
    with pytest.raises(ConfigError, match="are one name to a registry"):
        forge.forge(
            release,
            sources(release),
            closure.close(release, ["wasmtime"], owners("engine-fiber", "engine_fiber")),
            suffix=small.suffix(),
            provenance={},
            index=small.INDEX,
            registry=small.REGISTRY,
        )


@pytest.mark.parametrize("versioned", [False, True], ids=["bare", "versioned"])
def test_a_release_in_upstreams_shape_is_forked_from_its_crates(
    upstream: Upstream, tmp_path: Path, *, versioned: bool
) -> None:
    upstream.publish("8.0.1", versioned=versioned)
    source = LocalRegistry(upstream.folder)
    asked = small.release(version="8.0.1").release
    entries = resolve.own_crates(source, ("wasmtime",), asked, own=OWN_PACKAGES)
    with Store.open(tmp_path / "store.git") as store:
        release = importer.import_release(store, source, asked, entries, roots=("wasmtime",))
        files = list(store.read_files(store.list_tree(release.tree)))
    made = forge.forge(
        release,
        files,
        closure.close(release, ["wasmtime"], owners("wasmtime-fiber", "wasmtime-cranelift")),
        suffix=small.suffix("8.0.1"),
        provenance=PROVENANCE,
        index=small.INDEX,
        registry=small.REGISTRY,
    )
    assert [c.upstream.name for c in made.crates] == [
        "wasmtime-cranelift", "wasmtime-fiber", "wasmtime-runtime", "wasmtime",
    ]  # fmt: skip
    for crate in made.crates:
        assert_agree(crate)
    assert "only-for-tests" not in str(manifest(made.crate("wasmtime-runtime")))
    assert "test" not in manifest(made.crate("wasmtime"))
