from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from support.commands import Run
from support.upstream import Upstream

from patchbot import cli
from patchbot.cli.group import HOMES


@pytest.fixture
def ready(project: Path, upstream: Upstream) -> Path:
    upstream.publish("8.0.1")
    upstream.publish("9.0.4")
    return project


COMMANDS = cli.cli.list_commands(click.Context(cli.cli))


def test_the_commands_are_those_of_the_design() -> None:
    assert COMMANDS == [
        "assemble",
        "check",
        "consumer",
        "diff",
        "doctor",
        "fork",
        "prove",
        "publish",
        "rebase",
        "registry",
        "report",
        "resolve",
        "run",
        "scan",
        "serve",
        "status",
        "sync",
        "yank",
    ]


def test_every_command_is_found_without_importing_the_others() -> None:
    homes = {name: cli.cli.commands[name].callback.__module__.rpartition(".")[2] for name in COMMANDS}
    homes["registry"] = "registry"  # a group of its own, whose commands are wrapped
    assert {name: home for home, names in HOMES.items() for name in names} == homes
    probe = (
        "import sys; from patchbot import cli; cli.run_cli(['rebase', '--help']); "
        "print(sorted(m for m in sys.modules if m.startswith('patchbot.cli.')))"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == str([f"patchbot.cli.{name}" for name in ("group", "options", "patches")])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str, run: Run) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert f"patchbot {name}" in out.split("Examples:")[1]
    command = cli.cli.commands[name]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert f"patchbot {name}" in readme


def test_help_names_the_exit_codes(run: Run) -> None:
    _, out, _ = run("--help")
    for word in ("1 findings", "2 usage", "3 configuration", "4 repository", "5 conflict", "6 rewrite",
                 "8 publish", "9 environment", "70 bug", "130"):  # fmt: skip
        assert word in " ".join(out.split())


