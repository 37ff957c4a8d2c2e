"""Downloads over HTTP(S), tried again while the server or the way to it is not well."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import httpx2

from patchbot import network
from patchbot.cargo_settings import Network
from patchbot.errors import ConfigError, EnvironmentProblem, RepositoryError

CONNECTIONS = 16
ATTEMPTS = 4
MAX_WAIT = 30.0  # seconds; a longer Retry-After is a reason to come back later, not to sit here
MAX_DOWNLOAD = 64 * 1024 * 1024
_AGAIN = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP response; ``retry_after`` is in seconds, 0 if it does not say."""

    status: int
    body: bytes
    etag: str
    retry_after: float


def pauses() -> tuple[float, ...]:
    """Return the seconds between attempts."""
    return tuple(0.5 * 2**attempt for attempt in range(ATTEMPTS - 1))


def pause(seconds: float) -> bool:
    """Wait; nothing ends it before its time (``index.repository.Retries``)."""
    time.sleep(seconds)
    return False


class Web:
    """Gets files the way that cargo was told to.  Threads may share it."""

    def __init__(self, way: Network) -> None:
        self._way = way
        self._client: httpx2.Client | None = None
        self._lock = threading.Lock()

    def get(self, url: str, headers: dict[str, str] | None = None) -> Answer:
        """Get ``url``.

        Raises ``EnvironmentProblem`` if it cannot be reached, ``ConfigError`` if it is no URL and
        ``RepositoryError`` if what is there is too large.
        """
        problem = ""
        for wait in (*pauses(), None):
            asked = 0.0
            try:
                answer = self._get_once(url, headers)
            except httpx2.RequestError as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
            except httpx2.InvalidURL as error:
                raise ConfigError(f"is no URL: {error}", where=url) from None
            else:
                if answer.status not in _AGAIN:
                    return answer
                problem = f"it answers {answer.status}"
                asked = answer.retry_after
            if wait is None or (asked or wait) > MAX_WAIT:
                break
            pause(asked or wait)
        raise EnvironmentProblem(
            f"the registry cannot be reached ({problem})",
            where=url,
            hint="check the network and proxy; what was downloaded is kept, "
            "and --offline works from the cache alone",
        )

    def _get_once(self, url: str, headers: dict[str, str] | None) -> Answer:
        with self._http().stream("GET", url, headers=headers) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > MAX_DOWNLOAD:
                    raise RepositoryError(f"is larger than {MAX_DOWNLOAD} bytes", where=url)
            after = response.headers.get("retry-after", "")
            etag = response.headers.get("etag", "")
            return Answer(
                status=response.status_code,
                body=bytes(body),
                etag=etag if etag.isascii() else "",  # else it could not be sent back
                retry_after=float(after) if after.isascii() and after.isdigit() else 0.0,
            )

    def _http(self) -> httpx2.Client:
        with self._lock:
            if self._client is None:
                self._client = network.client(self._way, connections=CONNECTIONS)
            return self._client
