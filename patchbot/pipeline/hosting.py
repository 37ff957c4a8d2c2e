"""The registry directory of a project: served, checked, cleaned up, exported."""

from __future__ import annotations

import os
import re
import signal
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patchbot.config import Config
from patchbot.errors import ConfigError, UsageError
from patchbot.fork import naming
from patchbot.model import Release
from patchbot.registry import changes, consumer, gc, static, verify
from patchbot.registry.local import LocalRegistry, Version
from patchbot.registry.serving import web
from patchbot.registry.serving.server import MAX_UPLOAD, Server, is_loopback, is_unspecified
from patchbot.upstream import unpack

TOKEN = "PATCHBOT_SERVE_TOKEN"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a registry is to be served.  ``url`` is the address that clients use, empty for the server's own."""

    host: str = "127.0.0.1"
    port: int = 0
    url: str = ""
    token_file: Path | None = None
    auth_required: bool = False
    read_only: bool = False
    max_upload: int = MAX_UPLOAD


def registry(config: Config) -> LocalRegistry:
    """Return the project's registry directory.  No lock of the project is needed: it has one of its own."""
    return LocalRegistry(config.registry_directory)


@contextmanager
def serving(
    config: Config, wish: Wish, *, log: Callable[[str], None], environ: Mapping[str, str] = os.environ
) -> Iterator[Server]:
    """Serve the registry directory while the context lasts.

    Raises ``UsageError`` for a registry that everybody on the network could write to, ``ConfigError`` for a
    token that cannot be read, ``EnvironmentProblem`` if the address is taken.
    """
    token = read_token(wish.token_file, environ)
    if token is None and not is_loopback(wish.host):
        raise UsageError(
            f"{wish.host} can be reached by others, and there is no token",
            hint=f"set {TOKEN}, or name a file with --token-file; or serve at 127.0.0.1",
        )
    if is_unspecified(wish.host) and not wish.url:
        raise UsageError(
            f"{wish.host} is no address that clients can be sent to",
            hint="say with --url how they reach this machine, as in --url http://10.0.0.5:8790",
        )
    if token is None and wish.auth_required:
        raise UsageError(
            "--auth-required needs a token", hint=f"set {TOKEN}, or name a file with --token-file"
        )
    here = registry(config)
    if not wish.read_only and (here.folder / changes.PENDING).exists():
        with here.locked():
            log("finished what a killed run had begun")

    def site(address: str) -> web.Site:
        return web.Site(
            registry=here,
            base=plain_url(wish.url) if wish.url else address,
            index=config.registry.index,
            unpack=_files,
            token=token,
            auth_required=wish.auth_required,
            read_only=wish.read_only,
        )

    with Server(wish.host, wish.port, site, max_upload=wish.max_upload, log=log) as server:
        yield server


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set instead of ending the program."""
    told = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def read_token(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """Return the token of ``file``, else of the environment, else None.  It is never an argument: others see those."""
    if file is None:
        token, where = environ.get(TOKEN), TOKEN
        if token is None:
            return None
    else:
        where = str(file)
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"no token can be read: {error}", where=where) from None
    if re.fullmatch(r"[!-~]+", token) is None:
        raise ConfigError("is no token: one word of visible ASCII letters", where=where)
    return token


def plain_url(url: str) -> str:
    """Return an address without its last slash; raise ``UsageError`` if crates cannot be below it."""
    return consumer.served_index(url.removeprefix("sparse+")).removeprefix("sparse+").removesuffix("/index/")


def check(config: Config) -> verify.Verified:
    """Compare every byte of the registry directory with its index."""
    return verify.verify(registry(config))


def collect(config: Config, releases: Sequence[str], *, dry_run: bool) -> tuple[gc.Waste, ...]:
    """Remove leftovers, and the forks of ``releases`` for good; return what went, or would go."""
    here = registry(config)
    give_up = forks_of(here, [Release.parse(name) for name in releases])
    if not here.folder.is_dir():
        return ()
    if dry_run:
        return gc.given_up(here, give_up) + gc.leftovers(here)
    return gc.collect(here, give_up)


def forks_of(here: LocalRegistry, releases: Sequence[Release]) -> list[Version]:
    """Return the published forks of releases, all revisions of them; raise ``UsageError`` if one has none."""
    known = here.everything()
    found = []
    for release in releases:
        ending = re.escape(naming.package_name("x", release)[1:]) + r"(?:-r[0-9]+)?"
        of_release = [version for version in known if re.fullmatch(rf".+{ending}", version[0])]
        if not of_release:
            raise UsageError(f"no fork of {release} is published in {here.folder}")
        found += of_release
    return found


def export(config: Config, folder: Path, url: str, *, dry_run: bool) -> static.Exported:
    """Write the registry as files for a web server that serves ``folder`` at ``url``."""
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise UsageError(f"{url!r} is no address", hint="for example --url https://crates.example.com")
    return static.export(registry(config), folder.absolute(), plain_url(url), dry_run=dry_run)


def _files(data: bytes, name: str, version: str) -> Mapping[str, bytes]:
    return {file.path: file.data for file in unpack.unpack(data, name=name, version=version).files}
