"""Pack and publish 40 crates to a registry on loopback: patchbot beside `cargo publish --workspace --no-verify`.

    python benchmarks/publish.py [--crates N] [--shape chain|layers] [--rounds N] [--json]

Both start from the same sources and end with the same crates in an empty registry, which answers at once. The
registry is looked at before anybody gets a time: every crate once, and its index line as the other has it.
patchbot also downloads and compares what was published, and its second run, which has nothing to do, is timed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import table

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE / "tests")]

if TYPE_CHECKING:
    from registry.faulty import Faulty

NAME = "bench"
VERSION = "1.2.3"
FILES = 20  # of a crate, 30 kB each: 40 crates are as large as a release of wasmtime, 25 MB


def needs(number: int, shape: str) -> list[int]:
    """Return what the crate of that number needs: the one before it, or three of the layer below (of eight)."""
    if shape == "chain":
        return [number - 1] if number else []
    layer = number // 8 * 8
    return sorted({layer - 8 + (number + step) % 8 for step in (0, 1, 3)}) if layer else []


def manifest(number: int, shape: str, index: str | None) -> str:
    """Return a manifest: of a workspace member, or normalised, if there is an ``index``."""
    text = (
        f'[package]\nname = "bench-{number}"\nversion = "{VERSION}"\nedition = "2021"\nlicense = "MIT"\n'
        f'description = "x"\nreadme = false\npublish = ["{NAME}"]\n'
    )
    for need in needs(number, shape):
        where = f'registry-index = "{index}"' if index else f'registry = "{NAME}"\npath = "../bench-{need}"'
        text += f'\n[dependencies.of-{need}]\nversion = "={VERSION}"\npackage = "bench-{need}"\n{where}\n'
    return text


def sources(number: int) -> dict[str, str]:
    """Return the sources of a crate, which are like nobody else's."""
    rng = random.Random(number)
    files = {}
    for file in range(FILES):
        items = (
            f"/// Item {n}.\npub fn item_{rng.getrandbits(24):x}(x: u64) -> u64 {{\n    x ^ {rng.getrandbits(32)}\n}}\n\n"
            for n in range(400)
        )
        files[f"src/m{file}.rs"] = "".join(items)
    return {"src/lib.rs": "".join(f"pub mod m{n};\n" for n in range(FILES)), **files}


def workspace(folder: Path, crates: int, shape: str, index: str) -> None:
    """Write the sources for cargo."""
    for number in range(crates):
        source = folder / f"bench-{number}" / "src"
        source.mkdir(parents=True)
        for path, text in sources(number).items():
            (source.parent / path).write_text(text)
        (source.parent / "Cargo.toml").write_text(manifest(number, shape, None))
    (folder / "Cargo.toml").write_text('[workspace]\nresolver = "2"\nmembers = ["bench-*"]\n')
    (folder / ".cargo").mkdir()
    (folder / ".cargo" / "config.toml").write_text(f'[registries.{NAME}]\nindex = "{index}"\n')


def checked(registry: Faulty, crates: int) -> list[dict[str, Any]]:
    """Return the index lines of a registry that has taken each crate once, without what packing decides."""
    if registry.stored != {f"bench-{n} {VERSION}": 1 for n in range(crates)}:
        sys.exit(f"not every crate was published once: {registry.stored}")
    lines = [line for n in range(crates) for line in registry.lines(f"bench-{n}")]
    return [{**line, "cksum": ""} for line in lines]


def by_cargo(crates: int, shape: str) -> tuple[float, list[dict[str, Any]]]:
    """Publish with the real cargo; return its seconds and what the registry has then."""
    from registry.faulty import Faulty  # noqa: PLC0415 - the process that publishes does not need it

    with Faulty() as registry, tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        workspace(folder, crates, shape, registry.index)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "CARGO_HOME": str(folder / "home"),
            "CARGO_REGISTRIES_BENCH_TOKEN": registry.token or "",
        }
        argv = ["cargo", "publish", "--workspace", "--no-verify", "--allow-dirty", "--registry", NAME]
        started = time.perf_counter()
        run = subprocess.run(argv, cwd=folder, env=env, capture_output=True, check=False)
        seconds = time.perf_counter() - started
        if run.returncode:
            sys.exit(run.stderr.decode()[-3000:])
        return seconds, checked(registry, crates)


