from __future__ import annotations

import platform

import pytest
from proof.cross.world import World

from patchbot.errors import EnvironmentProblem
from patchbot.proof.cross import system


@pytest.mark.parametrize(
    ("release", "ubuntu"),
    [
        ({}, False),
        ({"VERSION_ID": "13", "VERSION_CODENAME": "trixie"}, False),
        ({"VERSION_ID": "", "PRETTY_NAME": "Debian GNU/Linux forky/sid"}, False),
        ({"ID": "ubuntu", "VERSION_ID": "24.04"}, True),
    ],
)
def test_these_are_known(world: World, release: dict[str, str], ubuntu: bool) -> None:  # noqa: FBT001 - a table's column
    world.release |= release
    assert system.distribution().ubuntu is ubuntu


@pytest.mark.parametrize(
    "release",
    [
        {"VERSION_ID": "11", "PRETTY_NAME": "Debian GNU/Linux 11 (bullseye)"},
        {"ID": "fedora", "VERSION_ID": "42", "PRETTY_NAME": "Fedora Linux 42"},
        {"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "PRETTY_NAME": "Linux Mint 22"},
    ],
)
def test_others_are_left_alone(world: World, release: dict[str, str]) -> None:
    world.release |= release
    with pytest.raises(
        EnvironmentProblem, match="is neither Debian 12 or newer nor Ubuntu: nothing is installed"
    ) as caught:
        system.distribution()
    assert release["PRETTY_NAME"] in caught.value.what


def test_a_system_without_a_name_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", nothing)
    with pytest.raises(EnvironmentProblem, match="this system is neither"):
        system.distribution()


@pytest.mark.parametrize("program", ["apt-get", "apt-cache", "dpkg", "dpkg-query"])
def test_each_program_is_needed(world: World, program: str) -> None:
    (world.bin / program).unlink()
    with pytest.raises(EnvironmentProblem, match=f"{program} is not on PATH: nothing is installed here"):
        system.distribution()


def test_what_is_installed(world: World) -> None:
    (world.answers / "installed" / "qemu-user").touch()
    assert system.installed(["qemu-user", "gcc-s390x-linux-gnu"]) == {"qemu-user"}
    assert system.installed([]) == frozenset()
    (world.bin / "dpkg-query").unlink()
    assert system.installed(["qemu-user"]) == frozenset()


def test_what_is_offered(world: World) -> None:
    assert system.offered(["qemu-user", "gcc-s390x-linux-gnu"])
    assert not system.offered(["qemu-user", "gcc-vax-linux-gnu"])


def test_rights(world: World) -> None:
    assert system.may()
    assert system.installing(["a"])[0] == "apt-get"
    world.user = 1000
    assert not system.may(), "there is no sudo"
    world.has("sudo")
    assert system.may()
    assert system.installing(["a"])[:5] == ("sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get")
    world.when("sudo", "true", "echo 'sudo: a password is required' >&2; exit 1")
    assert not system.may()
