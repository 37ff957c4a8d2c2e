"""How registries are spoken to: one client, set up as the user told cargo to reach the network."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx2

import patchbot
from patchbot.cargo_settings import Network
from patchbot.errors import ConfigError

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def client(network: Network, *, connections: int, timeout: float = 30.0) -> httpx2.Client:
    """Return a client for up to ``connections`` requests at once; ``timeout`` is for each wait, in seconds.

    Raises ``ConfigError`` if proxy or certificates cannot be used.
    """
    cainfo = network.cainfo
    try:
        return httpx2.Client(
            # crates.io refuses clients that do not say who they are
            headers={"User-Agent": f"wasmtime-patchbot/{patchbot.__version__}"},
            verify=_trusted(cainfo, *map(os.environ.get, _CERTIFICATES)),
            proxy=network.proxy,
            timeout=httpx2.Timeout(timeout),
            follow_redirects=True,
            limits=httpx2.Limits(max_connections=connections),
        )
    except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:  # SSLError is an OSError
        raise ConfigError(
            f"the way to the registry cannot be set up: {error}",
            where=cainfo,
            hint="look at http.proxy and http.cainfo in cargo's configuration, and at *_PROXY and SSL_CERT_FILE",
        ) from None


@lru_cache(maxsize=4)
def _trusted(cainfo: str | None, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Return whom to trust, by cargo's word or the environment's: to read all certificates takes 50 ms each time."""
    return httpx2.create_ssl_context() if cainfo is None else ssl.create_default_context(cafile=cainfo)
