"""Pack and publish all crates of a real release: patchbot beside `cargo publish --workspace --no-verify`.

    python benchmarks/publish_release.py [--release 36.0.20] [--rounds N] [--json]

Both publish to `patchbot serve` on loopback, with a token. cargo gets the forks as a workspace, packs and uploads
them; patchbot packs, uploads, downloads all again, compares, and lets cargo resolve a program with them. Its second
run, which has nothing to do, is timed as well. Needs the network once: for the release, and for cargo's index.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import table
import tomlkit

HERE = Path(__file__).parents[1]
NAME = "bench"
ROOTS = '["wasmtime", "wasmtime-wasi", "wasmtime-wasi-http"]'
PATCHBOT = [sys.executable, "-m", "patchbot"]


class Bench:
    """A registry's address and token, and projects that publish there."""

    def __init__(self, folder: Path, release: str) -> None:
        self.folder, self.release = folder, release
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.index = f"sparse+http://127.0.0.1:{self.port}/index/"
        token = secrets.token_hex(16)
        usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.env = {**usual, "PATCHBOT_SERVE_TOKEN": token, "CARGO_REGISTRIES_BENCH_TOKEN": token,
                    "CARGO_REGISTRIES_BENCH_INDEX": self.index}  # fmt: skip

    def run(self, argv: list[str], folder: Path) -> float:
        """Run a command and return its seconds."""
        started = time.perf_counter()
        done = subprocess.run(argv, cwd=folder, env=self.env, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(argv)}: {done.stderr.decode()[-3000:]}")
        return time.perf_counter() - started

    def project(self, name: str) -> Path:
        """Make a project whose registry is the one that is measured."""
        project = self.folder / name
        shutil.copytree(HERE / "patches", project / "patches")
        (project / "patchbot.toml").write_text(
            f'[registry]\nname = "{NAME}"\nindex = "{self.index}"\n[fork]\nroots = {ROOTS}\nclosure = "exact"\n'
        )
        return project

    @contextmanager
    def registry(self) -> Iterator[None]:
        """Serve an empty registry."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            (Path(name) / "patchbot.toml").write_text(
                f'[registry]\nname = "{NAME}"\nindex = "{self.index}"\n'
            )
            argv = [*PATCHBOT, "serve", "-q", "--json", "--port", str(self.port)]
            with subprocess.Popen(argv, cwd=name, env=self.env, stdout=subprocess.PIPE) as server:
                try:
                    if server.stdout is not None:
                        server.stdout.readline()  # it listens
                    yield
                finally:
                    server.terminate()


def workspace(forks: Path, folder: Path) -> int:
    """Unpack forks as a workspace that cargo can publish: dependencies by path as well; return how many."""
    manifests = {}
    for crate in sorted(forks.glob("*.crate")):
        with tarfile.open(crate) as archive:
            archive.extractall(folder, filter="data")
        file = folder / crate.stem / "Cargo.toml"
        manifests[file] = tomlkit.parse(file.read_text())
    homes = {doc["package"]["name"]: file.parent.name for file, doc in manifests.items()}
    for file, doc in manifests.items():
        for place in (doc, *doc.get("target", {}).values()):
            for kind in ("dependencies", "build-dependencies"):
                for entry in place.get(kind, {}).values():
                    _by_path(entry, homes)
        file.write_text(tomlkit.dumps(doc))
    (folder / "Cargo.toml").write_text(
        f'[workspace]\nresolver = "2"\nmembers = {json.dumps(list(homes.values()))}\n'
    )
    return len(homes)


def _by_path(entry: object, homes: dict[str, str]) -> None:
    if isinstance(entry, dict) and "registry-index" in entry:
        del entry["registry-index"]
        entry["registry"] = NAME
        entry["path"] = f"../{homes[entry['package']]}"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", default="36.0.20")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    times: dict[str, list[float]] = {"patchbot": [], "patchbot, nothing to do": [], "cargo publish": []}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        bench = Bench(Path(name), given.release)
        project = bench.project("project")
        bench.run([*PATCHBOT, "fork", given.release, "-q"], project)
        crates = workspace(project / ".patchbot" / "forks" / given.release, Path(name, "workspace"))
        ours = [*PATCHBOT, "publish", given.release, "--registry", NAME, "-q"]
        cargo = ["cargo", "publish", "--workspace", "--no-verify", "--allow-dirty", "--registry", NAME]
        for _ in range(given.rounds):
            with bench.registry():
                for made in ("forks", "publish"):
                    shutil.rmtree(project / ".patchbot" / made, ignore_errors=True)
                (project / "patches" / "published.toml").unlink(missing_ok=True)
                times["patchbot"].append(bench.run(ours, project))
                times["patchbot, nothing to do"].append(bench.run(ours, project))
            with bench.registry():
                shutil.rmtree(Path(name, "workspace", "target"), ignore_errors=True)
                times["cargo publish"].append(bench.run(cargo, Path(name, "workspace")))
    table.show(
        f"{crates} crates of wasmtime {given.release}; median of {given.rounds}",
        times,
        as_json=given.json,
        crates=crates,
    )


if __name__ == "__main__":
    main()
