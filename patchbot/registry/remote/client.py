"""A cargo registry: its index, and over HTTP its downloads and its web API (cargo book, "Registries").

Reading is tried again while the registry or the way to it is not well.  What changes something is sent once:
whoever sends must find out what became of it before sending again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import httpx2

from patchbot import network
from patchbot.cargo_settings import Network
from patchbot.errors import ConfigError, EnvironmentProblem, PublishError, RepositoryError
from patchbot.index.lines import IndexConfig, parse_lines
from patchbot.index.repository import GitIndex, Retries
from patchbot.model import IndexEntry, index_path
from patchbot.registry.remote.answers import Answer, Fate, judge
from patchbot.registry.remote.credentials import READ, Credentials, Purpose
from patchbot.registry.remote.pacing import Clock, RealClock, backoff, retry_after
from patchbot.registry.remote.target import Target, is_crates_io, variable

T = TypeVar("T")

CONNECTIONS = 16
SECONDS = 60.0  # for each wait on the network; crates.io itself gives up on an upload after 30
MAX_ANSWER = 256 * 1024 * 1024
_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403
_ABSENT = {404, 410, 451}  # how a sparse index says "no such crate" (cargo book, "Nonexistent Crates")
_AGAIN = {408, 429, 500, 502, 503, 504}
_LONGEST_BACKOFF = 30.0
_NO_INDEX = "is it the address of a registry's index?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a registry is waited for, in seconds.

    ``longest`` is what it may ask for at once, ``visible`` what an index may take to show what was accepted.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 600.0
    visible: float = 600.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response.  ``after`` is its ``Retry-After`` header."""

    status: int
    body: bytes
    after: str = ""
    etag: str = ""


class NoAnswer(Exception):  # noqa: N818 - what happened, not what is wrong
    """The registry cannot be reached, or what it said was cut off."""


