from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from patchbot import tools
from patchbot.errors import EnvironmentProblem


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def gone(pid: int) -> bool:
    """Whether a process ends within a moment: a signal takes some time to arrive."""
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("code", [0, 1, 77])
@pytest.mark.parametrize("follow", [False, True])
def test_the_exit_code_and_the_output_are_a_result(code: int, follow: bool) -> None:  # noqa: FBT001
    lines: list[str] = []
    result = tools.run(
        shell(f"printf 'out\\377\\n'; echo err >&2; exit {code}"), on_line=lines.append if follow else None
    )
    assert (result.code, result.ok) == (code, code == 0)
    assert (result.stdout, result.stderr) == (b"out\xff\n", b"err\n")
    assert result.argv[:2] == ("sh", "-c")
    assert result.seconds > 0
    assert lines == (["err"] if follow else [])


def test_a_signal_is_a_negative_exit_code() -> None:
    assert tools.run(shell("kill -SEGV $$")).code == -signal.SIGSEGV


def test_lines_of_stderr_come_one_by_one_and_whole() -> None:
    lines: list[str] = []
    result = tools.run(
        shell("echo one >&2; printf 'tw\\303\\266\\n\\377\\nno end' >&2; echo out"), on_line=lines.append
    )
    assert lines == ["one", "twö", "�", "no end"]
    assert result.stderr == "one\ntwö\n".encode() + b"\xff\nno end"
    assert result.stdout == b"out\n"


