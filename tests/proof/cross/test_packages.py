"""What apt prints, and which versions are taken of it; the texts are those of Debian 12 and Ubuntu 24.04."""

from __future__ import annotations

import pytest
from proof.cross.world import MADISON, SHOWN, SIMULATED, VERSION

from patchbot.proof.cross import packages
from patchbot.proof.cross.packages import FAMILIES, Choice, Family

WEB, OWN = FAMILIES


def test_the_newest_rust_that_both_machines_have_is_chosen() -> None:
    found = packages.offers(MADISON)
    assert found["rustc-web"] == ("1.96.0+dfsg1-1~deb12u2", VERSION)
    assert packages.choose(found, FAMILIES, "s390x") == Choice(WEB, VERSION, VERSION, VERSION)
    newer = packages.offers(MADISON + "libstd-rust-web-dev:s390x | 1.96.0+dfsg1-1~deb12u2 | x Packages\n")
    choice = packages.choose(newer, FAMILIES, "s390x")
    assert choice is not None
    assert choice.host == tuple(
        f"{name}=1.96.0+dfsg1-1~deb12u2" for name in ("rustc-web", "cargo-web", "libstd-rust-web-dev")
    )
    assert choice.library("s390x") == "libstd-rust-web-dev:s390x=1.96.0+dfsg1-1~deb12u2"


def test_a_cargo_of_its_own_sources_has_its_own_version() -> None:
    found = {name: versions for name, versions in packages.offers(MADISON).items() if "web" not in name}
    assert packages.choose(found, FAMILIES, "s390x") == Choice(
        OWN, "1.63.0+dfsg1-2", "0.66.0+ds1-1", "1.63.0+dfsg1-2"
    )


def test_packages_made_again_of_the_same_sources_fit() -> None:
    found = {"rustc": ("1.85.0-1",), "cargo": ("1.85.0-1",), "libstd-rust-dev": ("1.85.0-1",)}
    same = packages.choose({**found, "libstd-rust-dev:s390x": ("1.85.0-1+b2",)}, FAMILIES, "s390x")
    assert same is not None
    assert (same.rustc, same.foreign) == ("1.85.0-1", "1.85.0-1+b2")
    for other in ("1.85.0-2", "1.85.1-1", "1.84.0-1"):
        assert packages.choose({**found, "libstd-rust-dev:s390x": (other,)}, FAMILIES, "s390x") is None


@pytest.mark.parametrize("missing", ["rustc", "cargo", "libstd-rust-dev", "libstd-rust-dev:s390x"])
def test_half_a_rust_is_none(missing: str) -> None:
    names = ("rustc", "cargo", "libstd-rust-dev", "libstd-rust-dev:s390x")
    found = {name: ("1.85.0-1",) for name in names if name != missing}
    assert packages.choose(found, FAMILIES, "s390x") is None


def test_numbers_are_compared_as_numbers() -> None:
    found: dict[str, tuple[str, ...]] = {}
    for family, version in ((WEB, "1.9.0-1"), (OWN, "1.10.0-1")):
        for name in (family.rustc, family.cargo, family.library, f"{family.library}:s390x"):
            found[name] = (version,)
    choice = packages.choose(found, FAMILIES, "s390x")
    assert choice is not None
    assert choice.family == OWN


def test_of_equal_ones_the_first_family_is_taken() -> None:
    names = [name for family in FAMILIES for name in (family.rustc, family.cargo, family.library)]
    found = dict.fromkeys((*names, "libstd-rust-dev:s390x", "libstd-rust-web-dev:s390x"), ("1.85.0-1",))
    choice = packages.choose(found, FAMILIES, "s390x")
    assert choice is not None
    assert choice.family == WEB


def test_ubuntu_has_families_with_versions() -> None:
    names = ["rustc", "rustc-1.85", "rustc-1.100", "rustc-1.85-doc", "rustc-doc", "rustc-mozilla"]
    assert packages.families(names) == (
        *FAMILIES,
        Family("rustc-1.100", "cargo-1.100", "libstd-rust-1.100-dev"),
        Family("rustc-1.85", "cargo-1.85", "libstd-rust-1.85-dev"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "N: Unable to locate package x",
        "x | 1",
        " rustc-web | 1.85.0 | http://packages.example x/main Sources",
    ],
)
def test_other_lines_offer_nothing(line: str) -> None:
    assert packages.offers(line) == {}


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.85.0+dfsg3-1~deb12u3", (1, 85, 0)), ("1:19.1.7-3", (19, 1, 7)), ("1.75.0+dfsg0ubuntu1-0ubuntu7", (1, 75, 0)),
     ("", ()), ("none", ())],
)  # fmt: skip
def test_upstreams_version(version: str, numbers: tuple[int, ...]) -> None:
    assert packages.upstream(version) == numbers


def test_libraries_that_the_machine_has_are_left_out() -> None:
    assert packages.added(SIMULATED) == (
        "libpcre3=2:8.39-15",
        "libllvm19=1:19.1.7-3~deb12u1",
        f"libstd-rust-web-1.85={VERSION}",
        f"rustc-web={VERSION}",
        f"cargo-web={VERSION}",
    )
    assert packages.added("Inst libc6 (2.36-9 Debian:12 [amd64])\n") == ()
    assert packages.added("nothing\n") == ()


def test_what_is_needed_at_one_version_comes_along() -> None:
    ours = packages.exact(SHOWN)
    assert ours == (
        f"libstd-rust-web-dev={VERSION}",
        f"rustc-web={VERSION}",
        f"libstd-rust-web-1.85={VERSION}",
    )
    assert packages.together([f"rustc-web={VERSION}"], ours, ["rustc-web=2", "libpcre3=1"]) == (
        f"rustc-web={VERSION}", f"libstd-rust-web-dev={VERSION}", f"libstd-rust-web-1.85={VERSION}", "libpcre3=1",
    )  # fmt: skip


def test_the_configuration_leaves_the_machines_own_alone() -> None:
    text = packages.configuration("/c/apt-1", ("amd64", "s390x"))
    assert 'APT::Architectures:: "s390x";' in text
    assert "#clear APT::Update::Post-Invoke-Success;" in text
    places = [line for line in text.splitlines() if line.startswith("Dir::") and "bin" not in line]
    assert all('"/c/apt-1/' in line for line in places)
    assert "Dir::Etc" not in text
