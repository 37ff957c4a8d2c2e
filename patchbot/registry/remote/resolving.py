"""Does cargo itself find what was published?  A user's program is resolved from nothing, with the real cargo.

A fresh ``CARGO_HOME``, so that nothing comes from what this machine has seen before.
"""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from patchbot import tools
from patchbot.cargo_settings import cargo_home
from patchbot.errors import PublishError
from patchbot.registry.remote.credentials import Secret
from patchbot.registry.remote.plan import Parcel, needs
from patchbot.registry.remote.target import Target, variable

# Names that nobody else uses: a user's own configuration counts as well, and cargo refuses one index under
# two names.
_REAL, _CANONICAL = "patchbot-resolves-real", "patchbot-resolves-canonical"
_SECONDS = 600.0


def available() -> bool:
    """Whether there is a cargo."""
    return tools.find("cargo") is not None


def resolve(
    parcels: Sequence[Parcel], target: Target, canonical: str, token: Secret | None, folder: Path
) -> int:
    """Resolve a program that depends on all of a release that nothing else depends on.

    ``canonical`` is the index URL that stands in the crates.  The program is made in ``folder``, whose
    cargo configuration counts (mirrors, proxies).  Returns how many of the crates the lockfile names.

    Raises ``PublishError`` if cargo does not resolve it, or locks other bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="consumer-", dir=folder) as name:
        program = Path(name)
        for path, text in _files(parcels, target, canonical).items():
            (program / path).parent.mkdir(parents=True, exist_ok=True)
            (program / path).write_text(text, encoding="utf-8")
        settings = [f for f in (cargo_home() / "config.toml", cargo_home() / "config") if f.is_file()]
        extra = [word for file in settings[:1] for word in ("--config", str(file))]
        result = tools.run(
            ["cargo", *extra, "generate-lockfile"],
            cwd=program,
            env=_environment(target, canonical, token, program / "home"),
            timeout=_SECONDS,
        )
        if not result.ok:
            raise PublishError(
                f"cargo cannot resolve a program that uses {parcels[0].release} from {target.name}:\n{result.tail(12)}",
                hint="everything is published, and its bytes were compared",
            )
        return _compare(program / "Cargo.lock", parcels)


def _files(parcels: Sequence[Parcel], target: Target, canonical: str) -> dict[str, str]:
    used = {package for parcel in parcels for package, _ in needs(parcel)}
    lines = [
        f'{parcel.entry.name} = {{ version = "={parcel.entry.version}", registry = "{_CANONICAL}" }}\n'
        for parcel in parcels
        if parcel.entry.name not in used
    ]
    manifest = '[package]\nname = "patchbot-consumer"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n'
    config = f"[registries.{_CANONICAL}]\nindex = {json.dumps(canonical)}\n"
    if canonical != target.index:
        config += (
            f'\n[source.{_CANONICAL}]\nregistry = {json.dumps(canonical)}\nreplace-with = "{_REAL}"\n'
            f"\n[registries.{_REAL}]\nindex = {json.dumps(target.index)}\n"
        )
    return {
        "Cargo.toml": f"{manifest}[dependencies]\n{''.join(lines)}",
        "src/lib.rs": "",
        ".cargo/config.toml": config,
    }


def _environment(target: Target, canonical: str, token: Secret | None, home: Path) -> Mapping[str, str]:
    """Return cargo's environment: said here, a registry's name and token count before any file's."""
    name = _CANONICAL if canonical == target.index else _REAL
    given = {"CARGO_HOME": str(home), variable(name, "INDEX"): target.index}
    if token is not None:
        given |= {
            variable(name, "TOKEN"): token.reveal(),
            variable(name, "CREDENTIAL_PROVIDER"): "cargo:token",
        }
    return tools.environment(given, drop=("CARGO_REGISTRIES_", "CARGO_REGISTRY_"))


def _compare(lock: Path, parcels: Iterable[Parcel]) -> int:
    packages = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
    locked = {(p["name"], p["version"]): p.get("checksum") for p in packages}
    found = 0
    for parcel in parcels:
        checksum = locked.get(parcel.key)
        if checksum is None:
            continue  # an optional dependency that nothing switches on
        found += 1
        if checksum != parcel.entry.sha256:
            raise PublishError(f"cargo locks {parcel} as {checksum}, and it is {parcel.entry.sha256}")
    return found