def test_a_line_comes_while_the_program_runs(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f"echo go >&2; while [ ! -e {told} ]; do sleep 0.01; done; echo seen"
    result = tools.run(shell(script), on_line=lambda _line: told.touch(), timeout=20)
    assert result.stdout == b"seen\n"


def test_much_output_on_both_streams_blocks_nothing() -> None:
    script = "head -c 300000 /dev/zero | tr '\\0' a; head -c 300000 /dev/zero | tr '\\0' b >&2"
    for follow in (None, lambda _line: None):
        result = tools.run(shell(script), on_line=follow, timeout=20)
        assert (len(result.stdout), len(result.stderr)) == (300_000, 300_000)


def test_a_listener_that_fails_is_told_and_does_not_block_the_program() -> None:
    def refuse(line: str) -> None:
        raise LookupError(line)

    script = "echo first >&2; head -c 300000 /dev/zero | tr '\\0' '\\n' >&2; exit 0"
    with pytest.raises(LookupError, match="first"):
        tools.run(shell(script), on_line=refuse, timeout=20)


def test_a_program_has_no_stdin() -> None:
    assert tools.run(["cat"], timeout=20).stdout == b""


def test_a_program_runs_in_the_folder_and_with_the_environment_it_is_given(tmp_path: Path) -> None:
    result = tools.run(shell('pwd; echo "$A"'), cwd=tmp_path, env={"A": "given", "PATH": os.environ["PATH"]})
    assert result.stdout.decode().splitlines() == [str(tmp_path.resolve()), "given"]


def test_a_program_that_is_missing_is_told_with_its_name() -> None:
    with pytest.raises(EnvironmentProblem, match="no-such-program cannot be started: No such file") as caught:
        tools.run(["no-such-program", "--help"])
    assert "installed" in (caught.value.hint or "")


def test_a_program_that_may_not_be_run_is_told(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(EnvironmentProblem, match="cannot be started: Permission denied"):
        tools.run([program])


def background(pids: Path, then: str, *, how: str = "sleep 60") -> list[str]:
    """A shell that leaves a process of its group behind and then does something else."""
    return shell(f"{how} & echo $! > {pids}.new; mv {pids}.new {pids}; {then}")


@pytest.mark.parametrize("follow", [None, lambda _line: None])
@pytest.mark.parametrize(
    ("then", "how"),
    [
        ("sleep 60", "sleep 60"),
        ("wait", "sleep 60"),
        # the children of a shell that ignores a signal ignore it too
        ("sleep 60", "(trap '' TERM; sleep 60)"),
    ],
)
def test_a_timeout_ends_the_whole_group(
    tmp_path: Path, follow: Callable[[str], None] | None, then: str, how: str
) -> None:
    pids = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(EnvironmentProblem, match=r"sh did not end within 0\.5 seconds") as caught:
        tools.run(background(pids, then, how=how), timeout=0.5, on_line=follow)
    assert time.monotonic() - started < 5
    assert (caught.value.where or "").startswith("sh -c")
    assert gone(int(pids.read_text()))


@pytest.mark.parametrize("follow", [None, lambda _line: None])
@pytest.mark.parametrize("how", ["sleep 60", "sleep 60 >/dev/null 2>&1"])
def test_what_a_program_leaves_in_the_background_ends_with_it(
    tmp_path: Path, follow: Callable[[str], None] | None, how: str
) -> None:
    pids = tmp_path / "pid"
    result = tools.run(background(pids, "echo done; exit 3", how=how), on_line=follow, timeout=20)
    assert (result.code, result.stdout) == (3, b"done\n")
    assert gone(int(pids.read_text()))


def test_a_program_that_ignores_the_polite_signal_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[signal.Signals] = []
    send = os.killpg

    def record(group: int, number: signal.Signals) -> None:
        sent.append(number)
        send(group, signal.SIGKILL if len(sent) > 1 else signal.SIGCONT)

    # SIGCONT in place of SIGTERM stands for a program that does not listen, without its five seconds
    monkeypatch.setattr(os, "killpg", record)
    monkeypatch.setattr(subprocess.Popen, "wait", _impatient(subprocess.Popen.wait))
    with pytest.raises(EnvironmentProblem):
        tools.run(["sleep", "60"], timeout=0.2)
    assert sent == [signal.SIGTERM, signal.SIGKILL]


def _impatient(wait: Callable[..., int]) -> Callable[..., int]:
    def waiting(self: object, timeout: float | None = None) -> int:
        return wait(self, None if timeout is None else min(timeout, 0.3))

    return waiting


def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    code = (
        "import sys, os, signal, threading, time\n"
        "from pathlib import Path\n"
        "from patchbot import tools\n"
        "pids = Path(sys.argv[1])\n"
        "def interrupt():\n"
        "    while not pids.exists(): time.sleep(0.01)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=interrupt).start()\n"
        "try:\n"
        "    tools.run(['sh', '-c', f'sleep 60 & echo $! > {pids}.new; mv {pids}.new {pids}; wait'])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    result = tools.run([sys.executable, "-c", code, pids], timeout=30)
    assert result.stdout == b"interrupted\n", result.stderr
    assert gone(int(pids.read_text()))


def test_the_environment_of_a_child_has_no_git_settings_and_none_of_the_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (
        "GIT_DIR",
        "GIT_CONFIG_COUNT",
        "CARGO_HOME",
        "CARGO_TARGET_DIR",
        "RUSTFLAGS",
        "GITHUB_ACTIONS",
    ):
        monkeypatch.setenv(name, "set")
    kept = tools.environment({"CARGO_HOME": "/here", "GIT_DIR": "/there"}, drop=("CARGO_", "RUSTFLAGS"))
    assert kept["CARGO_HOME"] == "/here"
    assert kept["GIT_DIR"] == "/there"
    assert kept["GITHUB_ACTIONS"] == "set"
    assert not {"GIT_CONFIG_COUNT", "CARGO_TARGET_DIR", "RUSTFLAGS"} & kept.keys()
    assert tools.environment()["CARGO_TARGET_DIR"] == "set"
    assert "GIT_DIR" not in tools.environment()


def test_a_child_gets_that_environment_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/somewhere")
    assert tools.run(shell('echo "${GIT_DIR-none}"')).stdout == b"none\n"


def test_programs_are_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "frobnicate"
    program.write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.find("frobnicate") is None
    program.chmod(0o755)
    assert tools.find("frobnicate") == str(program)
    assert tools.need("frobnicate", hint="") == str(program)
    with pytest.raises(EnvironmentProblem, match="nm is not on PATH") as caught:
        tools.need("nm", hint="install binutils")
    assert caught.value.hint == "install binutils"


@pytest.mark.parametrize(
    ("stdout", "stderr", "tail"),
    [
        (b"out", b"a\nb\nc\n", "b\nc"),
        (b"x\ny\nz", b" \n", "y\nz"),
        (b"", b"", ""),
        (b"", b"\xff", "�"),
    ],
)
def test_the_tail_is_the_end_of_what_was_said(stdout: bytes, stderr: bytes, tail: str) -> None:
    assert tools.Result(("a",), 1, stdout, stderr, 0.1).tail(2) == tail


@pytest.mark.parametrize("program", ["import sys; sys.stdout.write(sys.stdin.read()[::-1])", "pass"])
def test_what_it_is_given_comes_from_stdin(program: str) -> None:
    done = tools.run([sys.executable, "-c", program], data=b"abc")
    assert done.ok
    assert done.stdout in {b"cba", b""}
