"""``patchbot.toml``, the environment and command-line flags, merged into one frozen ``Config``.

Flags win over the environment, the environment over the file.  Unknown keys are errors: a policy that
is silently ignored is worse than none.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from patchbot.errors import ConfigError, PatchbotError
from patchbot.index import address as index_address
from patchbot.model import ClosureMode, Release, Suffix

FILE_NAME = "patchbot.toml"
CRATES_IO_INDEX = "sparse+https://index.crates.io/"

# A registry that never existed: .invalid is reserved for that (RFC 2606).  The URL is an identity that
# stands inside the crates; where they really are is said by source replacement.
PLACEHOLDER_INDEX = "sparse+https://registry.patchbot.invalid/index/"

# Upstream's own packages, by the names they have had since 0.40 (scripts/publish.rs of each release).
OWN_PACKAGES = (
    "wasmtime",
    "wasmtime-*",
    "cranelift",
    "cranelift-*",
    "winch-*",
    "pulley-*",
    "wiggle",
    "wiggle-*",
    "wasi-common",
    "wasi-cap-std-sync",
    "wasi-tokio",
    "wizer",
)

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Which releases are followed: the union of all that is asked for here."""

    pinned: tuple[Release, ...] = ()
    lines: tuple[int, ...] = ()
    newest: int = 0
    majors_since: Release | None = None
    prereleases: bool = False
    minimum_age_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamConfig:
    """Where releases come from, and which packages are upstream's own.

    ``roots`` are what users depend on: they and all of upstream's crates below them are a release.
    """

    index: str = CRATES_IO_INDEX
    roots: tuple[str, ...] = (
        "wasmtime", "wasmtime-wasi", "wasmtime-wasi-http", "wasi-common", "wiggle", "wasmtime-c-api-impl",
    )  # fmt: skip
    own: tuple[str, ...] = OWN_PACKAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class SuffixConfig:
    """How the suffix of a release is made."""

    template: str = "_{version}_{mark}"
    mark: str = "pb"

    def of(self, release: Release) -> Suffix:
        """Return the suffix of ``release``."""
        return Suffix.of(release, template=self.template, mark=self.mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkConfig:
    """Which crates users depend on directly, how much is forked, and revisions of what was published before.

    ``closure`` is None to choose by the releases that are asked for.
    """

    roots: tuple[str, ...] = ("wasmtime",)
    closure: ClosureMode | None = None
    revisions: Mapping[Release, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """The registry's name in users' files, its identity inside the crates, and the local directory.

    ``max_crate_bytes`` is the largest ``.crate`` that it takes: 10 MiB with crates.io, and with most others
    unless they are told otherwise.
    """

    name: str = "patchbot"
    index: str = PLACEHOLDER_INDEX
    directory: Path = Path(".patchbot/registry")
    max_crate_bytes: int = 10 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishConfig:
    """How ``publish --registry`` treats a registry.

    ``wait`` is how many seconds it may ask for at once, and how long its index may take to show a crate.
    """

    crates_io: bool = False
    in_flight: int = 4
    per_minute: int = 0
    burst: int = 1
    wait: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofConfig:
    """What the proof builds: cargo features that are switched on where a release has them.

    They are what the program needs, and all that bring link-time names with them.  ``hold`` are versions of
    other people's crates, by package, for a program that no lock is committed for.
    """

    features: tuple[str, ...] = (
        "cranelift", "async", "wat", "runtime", "std", "debug-builtins", "gc", "gc-drc", "stack-switching",
        "threads",
    )  # fmt: skip
    hold: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that a run depends on and that is not upstream's."""

    project: Path
    cache: Path
    track: Track = Track()
    upstream: UpstreamConfig = UpstreamConfig()
    suffix: SuffixConfig = SuffixConfig()
    fork: ForkConfig = field(default_factory=ForkConfig)
    registry: RegistryConfig = RegistryConfig()
    publish: PublishConfig = PublishConfig()
    proof: ProofConfig = field(default_factory=ProofConfig)

    @property
    def state(self) -> Path:
        """The folder of everything that can be made again."""
        return self.project / ".patchbot"

    @property
    def patches(self) -> Path:
        """The folder of the patch series and their policy."""
        return self.project / "patches"

    @property
    def registry_directory(self) -> Path:
        """The local registry, absolute: cargo needs it so."""
        return (self.project / self.registry.directory).absolute()


def find_project(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` that has a ``patchbot.toml``.

    Raises ``ConfigError`` if there is none.
    """
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise ConfigError(
        f"no {FILE_NAME} here or above",
        where=start,
        hint="run patchbot inside its repository, or name it with --project DIR",
    )


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where downloads are kept for ever: ``$PATCHBOT_CACHE``, else the XDG cache folder."""
    if given := environ.get("PATCHBOT_CACHE"):
        return Path(given).expanduser().absolute()
    xdg = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(xdg).expanduser().absolute() / "patchbot"


def load(project: Path, *, suffix: str | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the project's ``patchbot.toml``; ``suffix`` is a template from the command line.

    Raises ``ConfigError`` with the key path of what is wrong.
    """
    file = project / FILE_NAME
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no such file", where=file) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=file) from None
    template = suffix or environ.get("PATCHBOT_SUFFIX")
    try:
        return _config(_Table(data, ""), project, cache_directory(environ), template)
    except ConfigError as error:
        if error.where is not None and not error.where.startswith(str(file)):
            error.where = f"{file}: {error.where}"
        raise


def _config(table: _Table, project: Path, cache: Path, template: str | None) -> Config:
    track = table.table("track")
    upstream = table.table("upstream")
    suffix = table.table("suffix")
    fork = table.table("fork")
    registry = table.table("registry")
    publish = table.table("publish")
    proof = table.table("proof")
    in_file = suffix.get("template", _string, SuffixConfig().template)  # read, and so known, even if not used
    config = Config(
        project=project.absolute(),
        cache=cache,
        track=Track(
            pinned=tuple(track.items("pinned", _release)),
            lines=tuple(track.items("lines", _integer)),
            newest=track.get("newest", _integer, 0),
            majors_since=track.get("majors-since", _optional(_release), None),
            prereleases=track.get("prereleases", _boolean, False),
            minimum_age_days=track.get("minimum-age-days", _integer, 0),
        ),
        upstream=UpstreamConfig(
            index=upstream.get("index", _upstream_url, CRATES_IO_INDEX),
            roots=tuple(upstream.items("roots", _string)) or UpstreamConfig().roots,
            own=tuple(upstream.items("own", _string)) or OWN_PACKAGES,
        ),
        suffix=SuffixConfig(
            template=template or in_file,
            mark=suffix.get("mark", _string, SuffixConfig().mark),
        ),
        fork=ForkConfig(
            roots=tuple(fork.items("roots", _string)) or ForkConfig().roots,
            closure=fork.get("closure", _closure, None),
            revisions=fork.mapping("revisions", _release, _positive),
        ),
        registry=RegistryConfig(
            name=registry.get("name", _string, RegistryConfig().name),
            index=registry.get("index", _index_url, PLACEHOLDER_INDEX),
            directory=Path(registry.get("directory", _string, ".patchbot/registry")),
            max_crate_bytes=registry.get("max-crate-bytes", _positive, RegistryConfig().max_crate_bytes),
        ),
        publish=PublishConfig(
            crates_io=publish.get("crates-io", _boolean, False),
            in_flight=publish.get("in-flight", _positive, PublishConfig().in_flight),
            per_minute=publish.get("per-minute", _integer, 0),
            burst=publish.get("burst", _positive, 1),
            wait=publish.get("wait", _integer, PublishConfig().wait),
        ),
        proof=ProofConfig(
            features=tuple(proof.items("features", _string)) or ProofConfig().features,
            hold=proof.mapping("hold", _string, _string),
        ),
    )
    for known in (track, upstream, suffix, fork, registry, publish, proof, table):
        known.refuse_unknown()
    config.suffix.of(Release(1, 2, 3))  # a bad template is told now, not in the middle of a run
    missing = sorted(set(config.fork.roots) - set(config.upstream.roots))
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} cannot be forked without being followed",
            where="fork.roots",
            hint="add it to upstream.roots",
        )
    return config


class _Table:
    """A TOML table that remembers its key path and which keys were asked for."""

    def __init__(self, data: Mapping[str, Any], path: str) -> None:
        self._data = data
        self._path = path
        self._known: set[str] = set()

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def table(self, key: str) -> _Table:
        self._known.add(key)
        value = self._data.get(key, {})
        if not isinstance(value, Mapping):
            raise ConfigError("must be a table", where=self._at(key))
        return _Table(value, self._at(key))

    def get(self, key: str, read: Callable[[Any], T], default: T) -> T:
        self._known.add(key)
        if key not in self._data:
            return default
        return _reading(self._at(key), read, self._data[key])

    def items(self, key: str, read: Callable[[Any], T]) -> list[T]:
        self._known.add(key)
        value = self._data.get(key, [])
        if not isinstance(value, list):
            raise ConfigError("must be a list", where=self._at(key))
        return [_reading(f"{self._at(key)}[{i}]", read, item) for i, item in enumerate(value)]

    def mapping(self, key: str, name_of: Callable[[Any], K], read: Callable[[Any], T]) -> dict[K, T]:
        table = self.table(key)
        return {
            _reading(table._path, name_of, name): _reading(table._at(name), read, value)  # noqa: SLF001 - own class
            for name, value in table._data.items()  # noqa: SLF001 - own class
        }

    def refuse_unknown(self) -> None:
        for key in self._data:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, n=1)
                raise ConfigError(
                    "no such setting",
                    where=self._at(key),
                    hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(self._known))}",
                )


def _reading(where: str, read: Callable[[Any], T], value: Any) -> T:  # noqa: ANN401 - TOML values
    try:
        return read(value)
    except (ValueError, PatchbotError) as error:
        hint = error.hint if isinstance(error, PatchbotError) else None
        raise ConfigError(str(error), where=where, hint=hint) from None


def _string(value: Any) -> str:  # noqa: ANN401 - TOML values
    if not isinstance(value, str) or not value:
        raise ValueError("must be a string that is not empty")
    return value


def _integer(value: Any) -> int:  # noqa: ANN401 - TOML values
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a whole number")
    return value


def _positive(value: Any) -> int:  # noqa: ANN401 - TOML values
    number = _integer(value)
    if number == 0:
        raise ValueError("must be 1 or more")
    return number


def _closure(value: Any) -> ClosureMode | None:  # noqa: ANN401 - TOML values
    words = ("auto", *ClosureMode)
    if value not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return None if value == "auto" else ClosureMode(value)


def _boolean(value: Any) -> bool:  # noqa: ANN401 - TOML values
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - told as a configuration error
    return value


def _release(value: Any) -> Release:  # noqa: ANN401 - TOML values
    return Release.parse(_string(value))


def _upstream_url(value: Any) -> str:  # noqa: ANN401 - TOML values
    """Return an index to read from; unlike the one that stands in the forks, it may be a git repository."""
    url = _string(value)
    return _index_url(url) if url.startswith(index_address.SPARSE) else index_address.spelled(url)


def _index_url(value: Any) -> str:  # noqa: ANN401 - TOML values
    url = _string(value)
    if not url.startswith(index_address.SPARSE) or not url.endswith("/"):
        raise ValueError(
            "must be a sparse index: sparse+https://…/ with the last slash; "
            "cargo's source replacement may lead from there to a git index"
        )
    return url


def _optional(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return read
