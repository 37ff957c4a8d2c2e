"""The ladder on crates of a few lines: built by the real cargo, linked by the real linker, and run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from fork import small
from proof import engine
from proof.engine import Engine

from patchbot.errors import EnvironmentProblem, ProofError
from patchbot.model import ClosureMode, LinksKey
from patchbot.proof import cargo, objects, program, project, prove
from patchbot.proof.receipts import Rung
from patchbot.proof.toolchain import native
from patchbot.tools import Result

needs_elf = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="--whole-archive is a word of ELF linkers"
)


@pytest.fixture
def version_rs(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a version does in the program; a test may change it."""
    sources = {"version.rs": engine.VERSION_RS}
    real = program._template
    monkeypatch.setattr(program, "_template", lambda name: sources.get(name) or real(name))
    return sources


def climbed(world: engine.World) -> list[Rung]:
    return list(prove.ladder(world.subjects, world.setting))


# -- forks that live together ------------------------------------------------------------------------


@pytest.mark.usefixtures("version_rs")
def test_forks_that_live_together_climb_every_rung(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0", links=True), Engine("2.0.0", links=True))
    symbols, link, run = climbed(world)
    assert [rung.problems for rung in (symbols, link, run)] == [(), (), ()]
    assert [rung.ok for rung in (symbols, link, run)] == [True, True, True]
    assert [rung.name for rung in (symbols, link, run)] == ["symbols", "link", "run"]
    assert "defines engine_answer without the suffix _1_0_0_pb" in symbols.twins[0].detail
    assert [(twin.name, twin.failed, twin.detail) for twin in link.twins] == [
        ("unsuffixed", True, "duplicate symbol engine_answer"),
        ("unforked", True, "cargo refuses: links = engine-shims"),
    ]
    # two forks and the original: a check each, nine nestings, four foreign artifacts, the threads
    assert run.checked == "17 checks"
    assert run.twins[0].detail == "all 17 fail"
    assert len(world.said) == 2
    lock = project.lock_of(world.setting)
    assert 'name = "wasmtime-v1-0-0"' in lock
    assert 'name = "wasmtime"\nversion = "2.0.0"' in lock


@pytest.mark.usefixtures("version_rs")
def test_forks_whose_bytes_have_changed_are_built_again(tmp_path: Path) -> None:
    first = engine.world(tmp_path, Engine("1.0.0"))
    again = engine.world(tmp_path, Engine("1.0.0", answer="41"), forks="changed")

    def told(world: engine.World) -> str:
        people = prove.members(world.subjects, world.setting)
        made = project.Project("forks", people, world.setting.config, world.setting)
        names = [crate.entry.name for s in world.subjects for crate in s.forks.crates]
        build = made.build(names, prove._digests(world.subjects))
        assert build.program is not None, build.words
        return subprocess.run([build.program], check=True, capture_output=True, text=True).stdout

    fine = '{"version": "1.0.0", "check": "answer", "ok": true}\n'
    assert fine in told(first)
    assert '"detail": "found 41 instead of 42"' in told(again)
    # and what has not changed is not
    assert fine in told(first)


# -- forks that do not -------------------------------------------------------------------------------


@pytest.mark.usefixtures("version_rs")
def test_a_fork_that_kept_its_bare_name_is_found_by_its_object(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0", name=engine.NAME), Engine("2.0.0"))
    (symbols,) = climbed(world)
    assert not symbols.ok
    assert len(symbols.problems) == 1
    assert symbols.problems[0].startswith("1.0.0: wasmtime_runtime_v1_0_0")
    assert symbols.problems[0].endswith("defines engine_answer without the suffix _1_0_0_pb")


@pytest.mark.usefixtures("version_rs")
def test_a_fork_with_another_forks_suffix_is_found_by_its_object(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"), Engine("2.0.0", name="engine_answer_1_0_0_pb"))
    (symbols,) = climbed(world)
    assert not symbols.ok
    assert "has engine_answer_1_0_0_pb, another version's" in symbols.problems[0]
    assert symbols.problems[0].startswith("2.0.0: ")


@pytest.mark.usefixtures("version_rs")
@pytest.mark.parametrize("also", [True, False], ids=["all", "one-of-two"])
def test_a_twin_that_passes_makes_the_rung_fail(tmp_path: Path, *, also: bool) -> None:
    """The forks are right, but what must fail does not: then the rung has proved nothing."""
    world = engine.world(
        tmp_path,
        Engine("1.0.0", twin_name="engine_answer_1_0_0_pb"),
        Engine("2.0.0", twin_name="engine_answer_2_0_0_pb" if also else None),
    )
    (symbols,) = climbed(world)
    assert symbols.problems == ()
    assert [(twin.name, twin.failed) for twin in symbols.twins] == [("unsuffixed", False)]
    silent = "1.0.0 and 2.0.0" if also else "1.0.0"
    assert symbols.twins[0].detail == f"no name without the suffix was found in {silent}"
    assert not symbols.twin_failed
    assert not symbols.ok


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("41", "1.0.0, answer: found 41 instead of 42"),
        ('panic!("no")', "the program ended with signal 6"),
        ("std::process::exit(3)", "the program ended with exit code 3"),
    ],
    ids=["wrong", "aborts", "exits"],
)
@pytest.mark.usefixtures("version_rs")
def test_a_fork_that_does_wrong_is_found_by_running_it(tmp_path: Path, answer: str, problem: str) -> None:
    world = engine.world(tmp_path, Engine("1.0.0", answer=answer))
    run = prove._run(built(world), native())
    assert not run.ok
    assert [said for said in run.problems if said.startswith(problem)] != []


def built(world: engine.World) -> cargo.Build:
    made = project.Project(
        "forks", prove.members(world.subjects, world.setting), world.setting.config, world.setting
    )
    build = made.build([], {})
    assert build.ok, build.words
    return build


def test_expectations_that_cannot_fail_make_the_run_fail(tmp_path: Path, version_rs: dict[str, str]) -> None:
    version_rs["version.rs"] = engine.VERSION_RS.replace("if twin { 0 } else { 42 }", "{ let _ = twin; 42 }")
    run = prove._run(built(engine.world(tmp_path, Engine("1.0.0"))), native())
    assert run.problems == ()
    assert run.twins[0].failed is False
    assert run.twins[0].detail == "1.0.0, answer; 1.0.0 (original), answer"
    assert not run.ok


def test_a_twin_that_ends_early_proves_nothing(tmp_path: Path, version_rs: dict[str, str]) -> None:
    version_rs["version.rs"] = engine.VERSION_RS.replace(
        "if twin { 0 } else { 42 }", "if twin { std::process::exit(0) } else { 42 }"
    )
    run = prove._run(built(engine.world(tmp_path, Engine("1.0.0"))), native())
    assert run.problems == ()
    assert (run.twins[0].failed, run.twins[0].detail) == (False, "ended early")
    assert not run.ok


def test_a_program_that_does_not_compile_holds_on_no_rung(tmp_path: Path, version_rs: dict[str, str]) -> None:
    version_rs["version.rs"] = engine.VERSION_RS + "\nfn wrong() -> i32 { no_such_function() }\n"
    rungs = climbed(engine.world(tmp_path, Engine("1.0.0"), Engine("2.0.0")))
    assert not rungs[-1].ok
    assert "run" not in [rung.name for rung in rungs]
    assert "no_such_function" in str(rungs[-1].problems)


@pytest.mark.usefixtures("version_rs")
def test_forks_that_cannot_be_resolved_are_no_rung(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"))
    config = world.setting.config.replace("registries/real", "registries/nowhere")
    with pytest.raises(ProofError, match="the dependencies cannot be resolved"):
        climbed(dataclasses.replace(world, setting=dataclasses.replace(world.setting, config=config)))


# -- the members -------------------------------------------------------------------------------------


def test_the_original_beside_the_forks_is_of_the_newest_release(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("2.0.0"), Engine("10.0.0"), Engine("9.0.0"))
    people = prove.members(world.subjects, world.setting)
    assert [(m.label, m.package, m.registry) for m in people] == [
        ("2.0.0", "wasmtime-v2-0-0", "patchbot"),
        ("10.0.0", "wasmtime-v10-0-0", "patchbot"),
        ("9.0.0", "wasmtime-v9-0-0", "patchbot"),
        ("10.0.0 (original)", "wasmtime", None),
    ]
    twins = prove.members(world.subjects, world.setting, twin=True)
    assert [m.package for m in twins] == [
        "wasmtime-v2-0-0-bare", "wasmtime-v10-0-0-bare", "wasmtime-v9-0-0-bare", "wasmtime",
    ]  # fmt: skip


def test_beside_a_fork_that_shares_its_pins_stands_its_own_original(tmp_path: Path) -> None:
    # cargo holds one version of what 10.0.1 and 10.0.0's original pin exactly
    world = engine.world(tmp_path, Engine("9.0.0"), Engine("10.0.0"), Engine("10.0.1"))
    ranged = [
        dataclasses.replace(s, forks=dataclasses.replace(s.forks, closure=ClosureMode.RANGE))
        if s.release.patch
        else s
        for s in world.subjects
    ]
    assert prove.members(ranged, world.setting)[-1].label == "10.0.0 (original)"
    assert prove.members(ranged[::2], world.setting)[-1].label == "10.0.1 (original)"


# -- symbols, piece by piece -------------------------------------------------------------------------


def archive(folder: Path, name: str, **members: str) -> str:
    """Compile C members into an archive, as the compiler makes libraries."""
    made = []
    for member, text in members.items():
        source = folder / f"{name}-{member}.c"
        source.write_text(text)
        subprocess.run(["cc", "-c", source, "-o", source.with_suffix(".o")], check=True)
        made.append(source.with_suffix(".o"))
    out = folder / f"lib{name}.a"
    subprocess.run(["ar", "rcs", out, *made], check=True)
    return str(out)


def build_of(libraries: Mapping[str, str], *, ok: bool = True, words: str = "") -> cargo.Build:
    return cargo.Build(ok, {name: Path(path) for name, path in libraries.items()}, None, words, 1.0)


def subjects(*engines: Engine) -> list[prove.Subject]:
    return [one.subject() for one in engines]


def test_a_release_without_a_built_library_is_a_problem(tmp_path: Path) -> None:
    library = archive(tmp_path, "one", a="int engine_answer_1_0_0_pb(void) { return 1; }\n")
    build = build_of({"wasmtime_runtime_v1_0_0": library})
    rung = prove._symbols(subjects(Engine("1.0.0"), Engine("2.0.0")), build, build_of({}), native())
    assert rung.problems == ("no library of 2.0.0 was built",)
    assert not rung.twin_failed


def test_twins_that_were_not_built_prove_nothing(tmp_path: Path) -> None:
    library = archive(tmp_path, "one", a="int engine_answer_1_0_0_pb(void) { return 1; }\n")
    rung = prove._symbols(
        subjects(Engine("1.0.0")), build_of({"wasmtime_runtime_v1_0_0": library}), build_of({}), native()
    )
    assert rung.problems == ()
    assert rung.checked == "1 global symbols of 1 libraries"
    assert not rung.ok


def test_a_member_that_no_program_would_pull_in_is_looked_at(tmp_path: Path) -> None:
    library = archive(
        tmp_path,
        "one",
        used="int engine_answer_1_0_0_pb(void) { return 1; }\n",
        unused="int engine_forgotten(void) { return 1; }\n",
    )
    bare = archive(tmp_path, "bare", a="int engine_answer(void) { return 1; }\n")
    rung = prove._symbols(
        subjects(Engine("1.0.0")),
        build_of({"wasmtime_runtime_v1_0_0": library}),
        build_of({"wasmtime_runtime_v1_0_0_bare": bare}),
        native(),
    )
    assert rung.problems == ("1.0.0: one-unused.o defines engine_forgotten without the suffix _1_0_0_pb",)
    assert rung.twin_failed
    assert not rung.ok


@pytest.mark.parametrize(
    "data", [b"nothing known", b"BC\xc0\xde a compiler's own"], ids=["unknown", "like-bitcode"]
)
def test_an_object_that_nm_cannot_read_is_a_problem(tmp_path: Path, data: bytes) -> None:
    library = archive(
        tmp_path,
        "one",
        empty="",
        a="int engine_answer_1_0_0_pb(void) { return 1; }\n",
        b="int engine_forgotten(void) { return 1; }\n",
    )
    symbols, unread = prove._nm([library], native())
    assert ({s.name for s in symbols}, unread) == ({"engine_answer_1_0_0_pb", "engine_forgotten"}, [])
    (tmp_path / "one-b.o").write_bytes(data)
    subprocess.run(["ar", "r", library, tmp_path / "one-b.o"], check=True)
    rung = prove._symbols(
        subjects(Engine("1.0.0")), build_of({"wasmtime_runtime_v1_0_0": library}), build_of({}), native()
    )
    assert [p for p in rung.problems if not p.startswith("not every object was read: ")] == []
    assert rung.problems != ()


def test_without_nm_nothing_can_be_proved() -> None:
    without = dataclasses.replace(native().programs, nm=None)
    with pytest.raises(EnvironmentProblem, match="nm is not on PATH") as told:
        prove._nm(["liba.a"], dataclasses.replace(native(), programs=without))
    assert "binutils" in str(told.value.hint)


# -- link, piece by piece ----------------------------------------------------------------------------


@needs_elf
@pytest.mark.parametrize("linker", ["bfd", "gold", "lld"])
def test_a_collision_in_members_that_nobody_asks_for_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linker: str
) -> None:
    if linker not in available_linkers():
        pytest.skip(f"there is no {linker} here")
    compiler = tmp_path / "cc"
    compiler.write_text(f'#!/bin/sh\nexec /usr/bin/cc {available_linkers()[linker]} "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    one = archive(
        tmp_path, "one", x="int one(void) { return 1; }\n", y="int engine_answer(void) { return 1; }\n"
    )
    two = archive(
        tmp_path, "two", x="int two(void) { return 1; }\n", y="int engine_answer(void) { return 2; }\n"
    )
    whole = prove._whole([one, two], tmp_path, native())
    assert whole is not None
    assert not whole.ok
    assert objects.duplicates(whole.stderr.decode()) == {"engine_answer"}
    alone = prove._whole([one], tmp_path, native())
    assert alone is not None
    assert alone.ok, alone.stderr
    assert not (tmp_path / "whole.o").exists()


def available_linkers() -> dict[str, str]:
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True)
    lld = next(Path(sysroot.stdout.strip()).glob("lib/rustlib/*/bin/gcc-ld"), None)
    flags = {
        name: f"-fuse-ld={name}" for name in ("bfd", "gold") if (Path("/usr/bin") / f"ld.{name}").exists()
    }
    return {**flags, **({"lld": f"-fuse-ld=lld -B{lld}"} if lld else {})}


