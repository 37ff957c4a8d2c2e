"""The cargo project of a proof on disk: its files, its lock, and what of the forks was built before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchbot import files
from patchbot.proof import cargo, program
from patchbot.proof.toolchain import Toolchain

BUILT = "patchbot-forks.json"
FORKS = "forks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a proof works: project folders below ``folder``, and how cargo finds the forks.

    ``registry`` is the registry's name, ``config`` and ``twin_config`` the cargo configuration that says
    where the forks, and the forks without suffix, are.  ``pins`` is the committed lock of everybody else's
    crates, or None; versions to ``hold`` (by package) go into the lock where there is none.  ``on_line`` hears
    what cargo says, ``on_rung`` what is done next.
    """

    folder: Path
    registry: str
    config: str
    twin_config: str
    toolchain: Toolchain
    pins: Path | None
    hold: Mapping[str, str]
    offline: bool
    on_line: Callable[[str], None]
    on_rung: Callable[[str], None]


def lock_of(setting: Setting) -> str:
    """Return the ``Cargo.lock`` of the last proof in this setting."""
    return (setting.folder / FORKS / "Cargo.lock").read_text(encoding="utf-8")


class Project:
    """A cargo project on disk, its files written only where they differ, so that cargo sees no change."""

    def __init__(self, name: str, people: Sequence[program.Member], config: str, setting: Setting) -> None:
        self.folder = setting.folder / name
        self.target = setting.folder / "target"
        self._setting = setting
        wanted = program.render(f"proof-{name}", people, config)
        for path, text in wanted.items():
            _write_if_new(self.folder / path, text)
        for stale in (self.folder / "src").glob("*.rs"):
            if f"src/{stale.name}" not in wanted:
                stale.unlink()
        self._cargo = cargo_in(self.folder, setting)

    def build(self, packages: Sequence[str], digests: Mapping[str, str]) -> cargo.Build:
        """Resolve, forget what has changed since it was built, and build."""
        if self._setting.pins is not None:
            files.write(self.folder / "Cargo.lock", self._setting.pins.read_bytes())
        else:
            (self.folder / "Cargo.lock").unlink(missing_ok=True)
        cargo.need(self._cargo.fetch(), "the dependencies cannot be resolved")
        if self._setting.pins is None:
            self._hold()
        built = self.target / BUILT
        known = json.loads(built.read_text()) if built.is_file() else {}
        self._cargo.clean([p for p in packages if known.get(p, digests[p]) != digests[p]])
        files.write(built, json.dumps({**known, **digests}, indent=1, sort_keys=True).encode())
        return self._cargo.build()

    def _hold(self) -> None:
        lock = program.versions((self.folder / "Cargo.lock").read_text(encoding="utf-8"))
        for package, version in self._setting.hold.items():
            if package in lock and version not in lock[package]:
                held = self._cargo.hold(package, version)
                cargo.need(held, f"{package} cannot be held at {version}, as proof.hold asks")


def cargo_in(folder: Path, setting: Setting) -> cargo.Cargo:
    """Return cargo for a project folder of a proof."""
    built = setting.folder / "target"
    return cargo.Cargo(folder, built, setting.toolchain, offline=setting.offline, on_line=setting.on_line)


def _write_if_new(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        files.write(file, text.encode())