def by_patchbot(crates: int, shape: str) -> tuple[float, float, list[dict[str, Any]]]:
    """Pack and publish in a process of patchbot's; return the seconds of two runs, and what the registry has."""
    from registry.faulty import Faulty  # noqa: PLC0415 - the process that publishes does not need it

    with Faulty() as registry, tempfile.TemporaryDirectory(prefix="bench-") as name:
        workspace(Path(name, "sources"), crates, shape, registry.index)
        argv = [sys.executable, __file__, "--child", name, "--crates", str(crates), "--shape", shape]
        usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env = {**usual, "CARGO_REGISTRIES_BENCH_TOKEN": registry.token or "",
               "CARGO_REGISTRIES_BENCH_INDEX": registry.index}  # fmt: skip
        seconds = []
        before = 0
        for _ in range(2):
            before = sum(registry.puts.values())
            started = time.perf_counter()
            subprocess.run(argv, env=env, check=True)
            seconds.append(time.perf_counter() - started)
        if sum(registry.puts.values()) != before:
            sys.exit("the second run has uploaded something")
        return seconds[0], seconds[1], checked(registry, crates)


def child(folder: Path, crates: int, shape: str) -> None:
    """Pack the crates and publish them, as ``patchbot publish --registry`` does."""
    from patchbot import cargo_settings  # noqa: PLC0415 - the other tool does not need it
    from patchbot.fork.pack import pack  # noqa: PLC0415
    from patchbot.model import Dependency, DependencyKind, IndexEntry, TreeFile  # noqa: PLC0415
    from patchbot.registry.remote import journal, plan, publish, target  # noqa: PLC0415
    from patchbot.registry.remote.client import CONNECTIONS, Client  # noqa: PLC0415
    from patchbot.registry.remote.credentials import Credentials  # noqa: PLC0415
    from patchbot.registry.remote.pacing import Pace  # noqa: PLC0415
    from patchbot.registry.remote.sending import Sender  # noqa: PLC0415

    settings = cargo_settings.load(folder, secrets=True)
    there = target.find(NAME, settings, os.environ)
    parcels = []
    for number in range(crates):
        text = manifest(number, shape, there.index)
        files = [TreeFile("Cargo.toml", text.encode())]
        for file in sorted((folder / "sources" / f"bench-{number}" / "src").iterdir()):
            files.append(TreeFile(f"src/{file.name}", file.read_bytes()))
        data = pack(files, name=f"bench-{number}", version=VERSION)
        dependencies = tuple(
            Dependency(f"of-{n}", f"bench-{n}", f"={VERSION}", DependencyKind.NORMAL, False, True, (), None)  # noqa: FBT003
            for n in needs(number, shape)
        )
        entry = IndexEntry(
            f"bench-{number}",
            VERSION,
            hashlib.sha256(data).hexdigest(),
            False,  # noqa: FBT003 - as it stands in an index line
            dependencies,
            {},
        )
        parcels.append(plan.Parcel(entry, data, VERSION, "is measured"))
    client = Client(there, Credentials(there, settings))
    made = plan.make(parcels, plan.look(plan.names(parcels), client.entries, jobs=CONNECTIONS))
    written = journal.Journal(journal.folder(folder, there), there, made, client.clock)
    sender = Sender(client, written, Pace(client.clock), (there.index,), print)
    publish.execute(made, sender, in_flight=4)
    client.close()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crates", type=int, default=40)
    parser.add_argument("--shape", choices=("chain", "layers"), default="layers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.child, given.crates, given.shape)
        return
    if shutil.which("cargo") is None:
        sys.exit("there is no cargo to measure beside")
    times: dict[str, list[float]] = {"patchbot": [], "patchbot, nothing to do": [], "cargo publish": []}
    for _ in range(given.rounds):
        first, second, ours = by_patchbot(given.crates, given.shape)
        seconds, theirs = by_cargo(given.crates, given.shape)
        if ours != theirs:
            sys.exit("patchbot's index lines are not those of cargo's uploads")
        for tool, value in zip(times, (first, second, seconds), strict=True):
            times[tool].append(value)
    table.show(f"{given.crates} crates, {given.shape}; median of {given.rounds}", times, as_json=given.json)


if __name__ == "__main__":
    main()