@needs_elf
def test_the_linker_is_asked_in_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\necho "LC_ALL is $LC_ALL" >&2\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    whole = prove._whole(["liba.a"], tmp_path, native())
    assert whole is not None
    assert whole.stderr == b"LC_ALL is C\n"


def test_without_archives_no_whole_link_is_tried(tmp_path: Path) -> None:
    assert prove._whole([], tmp_path, native()) is None


def test_a_program_that_cannot_be_built_is_told_in_cargos_words(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"), Engine("2.0.0"))
    build = cargo.Build(ok=False, libraries={}, program=None, words="error: edition 2099", seconds=1.0)
    with pytest.raises(ProofError, match=r"cannot be built: error: edition 2099") as told:
        prove._refuse_unbuilt(world.subjects, build, world.setting)
    assert "too old" in str(told.value.hint)


def ended(code: int, stderr: str) -> Result:
    return Result(("cc",), code, b"", stderr.encode(), 0.1)


OWN = frozenset({"engine_answer"})
COLLISION = "rust-lld: error: duplicate symbol: engine_answer\n"


@pytest.mark.parametrize(
    ("build", "whole", "failed", "detail"),
    [
        ((False, COLLISION), None, True, "duplicate symbol engine_answer"),
        # lazily pulled members let a program link all the same; linking everything tells
        ((True, ""), (1, COLLISION), True, "duplicate symbol engine_answer"),
        ((True, ""), (0, ""), False, "it links"),
        ((True, ""), None, False, "it links"),
        ((False, "error: no space left on device\n"), None, False, "fails for another reason: error: no space left on device"),
        ((False, "ld: cannot find -lm\n"), (1, "cannot find cc1\n"), False, "fails for another reason: ld: cannot find -lm"),
        # a collision that is none of ours is another reason
        ((False, "duplicate symbol: somebody_elses\n"), None, False, "fails for another reason: duplicate symbol: somebody_elses"),
        ((True, ""), (1, "duplicate symbol: somebody_elses\n"), False, "it links"),
        ((False, "duplicate symbol: engine_answer_2_0_0\n"), None, True, "duplicate symbol engine_answer_2_0_0"),
        ((False, "duplicate symbol '_engine_answer' in:\n"), None, True, "duplicate symbol _engine_answer"),
    ],
    ids=[
        "program", "whole", "links", "links-no-whole", "disk", "library", "foreign", "foreign-whole", "upstream-suffix",
        "mach-o",
    ],
)  # fmt: skip
def test_a_twin_without_suffix_must_fail_for_its_names(
    build: tuple[bool, str], whole: tuple[int, str] | None, detail: str, *, failed: bool
) -> None:
    twin = prove._unsuffixed(
        build_of({}, ok=build[0], words=build[1]), ended(*whole) if whole is not None else None, OWN
    )
    assert (twin.name, twin.failed, twin.detail) == ("unsuffixed", failed, detail)


@needs_elf
def test_a_link_rung_whose_twin_links_does_not_hold(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"), Engine("2.0.0"))
    one = archive(tmp_path, "one", a="int engine_answer_1_0_0_pb(void) { return 1; }\n")
    two = archive(tmp_path, "two", a="int engine_answer_2_0_0_pb(void) { return 1; }\n")
    fine = build_of({"wasmtime_runtime_v1_0_0": one, "wasmtime_runtime_v2_0_0": two})
    twin = build_of({"wasmtime_runtime_v1_0_0_bare": one, "wasmtime_runtime_v2_0_0_bare": two})
    rung = prove._link(world.subjects, fine, twin, world.setting)
    assert rung.problems == ()
    assert [(t.name, t.failed) for t in rung.twins] == [("unsuffixed", False), ("unforked", None)]
    assert not rung.ok


@needs_elf
def test_a_fork_that_collides_with_the_original_is_a_problem(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"))
    fork = archive(tmp_path, "fork", a="int engine_answer(void) { return 1; }\n")
    original = archive(tmp_path, "original", a="int engine_answer(void) { return 1; }\n")
    build = build_of({"wasmtime_runtime_v1_0_0": fork, "wasmtime_runtime": original})
    bare = build_of({}, ok=False, words=COLLISION)
    rung = prove._link(world.subjects, build, bare, world.setting)
    assert rung.twin_failed
    assert len(rung.problems) == 1
    assert rung.problems[0].startswith("not every object links: ")
    assert "engine_answer" in rung.problems[0]


def test_a_program_that_does_not_link_is_a_problem_with_the_linkers_words(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"))
    rung = prove._link(
        world.subjects,
        build_of({}, ok=False, words="one\ntwo\nld: it is wrong\n"),
        build_of({}, ok=False, words=COLLISION),
        world.setting,
    )
    assert rung.problems == ("the program does not link: one\ntwo\nld: it is wrong",)
    assert rung.twin_failed
    assert not rung.ok


def shared_keys(*links: Sequence[str]) -> frozenset[str]:
    people = []
    for n, keys in enumerate(links, 1):
        subject = Engine(f"{n}.0.0").subject()
        found = tuple(LinksKey(crate, key) for crate, key in (word.split(":") for word in keys))
        inventory = dataclasses.replace(subject.inventory, links=found)
        people.append(dataclasses.replace(subject, inventory=inventory))
    return prove._shared_keys(people)


def test_only_keys_of_forked_crates_in_two_releases_are_shared() -> None:
    assert shared_keys(["wasmtime-runtime:a", "wasmtime:b"], ["wasmtime-runtime:a"]) == {"a"}
    assert shared_keys(["wasmtime-runtime:a"], ["wasmtime:a"], ["wasmtime:c"]) == {"a"}
    assert shared_keys(["wasmtime-runtime:a"], ["wasmtime-runtime:b"]) == frozenset()
    assert shared_keys(["somebody-else:a"], ["somebody-else:a"]) == frozenset()
    assert shared_keys(["wasmtime-runtime:a", "wasmtime:a"]) == frozenset()


def test_originals_without_a_shared_key_are_no_twin(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0", links=True), Engine("2.0.0"))
    twin = prove._unforked(world.subjects, world.setting)
    assert (twin.name, twin.failed, twin.detail) == ("unforked", None, "these releases share no links key")


def test_originals_that_resolve_all_the_same_are_a_twin_that_passed(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"), Engine("2.0.0"))
    keys = (LinksKey("wasmtime-runtime", engine.KEY),)
    people = [
        dataclasses.replace(s, inventory=dataclasses.replace(s.inventory, links=keys)) for s in world.subjects
    ]
    twin = prove._unforked(people, world.setting)
    assert (twin.name, twin.failed) == ("unforked", False)
    assert twin.detail.startswith("resolves, or: ")


def test_originals_that_fail_for_another_reason_are_no_proof(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0", links=True), Engine("2.0.0", links=True))
    for file in (tmp_path / "crates-io" / "index").rglob("wasmtime-runtime"):
        file.unlink()
    twin = prove._unforked(world.subjects, world.setting)
    assert twin.failed is False
    assert "no matching package" in twin.detail


# -- the project -------------------------------------------------------------------------------------


def test_a_run_without_a_program_is_told() -> None:
    with pytest.raises(ProofError, match="the program was not built"):
        prove._run(build_of({}), native())


@pytest.mark.usefixtures("version_rs")
def test_a_project_is_written_only_where_it_differs(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"), Engine("2.0.0"))
    both = prove.members(world.subjects, world.setting)
    folder = project.Project("forks", both, world.setting.config, world.setting).folder

    def times() -> dict[str, int]:
        return {str(f.relative_to(folder)): f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}

    before = times()
    assert set(before) == {
        "Cargo.toml", ".cargo/config.toml", "src/main.rs", "src/v1_0_0.rs", "src/v2_0_0.rs", "src/original.rs",
    }  # fmt: skip
    project.Project("forks", both, world.setting.config, world.setting)
    assert times() == before
    project.Project("forks", both[1:], world.setting.config, world.setting)
    after = times()
    assert "src/v1_0_0.rs" not in after
    assert {name for name in after if after[name] == before[name]} == {
        ".cargo/config.toml", "src/v2_0_0.rs", "src/original.rs",
    }  # fmt: skip


def test_digests_are_of_the_forks_or_of_their_twins() -> None:
    people = subjects(Engine("1.0.0"))
    forks = {c.entry.name: c.entry.sha256 for c in people[0].forks.crates}
    twins = {c.entry.name: c.entry.sha256 for c in people[0].twin.crates}
    assert prove._digests(people) == forks
    assert prove._digests(people, twin=True) == twins
    assert small.INDEX not in forks


# -- versions of other people's crates -----------------------------------------------------------------


@pytest.mark.usefixtures("version_rs")
def test_without_a_lock_versions_are_held_that_the_program_has(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"))
    fine = dataclasses.replace(world.setting, hold={"wasmtime-runtime": "1.0.0", "nobody": "7.0.0"})
    assert all(rung.ok for rung in prove.ladder(world.subjects, fine))
    absent = dataclasses.replace(world.setting, hold={"wasmtime-runtime": "1.0.7"})
    with pytest.raises(ProofError, match=r"wasmtime-runtime cannot be held at 1\.0\.7"):
        list(prove.ladder(world.subjects, absent))


def test_what_a_person_told_an_emulator_is_kept_from_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QEMU_CPU", "z900")
    checks, problems = prove._checks(["sh", "-c", 'printf \'{"cpu": "%s"}\\n\' "$QEMU_CPU"'])
    assert (checks, problems) == ([{"cpu": ""}], ())


@pytest.mark.usefixtures("version_rs")
def test_an_emulator_stands_before_the_program(tmp_path: Path) -> None:
    world = engine.world(tmp_path, Engine("1.0.0"))
    emulator = tmp_path / "emulator"
    emulator.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nshift 2\nexec "$@"\n')
    emulator.chmod(0o755)
    programs = dataclasses.replace(native().programs, run=(str(emulator), "-L", "/usr/s390x-linux-gnu"))
    build = built(world)
    run = prove._run(build, dataclasses.replace(native(), programs=programs))
    assert run.ok, run.problems
    words = f"-L /usr/s390x-linux-gnu {build.program}"
    assert (tmp_path / "told").read_text().splitlines() == [words, f"{words} --twin"]