def test_help_needs_neither_git_nor_parsers() -> None:
    probe = (
        "import sys; from patchbot import cli; cli.run_cli(['--help']); "
        "print([m for m in ('git', 'tree_sitter', 'httpx2', 'rich', 'tomlkit') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_results_go_to_stdout_and_messages_to_stderr(ready: Path, run: Run) -> None:
    code, out, err = run("sync", "8.0.1")
    assert code == 0
    assert out == "8.0.1  new  7 crates  14 names  suffix-c, suffix-dwarf, suffix-rust, suffix-s390x\n"
    assert "sync 8.0.1: crates" in err


def test_quiet_says_nothing_but_the_result(ready: Path, run: Run) -> None:
    code, out, err = run("sync", "8.0.1", "--quiet")
    assert (code, err) == (0, "")
    assert out


def test_scan_json_is_what_others_rely_on(ready: Path, run: Run) -> None:
    code, out, _ = run("scan", "8.0.1", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["schema"] == 1
    assert data["release"] == "8.0.1"
    assert set(data["crates"][0]) >= {"name", "version", "path", "sha256"}
    row = next(s for s in data["symbols"] if s["name"] == "wasmtime_setjmp" and s["role"] == "define")
    assert row["kind"] == "own"
    assert row["crate"] == "wasmtime-runtime"
    assert row["path"] == "crates/runtime/src/helpers.c"
    assert row["upstream_suffixed"] is False
    assert set(row) >= {"name", "role", "kind", "crate", "path", "line", "form", "cfg", "upstream_suffixed"}
    assert data["links"] == [{"crate": "wasmtime-fiber", "key": "wasmtime-fiber-shims", "readers": []}]
    assert data["blind_spots"] == []


def test_scan_ends_with_findings_for_a_blind_spot(project: Path, upstream: Upstream, run: Run) -> None:
    upstream.publish("8.0.1", change={"crates/cache/src/lib.rs": "secret! { #[no_mangle] fn x() {} }\n"})
    code, out, _ = run("scan", "8.0.1")
    assert code == 1
    assert "crates/cache/src/lib.rs:1: secret! comes from elsewhere" in out


def test_the_main_job_up_to_the_registry(ready: Path, run: Run) -> None:
    code, out, err = run("run", "8.0.1", "9.0.4", "--until", "publish")
    assert code == 0
    assert 'wasmtime-v8-0-1 = { version = "8.0.1", registry = "patchbot" }' in out
    assert f'local-registry = "{ready}/.patchbot/registry"' in out
    assert "use wasmtime_v9_0_4;" in out
    assert "publish: 8 new, 0 there already" in err
    code, _, err = run("run", "8.0.1", "9.0.4", "--until", "publish")
    assert code == 0
    assert "publish: 0 new, 8 there already" in err


def test_run_json_tells_all_of_it(ready: Path, run: Run) -> None:
    code, out, _ = run("run", "8.0.1", "--until", "publish", "--json")
    data = json.loads(out)
    assert code == 0
    assert [r["release"] for r in data["releases"]] == ["8.0.1"]
    first = data["releases"][0]["patches"][0]
    assert (first["name"], first["kind"], first["verdict"]) == ("suffix-c", "generated", "regenerated")
    assert {c["name"] for c in data["forks"][0]["crates"]} >= {"wasmtime-v8-0-1"}
    assert {step["state"] for step in data["published"]} == {"new"}
    assert data["proof"] is None
    assert data["missing"] == []
    assert "[source.patchbot]" in data["consumer"][".cargo/config.toml"]


def test_without_cargo_the_run_ends_with_9_and_says_what_is_missing(
    ready: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    (path / "git").symlink_to(_which("git"))
    monkeypatch.setenv("PATH", str(path))
    code, out, _ = run("run", "8.0.1")
    assert code == 9
    assert "Not done:\n  cargo is not on PATH" in out
    assert "wasmtime-v8-0-1" in out


def _which(name: str) -> str:
    for folder in os.environ["PATH"].split(os.pathsep):
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    raise AssertionError(f"{name} is not on PATH")


def test_without_git_nothing_is_done_and_git_is_asked_for(
    ready: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "patchbot", "sync", "8.0.1"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9
    assert "git is not on PATH" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_prints_the_plan_and_does_nothing(ready: Path, run: Run) -> None:
    for command in ("run", "sync"):
        code, out, _ = run(command, "8.0.1", "--dry-run")
        assert code == 0
        assert "import 7 crates" in out
    code, out, _ = run("run", "8.0.1", "--dry-run", "--json")
    assert json.loads(out)["plan"][0]["stage"] == "sync"
    assert not list((ready / "patches").glob("[0-9]*"))
    assert not (ready / ".patchbot" / "registry").exists()


def test_publish_dry_run_shows_the_states_and_publishes_nothing(ready: Path, run: Run) -> None:
    code, out, _ = run("publish", "8.0.1", "--dry-run")
    assert code == 0
    assert out.count("new") == 4
    assert not (ready / ".patchbot" / "registry").exists()


def test_consumer_prints_files_that_can_be_pasted(ready: Path, run: Run) -> None:
    _, out, _ = run("consumer", "8.0.1")
    assert out.startswith("# Cargo.toml\n[dependencies]\nwasmtime-v8-0-1 = ")
    assert "\n# .cargo/config.toml\n[registries.patchbot]\n" in out


def test_fork_explains_every_crate(ready: Path, run: Run) -> None:
    _, out, _ = run("fork", "8.0.1")
    assert "wasmtime-runtime-v8-0-1" in out
    assert "has 11 link-time names" in out
    assert "as upstream has them: " in out


def test_fork_explains_one_crate_in_every_release(ready: Path, run: Run) -> None:
    code, out, _ = run("fork", "8.0.1", "9.0.4", "--explain", "wasmtime-runtime")
    assert code == 0
    assert out.startswith("wasmtime 8.0.1: wasmtime-runtime 8.0.1 is forked as wasmtime-runtime-v8-0-1\n")
    assert "\n  why      has 11 link-time names\n  closure  minimal: no other 8.x is asked for\n" in out
    assert not (ready / ".patchbot" / "forks").exists()
    _, out, _ = run("fork", "8.0.1", "--explain", "wasmtime-environ", "--json")
    data = json.loads(out)
    assert (data["schema"], data["crate"]) == (1, "wasmtime-environ")
    (row,) = data["releases"]
    assert (row["release"], row["closure"], row["state"], row["fork"]) == ("8.0.1", "minimal", "shared", None)
    code, _, err = run("fork", "8.0.1", "--explain", "wasmtime-runtim")
    assert code == 2
    assert "next: did you mean wasmtime-runtime" in err


def test_fork_refuses_what_cargo_could_not_resolve(ready: Path, upstream: Upstream, run: Run) -> None:
    upstream.publish("8.0.2")
    with (ready / "patchbot.toml").open("a") as out:
        out.write('[fork]\nclosure = "minimal"\n')
    code, _, err = run("fork", "8.0.1", "8.0.2")
    assert code == 3
    assert "wasmtime-fiber-v8-0-1 needs wasmtime-asm-macros =8.0.1 (8.0.1)" in err
    assert 'closure = "auto" or "range"' in err


def test_fork_beside_a_lock_takes_more_where_the_original_is_in_the_way(
    ready: Path, upstream: Upstream, run: Run
) -> None:
    upstream.publish("8.0.2")
    source = 'source = "registry+https://github.com/rust-lang/crates.io-index"'
    (ready / "Cargo.lock").write_text(f'[[package]]\nname = "wasmtime"\nversion = "8.0.2"\n{source}\n')
    assert run("fork", "8.0.1", "--beside", "Cargo.lock")[0] == 0
    code, out, _ = run("consumer", "8.0.1", "--beside", "Cargo.lock")
    assert code == 0
    assert "wasmtime-v8-0-1" in out
    assert 'closure = "range"' in (ready / "patches" / "published.toml").read_text()
    code, _, err = run("fork", "8.0.1", "--beside", "Cargo.tock")
    assert code == 2
    assert "Cargo.tock" in err


def test_other_bytes_under_a_published_name_are_exit_code_8(ready: Path, run: Run) -> None:
    run("publish", "8.0.1")
    with (ready / "patchbot.toml").open("a") as out:
        out.write('[suffix]\nmark = "other"\n')
    code, _, err = run("fork", "8.0.1")
    assert code == 8
    assert "patches/published.toml: wasmtime-cranelift-v8-0-1 8.0.1 is published as " in err
    assert ": the series of 8.0.1 has changed since (and 3 more)\n" in err
    assert '"8.0.1" = 2' in err


def test_check_tells_what_to_do(ready: Path, run: Run) -> None:
    run("sync", "8.0.1")
    assert run("check")[:2] == (0, "patches/ is in step: 8.0.1\n")
    (ready / "patches" / "8.0.1" / "series").write_text("nothing\n")
    code, out, err = run("check")
    assert (code, out) == (1, "patches/8.0.1/series differs from what is generated\n")
    assert "patchbot sync" in err


def test_status_is_a_table(ready: Path, run: Run) -> None:
    run("sync", "8.0.1")
    code, out, _ = run("status")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["release", "8.0.1"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["sync", "8.0.9"], 2, "there is no wasmtime 8.0.9"),
        (["sync", "v8.0.1"], 2, "without a leading v"),
        (["run", "8.0.1", "--until", "tomorrow"], 2, "tomorrow"),
        (["bogus"], 2, "No such command"),
        (["scan"], 2, "Missing argument"),
        (["sync", "8.0.1", "--suffix", "no-identifier!"], 3, "cannot be part of a C identifier"),
        (["sync", "8.0.1", "--suffix", "_{nothing}"], 3, "a template knows"),
    ],
)
def test_what_is_wrong_is_told_with_its_code(
    ready: Path, run: Run, argv: list[str], code: int, words: str
) -> None:
    found, out, err = run(*argv)
    assert found == code
    assert words in err
    assert out == ""
    assert "Traceback" not in err


def test_outside_of_a_project_the_option_is_named(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("status")
    assert code == 3
    assert "--project" in err


def test_a_project_can_be_named(
    ready: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("sync", "8.0.1", "--project", str(ready))[0] == 0
    monkeypatch.setenv("PATCHBOT_PROJECT", str(ready))
    assert run("check")[0] == 0


def test_offline_works_from_what_is_there(ready: Path, run: Run) -> None:
    run("sync", "8.0.1")
    assert run("sync", "8.0.1", "--offline")[0] == 0


def test_a_hostile_release_name_steers_no_terminal(ready: Path, run: Run) -> None:
    _, _, err = run("sync", "8.0.1\x1b[31m")
    assert "\x1b" not in err


def test_a_bug_shows_its_traceback_and_ends_with_70(
    ready: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from patchbot.pipeline import sync as stage

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage, "sync", broken)
    code, _, err = run("sync", "8.0.1")
    assert code == 70
    assert "ZeroDivisionError" in err
    assert "This is a bug in patchbot" in err


def test_a_project_that_cannot_be_written_is_told(
    ready: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        (ready / ".patchbot").write_text("a file where the folder should be")
    else:
        ready.chmod(0o555)
    code, _, err = run("sync", "8.0.1")
    ready.chmod(0o755)
    assert code == 9
    assert "cannot be" in err
    assert "Traceback" not in err


def _start(project: Path, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "patchbot", *argv],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_runs_at_once_give_what_one_gives(ready: Path) -> None:
    first = _start(ready, "run", "8.0.1", "9.0.4", "--until", "publish", "--json")
    second = _start(ready, "run", "8.0.1", "9.0.4", "--until", "publish", "--json")
    results = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert results[0]["forks"] == results[1]["forks"]
    states = [sorted({step["state"] for step in result["published"]}) for result in results]
    assert sorted(states) == [["new"], ["present"]]


HOLDER = """\
import sys, time
from pathlib import Path
from patchbot import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_says_that_it_waits(ready: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(ready / ".patchbot" / "lock")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    waiting = _start(ready, "sync", "8.0.1")
    assert waiting.stderr is not None
    assert "waiting for another patchbot" in waiting.stderr.readline()
    holder.kill()
    holder.communicate()
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0


def test_an_interrupted_run_ends_with_130_and_a_new_one_goes_on(ready: Path) -> None:
    process = _start(ready, "run", "8.0.1", "9.0.4", "--until", "publish")
    deadline = time.monotonic() + 30
    while not (ready / ".patchbot" / "store.git").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    again = _start(ready, "run", "8.0.1", "9.0.4", "--until", "publish")
    again.communicate(timeout=60)
    assert again.returncode == 0


HALF_MADE = """\
import git.config
def half(self, *_args, **_words):
    raise KeyboardInterrupt
git.config.GitConfigParser.__init__ = half
from patchbot import cli
cli.main(["sync", "8.0.1"])
"""


def test_an_interrupt_in_a_library_leaves_no_traceback(ready: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", HALF_MADE], cwd=ready, capture_output=True, text=True, check=False
    )
    assert process.returncode == 130
    assert process.stderr.splitlines()[-1].startswith("interrupted;")
    assert "ignored" not in process.stderr


def test_a_reader_that_leaves_early_is_no_error(ready: Path) -> None:
    process = _start(ready, "scan", "8.0.1", "--json")
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=60)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
