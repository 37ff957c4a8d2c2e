"""Small crates to publish, whose manifests and index lines say the same, and what publishes them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from registry.faulty import Faulty, Scaled

from patchbot.cargo_settings import Settings
from patchbot.fork.pack import gzip_stored
from patchbot.index.repository import GitIndex
from patchbot.model import Dependency, DependencyKind, IndexEntry
from patchbot.registry.remote import journal, plan, publish
from patchbot.registry.remote.client import Client, Patience
from patchbot.registry.remote.credentials import Credentials
from patchbot.registry.remote.pacing import Pace, RealClock
from patchbot.registry.remote.plan import Parcel
from patchbot.registry.remote.sending import Sender
from patchbot.registry.remote.target import Target, variable

CANONICAL = "sparse+https://registry.example.invalid/index/"
NAME = "test-registry"


def archive(name: str, version: str, files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip_stored(out.getvalue())


def parcel(
    name: str, needs: tuple[str, ...] = (), *, version: str = "1.2.3", text: str = "", release: str = "1.2.3"
) -> Parcel:
    """Return a crate that renames each dependency, as forks do."""
    manifest = f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
    manifest += 'license = "MIT"\ndescription = "small"\n\n[lib]\npath = "src/lib.rs"\n'
    for need in needs:
        manifest += (
            f'\n[dependencies.of-{need}]\nversion = "={version}"\npackage = "{need}"\n'
            f'registry-index = "{CANONICAL}"\n'
        )
    data = archive(name, version, {"Cargo.toml": manifest, "src/lib.rs": f"// {text}\n"})
    dependencies = tuple(
        Dependency(f"of-{need}", need, f"={version}", DependencyKind.NORMAL, False, True, (), None)  # noqa: FBT003
        for need in needs
    )
    entry = IndexEntry(name, version, hashlib.sha256(data).hexdigest(), False, dependencies, {})  # noqa: FBT003
    return Parcel(entry, data, release, "has a link-time name")


def release() -> list[Parcel]:
    """A diamond and one crate beside it."""
    return [
        parcel("base"),
        parcel("left", ("base",)),
        parcel("right", ("base",)),
        parcel("top", ("left", "right")),
        parcel("alone"),
    ]


def client(
    registry: Faulty,
    *,
    clock: RealClock | None = None,
    environ: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    clones: Path | None = None,
) -> Client:
    """Return a client; ``clones`` is the folder for that of a git index."""
    target = Target(NAME, registry.index)
    known = {variable(NAME, "TOKEN"): registry.token or "none"} if environ is None else environ
    return Client(
        target,
        Credentials(target, Settings(), known),
        git=GitIndex(target.url, clones) if clones is not None else None,
        clock=clock or Scaled(),
        patience=patience or Patience(),
    )


def run(
    registry: Faulty,
    folder: Path,
    parcels: list[Parcel],
    *,
    to: Client | None = None,
    in_flight: int = 4,
    pace: Pace | None = None,
    told: list[str] | None = None,
) -> publish.Done:
    """Publish as the pipeline does: look, plan, execute."""
    to = to or client(registry, clock=registry.clock)
    with closing(to):
        held = plan.look(plan.names(parcels), to.entries, jobs=4)
        made = plan.make(parcels, held)
        written = journal.Journal(journal.folder(folder, to.target), to.target, made, to.clock)
        own = (to.target.index, CANONICAL)
        sender = Sender(to, written, pace or Pace(to.clock), own, (told if told is not None else []).append)
        return publish.execute(made, sender, in_flight=in_flight)


def everything_once(registry: Faulty, release: list[Parcel]) -> None:
    """The registry has taken each crate once, and holds its bytes."""
    assert registry.stored == {str(parcel): 1 for parcel in release}
    for parcel in release:
        assert registry.download(*parcel.key) == parcel.data
        (line,) = registry.lines(parcel.entry.name)
        assert line["cksum"] == parcel.entry.sha256
    assert registry.left() == [], "a fault that no request has met tests nothing"


def nothing_the_second_time(registry: Faulty, folder: Path, release: list[Parcel]) -> None:
    """A run that has nothing to do sends nothing, and downloads nothing."""
    before = sum(registry.puts.values())
    done = run(registry, folder, release)
    assert (done.sent, done.kept, done.verified) == (0, len(release), 0)
    assert sum(registry.puts.values()) == before