class Client:
    """One registry.  Threads may share it; ``stop`` ends all waiting.

    ``git`` is its index, if that is a git repository.
    """

    def __init__(
        self,
        target: Target,
        credentials: Credentials,
        way: Network = Network(),  # noqa: B008 - frozen
        *,
        git: GitIndex | None = None,
        clock: Clock | None = None,
        patience: Patience = Patience(),
        stop: threading.Event | None = None,
    ) -> None:
        self.target = target
        self.git = git
        self.clock = clock or RealClock()
        self.patience = patience
        self.stop = stop or threading.Event()
        self._credentials = credentials
        self._http = network.client(way, connections=CONNECTIONS, timeout=SECONDS)
        self._private = False  # whether reading takes a token
        self._config: IndexConfig | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    # -- reading --------------------------------------------------------------------------------------

    def config(self) -> IndexConfig:
        """Return the index's ``config.json``, asked for once."""
        with self._lock:
            if self._config is None:
                if self.git is not None and not self.git.known:
                    self._fetch(self.git)
                data = self._index_file("config.json")
                if data is None:
                    raise PublishError("the index has no config.json", where=self.target.url, hint=_NO_INDEX)
                self._config = _parsed(IndexConfig.parse, data, self._place("config.json"))
                self._private = self._private or self._config.auth_required
            return self._config

    def entries(self, name: str) -> dict[str, IndexEntry]:
        """Return the versions of a crate as the index has them now, empty if there is no such crate."""
        if self.git is not None:
            self._fetch(self.git)
        self.config()
        path = index_path(name)
        data = self._index_file(path)
        return {} if data is None else _parsed(parse_lines, data, self._place(path))

    def _place(self, path: str) -> str:
        """Return where a file of the index is, for people."""
        return self.target.url + path if self.git is None else f"{path} in {self.target.url}"

    def _index_file(self, path: str) -> bytes | None:
        """Return a file of the index, None if there is none; a git index has been fetched before."""
        if self.git is not None:
            with _refusing():
                return self.git.file(path)
        reply = self._get(self.target.url + path)
        if reply.status in _ABSENT:
            return None
        if reply.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise denied(self.target, str(reply.status))
        if reply.status != _OK:
            raise PublishError(
                f"the index answers {reply.status} for {path}", where=self.target.url, hint=_NO_INDEX
            )
        return reply.body

    def _fetch(self, git: GitIndex) -> None:
        waits = islice(backoff(self.patience.first, _LONGEST_BACKOFF), self.patience.attempts - 1)
        with _refusing():
            git.refresh(Retries(tuple(waits), lambda seconds: self.clock.wait(seconds, self.stop)))

    def crate(self, entry: IndexEntry) -> bytes | None:
        """Return what the registry serves as a crate, unchecked, None if it serves nothing."""
        reply = self._get(self.config().url(entry))
        return reply.body if reply.status == _OK else None

    def _get(self, url: str) -> Reply:
        problem = ""
        waits = backoff(self.patience.first, _LONGEST_BACKOFF)
        for _ in range(self.patience.attempts):
            wait = next(waits)
            try:
                reply = self.once("GET", url, purpose=READ if self._private else None)
            except NoAnswer as error:
                problem = str(error)
            else:
                if reply.status == _UNAUTHORIZED and not self._private:
                    self._private = True  # as cargo: whoever wants a token says so with a 401
                    continue
                if reply.status not in _AGAIN:
                    return reply
                problem = f"it answers {reply.status}"
                wait = max(wait, retry_after(reply.after, "", self.clock.now()) or 0.0)
            if wait > self.patience.longest or self.clock.wait(wait, self.stop):
                break
        raise EnvironmentProblem(
            f"the registry {self.target.name} cannot be read ({problem})",
            where=url,
            hint="check the network and proxy; what was published stays, and a new run goes on from there",
        )

    # -- changing -------------------------------------------------------------------------------------

    def upload(self, body: bytes, purpose: Purpose) -> Answer:
        """Send a crate once."""
        return self._change("PUT", "crates/new", purpose, body)

    def set_yanked(self, name: str, version: str, *, yanked: bool) -> Answer:
        """Yank a version, or take that back, once."""
        method, word = ("DELETE", "yank") if yanked else ("PUT", "unyank")
        purpose = Purpose(word, name, version)
        return self._change(method, f"crates/{name}/{version}/{word}", purpose, None)

    def _change(self, method: str, path: str, purpose: Purpose, content: bytes | None) -> Answer:
        api = self.config().api
        if api is None:
            raise PublishError(
                f"the registry {self.target.name} has no web API: it can be read and nothing else",
                where=self._place("config.json"),
            )
        if is_crates_io(api) and not self.target.public:
            raise PublishError(
                f"the registry {self.target.name} is a mirror: what is sent there goes to crates.io, "
                "where a name is taken for ever",
                where=self._place("config.json"),
                hint="name a registry of your own, or crates-io itself",
            )
        try:
            reply = self.once(method, f"{api}/api/v1/{path}", purpose=purpose, content=content)
        except NoAnswer as error:
            return Answer(Fate.UNKNOWN, str(error))
        return judge(reply.status, reply.body, after=reply.after, now=self.clock.now())

    def once(
        self,
        method: str,
        url: str,
        *,
        purpose: Purpose | None = None,
        content: bytes | None = None,
        known: str = "",
    ) -> Reply:
        """Send one request; with a token if it has a ``purpose``, and again only with another token.

        ``known`` is the ``ETag`` of what is at hand.  Raises ``NoAnswer``; ``PublishError`` if there is no token.
        """
        headers = {"If-None-Match": known} if known else {}
        if purpose is None:
            return self._send(method, url, headers, content)
        token = self._credentials.token(purpose)
        if token is None:
            raise PublishError(
                f"there is no token for the registry {self.target.name}",
                hint=f"set {variable(self.target.name, 'TOKEN')}, or a credential provider in cargo's configuration",
            )
        reply = self._send(method, url, {**headers, "Authorization": token.reveal()}, content)
        if reply.status in {_UNAUTHORIZED, _FORBIDDEN}:
            other = self._credentials.token(purpose, instead_of=token)
            if other is not None and other != token:
                reply = self._send(method, url, {**headers, "Authorization": other.reveal()}, content)
        return reply

    def _send(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> Reply:
        if content is not None:
            headers = {**headers, "Content-Type": "application/octet-stream", "Accept": "application/json"}
        try:
            with self._http.stream(
                method, url, headers=headers, content=content, follow_redirects=method == "GET"
            ) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise PublishError(f"an answer has more than {MAX_ANSWER} bytes", where=url)
                found = response.headers
                return Reply(
                    response.status_code, bytes(body), found.get("retry-after", ""), found.get("etag", "")
                )
        except httpx2.RequestError as error:
            raise NoAnswer(f"{type(error).__name__}: {error}".rstrip(": ")) from None
        except httpx2.InvalidURL as error:
            raise ConfigError(f"is no URL: {error}", where=url) from None


def denied(target: Target, words: str) -> PublishError:
    """Return the error that a refused token ends with."""
    return PublishError(
        f"the registry {target.name} does not take the token ({words})",
        hint=f"has it expired, and may it publish? Look at {variable(target.name, 'TOKEN')} "
        "or cargo's credential provider; a new run goes on from here",
    )


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell what is wrong with an index as what is wrong with the registry."""
    try:
        yield
    except RepositoryError as error:
        raise PublishError(error.what, where=error.where, hint=error.hint) from None


def _parsed(parse: Callable[[bytes, str], T], body: bytes, place: str) -> T:
    with _refusing():
        return parse(body, place)
