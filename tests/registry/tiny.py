"""Three crates without third parties that cargo can really build, and their forks."""

from __future__ import annotations

from fork import small

from patchbot.fork import closure, forge
from patchbot.model import ClosureMode, DependencyKind, ForkedRelease, ImportedRelease

CORE = """\
pub fn beat() -> &'static str {
    if cfg!(feature = "loud") { "BOOM" } else { "boom" }
}
"""
MAKER = "pub fn made() -> u32 { 42 }\n"
BUILD = """\
fn main() {
    println!("cargo:rustc-env=MADE={}", tiny_maker::made());
    println!("cargo:rerun-if-changed=build.rs");
}
"""
TINY = """\
pub fn tell() -> String {
    format!("{} {} {}", heart::beat(), env!("MADE"), env!("CARGO_PKG_VERSION"))
}
"""
LONG = f"src/{'deep/' * 30}notes.txt"


def upstream(version: str) -> ImportedRelease:
    return small.release(
        small.pin("tiny-core", version=version, features={"loud": ()}),
        small.pin("tiny-maker", version=version),
        small.pin(
            "tiny",
            [
                small.dependency("tiny-core", f"={version}", alias="heart"),
                small.dependency("tiny-maker", f"={version}", kind=DependencyKind.BUILD),
            ],
            version=version,
            features={"loud": ("heart/loud",)},
        ),
        version=version,
        roots=("tiny",),
    )


def sources(version: str) -> dict[str, str]:
    head = f'version = "{version}"\nedition = "2021"\n'
    return {
        "crates/tiny-core/Cargo.toml": f'[package]\nname = "tiny-core"\n{head}\n[features]\nloud = []\n',
        "crates/tiny-core/src/lib.rs": CORE,
        f"crates/tiny-core/{LONG}": "far down\n",
        "crates/tiny-maker/Cargo.toml": f'[package]\nname = "tiny-maker"\n{head}',
        "crates/tiny-maker/src/lib.rs": MAKER,
        "crates/tiny/Cargo.toml": (
            f'[package]\nname = "tiny"\n{head}build = "build.rs"\n\n'
            f'[dependencies.heart]\nversion = "={version}"\npackage = "tiny-core"\n\n'
            f'[build-dependencies.tiny-maker]\nversion = "={version}"\n\n'
            '[features]\nloud = ["heart/loud"]\n'
        ),
        "crates/tiny/build.rs": BUILD,
        "crates/tiny/src/lib.rs": TINY,
    }


def forks(
    version: str = "1.2.3",
    *,
    change: dict[str, str] | None = None,
    index: str = small.INDEX,
    registry: str = small.REGISTRY,
) -> ForkedRelease:
    """The forks of a release; ``change`` replaces or adds files, ``index`` stands in their bytes."""
    release = upstream(version)
    reasons = dict.fromkeys(("tiny-core", "tiny-maker"), "has a link-time name")
    return forge.forge(
        release,
        small.tree({**sources(version), **(change or {})}),
        closure.close(release, ["tiny"], reasons, ClosureMode.MINIMAL),
        suffix=small.suffix(version),
        provenance={"tool": "patchbot 1.2.3"},
        index=index,
        registry=registry,
    )
