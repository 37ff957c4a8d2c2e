"""The releases that this repository carries patches for: their names, their series, their crates."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest
from integration.conftest import REPOSITORY, Project

from patchbot.upstream.unpack import unpack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PATCHED = sorted(
    folder.name for folder in (REPOSITORY / "patches").iterdir() if (folder / "series").is_file()
)

# Distinct names that a release defines outside of its C API, on all targets together, those for debuggers included.
NAMES = {"8.0.1": 60, "9.0.4": 58, "10.0.2": 58, "11.0.2": 58}


def test_the_releases_of_the_first_users_are_there() -> None:
    assert set(NAMES) <= set(PATCHED)
    assert any(release.startswith("36.0.") for release in PATCHED)


def test_patches_are_in_step(real: Project) -> None:
    done = real.run("check", "--json")
    assert done.code == 0, done.out + done.err
    checked = sorted(PATCHED, key=_version)
    assert done.json == {"schema": 1, "checked": checked, "differences": {}, "outdated_receipts": {}}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize("release", PATCHED)
def test_every_name_is_found_on_every_target(real: Project, release: str) -> None:
    data = real.run("scan", release, "--json").json
    own = [s for s in data["symbols"] if s["kind"] == "own"]
    defined = {s["name"] for s in data["symbols"] if s["role"] == "define"}
    c_api = {s["name"] for s in data["symbols"] if s["path"].startswith("crates/c-api/")}
    assert len(defined - c_api) == NAMES.get(release, 16)
    assert data["blind_spots"] == []
    assert {s["name"] for s in own if s["role"] == "import"} <= defined
    assert {s["name"] for s in data["symbols"] if s["kind"] == "keep"} == {
        "__jit_debug_descriptor",
        "__jit_debug_register_code",
    }
    files = {s["path"].rpartition("/")[2] for s in own if s["role"] == "define"}
    # what no machine here builds is found all the same
    assert {"s390x.S", "windows.c", "aarch64.rs", "riscv64.rs", "arm.rs", "x86.rs", "x86_64.rs"} <= files


@pytest.mark.parametrize("release", ["8.0.1", "9.0.4", "10.0.2", "11.0.2"])
def test_both_assembler_files_and_what_they_call_change_together(release: str) -> None:
    patch = (REPOSITORY / "patches" / release / "suffix-s390x.patch").read_text()
    suffix = f"_{release.replace('.', '_')}_pb"
    changed = [
        line.split()[2].removeprefix("a/") for line in patch.splitlines() if line.startswith("diff --git")
    ]
    assert changed == [
        "crates/fiber/src/unix/s390x.S",
        "crates/runtime/src/libcalls.rs",
        "crates/runtime/src/trampolines/s390x.S",
    ]
    assert f"+#define impl_memory32_grow impl_memory32_grow{suffix}" in patch
    assert f'concat!("impl_", stringify!($name), "{suffix}")' in patch


@pytest.mark.parametrize("release", PATCHED)
def test_stock_git_am_gives_the_recorded_tree(real: Project, release: str, tmp_path: Path) -> None:
    """As a stranger would do it: the crates, unpacked where upstream has them, and ``git am`` of a glob."""
    real.run("scan", release)
    lock = tomllib.loads((REPOSITORY / "patches" / release / "release.toml").read_text())
    for crate in lock["crate"]:
        sha = crate["sha256"]
        data = (real.cache / "crates" / sha[:2] / f"{sha}.crate").read_bytes()
        for file in unpack(data, name=crate["name"], version=crate["version"]).files:
            if file.path != ".cargo_vcs_info.json":
                path = tmp_path / crate["path"] / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.data)
                path.chmod(0o755 if file.executable else 0o644)
    folder = REPOSITORY / "patches" / release
    patches = [str(folder / name) for name in (folder / "series").read_text().split()]
    for command in (
        ["init", "--quiet"],
        ["add", "--force", "."],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "base"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert _tree(tmp_path) == lock["upstream"]["base-tree"]
    am = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "am", "--quiet", *patches]
    subprocess.run(am, cwd=tmp_path, check=True)
    assert _tree(tmp_path) == lock["upstream"]["result-tree"]


def _tree(folder: Path) -> str:
    command = ["git", "rev-parse", "HEAD^{tree}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
