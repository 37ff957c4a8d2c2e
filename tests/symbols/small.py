"""Small releases in memory: crates of ``support.upstream``, or a few files, as the symbols room wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import settings
from support.upstream import COMMIT, Crate, Upstream
from support.upstream import release as upstream_release

from patchbot.model import (
    AllowedBlindSpot,
    CratePin,
    ImportedRelease,
    IndexEntry,
    Inventory,
    Keep,
    Kind,
    NamePolicy,
    Names,
    Release,
    Rewrite,
    Suffix,
    Symbol,
)
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rewrite import rewrite
from patchbot.symbols.scan import Scan, scan

SUFFIX = Suffix("_8_0_1_pb")
NAMES = Names(SUFFIX)

# The same examples on every machine, few enough to be run every time.
quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)

DEBUGGERS = "debuggers look this name up"
POLICY = NamePolicy(
    keep=(
        Keep(DEBUGGERS, name="__jit_debug_register_code"),
        Keep(DEBUGGERS, name="__jit_debug_descriptor"),
        Keep("the embedder defines these", path="*/sys/custom/capi.rs"),
    )
)

Sources = Mapping[str, str | bytes]


def release(
    crates: Sequence[Crate], version: str = "8.0.1", change: Sources | None = None
) -> tuple[ImportedRelease, dict[str, bytes]]:
    """Return crates as an imported release; ``change`` replaces or adds files by their path."""
    files: dict[str, bytes] = {}
    for crate in crates:
        files[f"{crate.path}/Cargo.toml"] = Upstream.manifest(crate, version).encode()
        files |= {f"{crate.path}/{path}": text.encode() for path, text in crate.files.items()}
    for path, text in (change or {}).items():
        files[path] = text if isinstance(text, bytes) else text.encode()
    pins = tuple(
        CratePin(
            IndexEntry(crate.name, version, "0" * 64, yanked=False, dependencies=(), features={}, links=crate.links),
            crate.path,
            COMMIT,
        )
        for crate in crates
    )  # fmt: skip
    return ImportedRelease(Release.parse(version), (pins[0].name,), COMMIT, "0" * 40, "", pins), files


def upstream(
    version: str = "8.0.1", *, versioned: bool = False, change: Sources | None = None
) -> tuple[ImportedRelease, dict[str, bytes]]:
    """Return the small upstream's release."""
    return release(upstream_release(version, versioned=versioned), version, change)


def one_crate(files: Sources, *, links: str | None = None) -> tuple[ImportedRelease, dict[str, bytes]]:
    """Return a release of one crate, ``wasmtime-runtime`` in ``crates/runtime``, with these files."""
    crate = Crate("wasmtime-runtime", "crates/runtime", {}, [], links=links)
    return release([crate], change={f"crates/runtime/{path}": text for path, text in files.items()})


def corpus(files: Sources) -> Corpus:
    """Return a corpus of one crate."""
    return Corpus(*one_crate(files))


def scan_lib(source: str, modules: Mapping[str, str] | None = None, *, policy: NamePolicy = POLICY) -> Scan:
    """Scan one crate whose ``src/lib.rs`` is ``source``; ``modules`` are other files of ``src``, by name."""
    more = {f"src/{name}.rs": text for name, text in (modules or {}).items()}
    return scan(*one_crate({"src/lib.rs": source, **more}), policy)


def rewritten(scanned: Scan, *, policy: NamePolicy = POLICY, names: Names = NAMES) -> dict[str, str]:
    """Rewrite a scanned release; return the new text of every file that changed."""
    return after(rewrite(scanned, policy, names))


def after(rewrites: Sequence[Rewrite]) -> dict[str, str]:
    """Return the text of every file that these rewrites change, when all of them are applied."""
    out: dict[str, bytes] = {}
    for item in rewrites:
        out |= item.files
    return {path: data.decode("latin-1") for path, data in out.items()}


def rewrite_lib(source: str, modules: Mapping[str, str] | None = None) -> str:
    """Return what a crate's ``src/lib.rs`` becomes."""
    return rewritten(scan_lib(source, modules)).get("crates/runtime/src/lib.rs", source)


def own(inventory: Inventory) -> set[str]:
    """Return the names that get the suffix."""
    return set(inventory.names(Kind.OWN))


def whys(inventory: Inventory) -> list[str]:
    """Return what the blind spots say."""
    return [spot.why for spot in inventory.blind_spots]


def symbol(inventory: Inventory, name: str) -> Symbol:
    """Return the one symbol of that name."""
    (found,) = [s for s in inventory.symbols if s.name == name]
    return found


def allowing(path: str, says: str) -> NamePolicy:
    """Return the policy with one blind spot allowed."""
    return NamePolicy(POLICY.keep, (AllowedBlindSpot(path, says, "looked at"),))
