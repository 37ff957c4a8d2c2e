"""A Rust out of packages: what is asked of apt and dpkg, and where its programs and libraries are then."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof.cross.world import UNPACKED, VERSION, World

from patchbot.errors import EnvironmentProblem
from patchbot.proof.cross import apt, system
from patchbot.proof.cross.private import Private


def made(world: World, room: Path) -> tuple[Private, list[str]]:
    told: list[str] = []
    room.mkdir()
    return apt.made(room, "s390x", system.distribution(), told.append), told


def test_what_fits_is_downloaded_and_unpacked(world: World, tmp_path: Path) -> None:
    room = tmp_path / "room"
    found, told = made(world, room)
    assert found.rustc == "usr/bin/rustc"
    assert found.cargo == "usr/bin/cargo"
    assert found.libraries == ("lib/x86_64-linux-gnu",)
    assert {word.partition("=")[0] for word in found.packages} == set(UNPACKED)
    assert f"rustc-web={VERSION}" in found.packages
    assert {entry.name for entry in room.iterdir()} == {"usr", "lib"}, (
        "no lists, no packages, no settings are left"
    )
    assert not (room / "usr" / "share").exists()
    assert len(told) == 3
    assert not [line for line in world.asked if "add-architecture" in line]
    ours = [line for line in world.asked if line.startswith("apt-get")]
    assert all(line.startswith(f"apt-get -c {room}/apt-") for line in ours), (
        "the system's own settings are not touched"
    )


def test_packages_that_the_machine_has_already_come_along(world: World, tmp_path: Path) -> None:
    """Somebody installed this Rust: apt would add nothing."""
    (world.answers / "simulated").write_text("0 upgraded, 0 newly installed\n")
    found, _ = made(world, tmp_path / "room")
    names = {word.partition("=")[0] for word in found.packages}
    assert names == {
        "rustc-web",
        "cargo-web",
        "libstd-rust-web-dev",
        "libstd-rust-web-1.85",
        "libstd-rust-web-dev:s390x",
    }


@pytest.mark.parametrize(
    ("program", "asked", "script", "words"),
    [
        ("apt-cache", "madison", "exit 100", "apt-cache madison fails"),
        ("apt-cache", "pkgnames", "echo 'E: Write error - write (28: No space left on device)' >&2; exit 100", "No space left"),
        ("apt-cache", "show", "echo 'E: No packages found' >&2; exit 100", "apt-cache show fails: E: No packages found"),
        ("apt-get", "install", "echo 'E: Unmet dependencies.' >&2; exit 100", "apt-get install fails: E: Unmet"),
        ("apt-get", "download", "echo 'E: Failed to fetch x  404' >&2; exit 100", "apt-get download fails: E: Failed to fetch"),
        ("apt-get", "download", "exit 0", r"was to bring 7 packages and brought 0"),
        ("dpkg", "unpack", "echo 'tar: ./usr: Cannot write: No space left on device' >&2; exit 2",
         "cannot be unpacked: tar: ./usr: Cannot write: No space left"),
        ("dpkg", "unpack", "exit 0", "there is no rustc in rustc-web="),
    ],
)  # fmt: skip
def test_whatever_fails_is_told(
    world: World, tmp_path: Path, program: str, asked: str, script: str, words: str
) -> None:
    world.when(program, asked, script)
    with pytest.raises(EnvironmentProblem, match=words):
        made(world, tmp_path / "room")


def test_without_a_network_that_is_what_is_told(world: World, tmp_path: Path) -> None:
    """apt-get update then warns and ends well, and nothing is offered."""
    (world.answers / "madison").write_text("")
    world.when(
        "apt-get",
        "update",
        "echo \"W: Failed to fetch http://x  Temporary failure resolving 'x'\" >&2; exit 0",
    )
    with pytest.raises(EnvironmentProblem, match="apt-get update fails: W: Failed to fetch") as caught:
        made(world, tmp_path / "room")
    assert caught.value.hint == "is there a network?"


def test_a_source_of_others_that_fails_is_no_matter(world: World, tmp_path: Path) -> None:
    world.when(
        "apt-get", "update", "echo 'E: The repository https://x does not have a Release file.' >&2; exit 100"
    )
    assert made(world, tmp_path / "room")[0].rustc


def test_a_distribution_without_such_a_rust_is_told(world: World, tmp_path: Path) -> None:
    lines = (world.answers / "madison").read_text().splitlines(keepends=True)
    (world.answers / "madison").write_text("".join(line for line in lines if "s390x" not in line))
    with pytest.raises(
        EnvironmentProblem, match="offers no Rust for amd64 with a standard library for s390x"
    ):
        made(world, tmp_path / "room")


def test_dpkg_must_know_its_machine(world: World, tmp_path: Path) -> None:
    (world.bin / "dpkg").write_text("#!/bin/sh\necho broken >&2\nexit 2\n")
    with pytest.raises(EnvironmentProblem, match="dpkg does not say this machine's architecture: broken"):
        made(world, tmp_path / "room")


def test_ubuntu_is_sent_to_rustup(world: World, tmp_path: Path) -> None:
    """Its other architectures are on a server that this machine's sources do not name."""
    world.release |= {"ID": "ubuntu", "VERSION_ID": "24.04"}
    world.when(
        "apt-get", "update", "echo 'E: Failed to fetch dists/noble/main/binary-s390x/Packages' >&2; exit 100"
    )
    (world.answers / "madison").write_text("")
    with pytest.raises(EnvironmentProblem, match="Failed to fetch") as told:
        made(world, tmp_path / "room")
    assert "rustup" in str(told.value.hint)


