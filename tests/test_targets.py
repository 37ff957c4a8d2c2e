from __future__ import annotations

import shutil
import subprocess

import pytest

from patchbot.targets import KNOWN, Target, system_family

PRINTED = """\
debug_assertions
panic="unwind"
target_arch="s390x"
target_endian="big"
target_env="gnu"
target_family="unix"
target_feature="vector"
target_os="linux"
target_pointer_width="64"
target_vendor="unknown"
unix
"""


def test_a_target_is_what_the_compiler_says_of_it() -> None:
    assert Target.from_cfg("s390x-unknown-linux-gnu", PRINTED) == KNOWN["s390x-unknown-linux-gnu"]


def test_a_compiler_that_says_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not say the target_arch of x"):
        Target.from_cfg("x", "")


@pytest.mark.skipif(shutil.which("rustc") is None, reason="needs rustc")
@pytest.mark.parametrize("triple", KNOWN)
def test_what_is_written_down_is_what_rustc_says(triple: str) -> None:
    command = ["rustc", "--print", "cfg", "--target", triple]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert Target.from_cfg(triple, printed) == KNOWN[triple]


@pytest.mark.skipif(shutil.which("rustc") is None, reason="needs rustc")
def test_the_family_of_a_system_is_what_rustc_says() -> None:
    listed = subprocess.run(["rustc", "--print", "target-list"], capture_output=True, text=True, check=True)
    systems: dict[str, str] = {}
    for triple in listed.stdout.split()[::4]:
        done = subprocess.run(
            ["rustc", "--print", "cfg", "--target", triple], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            target = Target.from_cfg(triple, done.stdout)
            systems[target.os] = target.family
    assert {"linux", "windows", "none"} <= set(systems)
    known = {system: system_family(system) for system in systems}
    assert {s: f for s, f in known.items() if f is not None} == {
        s: systems[s] for s, f in known.items() if f is not None
    }


def test_options() -> None:
    target = KNOWN["x86_64-pc-windows-gnu"]
    assert target.option("windows", None) is True
    assert target.option("unix", None) is False
    assert target.option("target_env", "gnu") is True
    assert target.option("target_env", "") is False
    assert target.option("target_pointer_width", "64") is True
    assert target.option("panic", "abort") is None
    assert target.option("feature", "x") is None
    assert target.option("asan", None) is None


@pytest.mark.parametrize(("triple", "elf"), [("x86_64-unknown-linux-gnu", True), ("x86_64-unknown-none", True),
                                             ("aarch64-apple-darwin", False), ("x86_64-pc-windows-gnu", False)])  # fmt: skip
def test_which_objects_are_elf(triple: str, elf: object) -> None:
    assert KNOWN[triple].is_elf is elf


def test_a_target_has_the_values_that_build_scripts_ask_for() -> None:
    values = KNOWN["s390x-unknown-linux-gnu"].values
    assert (values["target_arch"], values["target_endian"], values["target_pointer_width"]) == (
        "s390x",
        "big",
        "64",
    )
    for target in KNOWN.values():
        for name, value in target.values.items():
            assert target.option(name, value) is True
            assert target.option(name, f"{value}x") is False