# -- where things are -------------------------------------------------------------------------------


def put(file: Path, data: bytes = b"x") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(0o755)


@pytest.mark.parametrize("place", ["usr/bin/rustc", "usr/bin/rustc-1.85", "usr/lib/rust-1.85/bin/rustc"])
def test_programs_are_found_by_the_names_of_distributions(tmp_path: Path, place: str) -> None:
    put(tmp_path / "usr/bin/rustc-doc")
    assert apt.program(tmp_path, "rustc") is None
    put(tmp_path / place)
    assert apt.program(tmp_path, "rustc") == place


def test_a_link_out_of_the_folder_is_no_program_of_it(tmp_path: Path) -> None:
    room = tmp_path / "room"
    (room / "usr" / "bin").mkdir(parents=True)
    put(tmp_path / "elsewhere" / "rustc")
    (room / "usr" / "bin" / "rustc").symlink_to(tmp_path / "elsewhere" / "rustc")
    assert apt.program(room, "rustc") is None
    put(room / "usr/lib/rust-1.85/bin/rustc")
    (room / "usr" / "bin" / "rustc").unlink()
    (room / "usr" / "bin" / "rustc").symlink_to("../lib/rust-1.85/bin/rustc")
    assert apt.program(room, "rustc") == "usr/bin/rustc"


def test_a_file_that_nobody_may_run_is_no_program(tmp_path: Path) -> None:
    put(tmp_path / "usr/bin/rustc")
    (tmp_path / "usr/bin/rustc").chmod(0o644)
    assert apt.program(tmp_path, "rustc") is None


X86 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00"
S390 = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x03\x00\x16"


def test_the_loader_gets_the_folders_with_libraries_of_this_machine(tmp_path: Path) -> None:
    put(tmp_path / "usr/bin/rustc", X86)
    put(tmp_path / "usr/lib/x86_64-linux-gnu/libLLVM.so.19.1", X86)
    put(tmp_path / "usr/lib/x86_64-linux-gnu/librustc_driver-1.so", X86)
    put(tmp_path / "lib/x86_64-linux-gnu/libpcre.so.3", X86)
    put(tmp_path / "usr/lib/s390x-linux-gnu/libstd-1.so", S390)
    put(tmp_path / "usr/lib/rustlib/x86_64-unknown-linux-gnu/lib/libstd-1.so", X86)
    put(tmp_path / "usr/lib/text/libc.so", b"/* GNU ld script */")
    put(tmp_path / "usr/lib/other/empty.so", b"")
    (tmp_path / "usr/lib/llvm-19").mkdir()
    (tmp_path / "usr/lib/llvm-19/libbroken.so").symlink_to("nowhere.so")
    assert apt.libraries(tmp_path, "usr/bin/rustc") == ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
