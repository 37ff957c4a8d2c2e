"""How registries are spoken to: one client, set up as the user told cargo to reach the network."""

from __future__ import annotations

import ssl

import httpx2

import patchbot
from patchbot.cargo_settings import Network
from patchbot.errors import ConfigError


def client(network: Network, *, connections: int, timeout: float = 30.0) -> httpx2.Client:
    """Return a client for up to ``connections`` requests at once; ``timeout`` is for each wait, in seconds.

    Raises ``ConfigError`` if proxy or certificates cannot be used.
    """
    cainfo = network.cainfo
    try:
        return httpx2.Client(
            # crates.io refuses clients that do not say who they are
            headers={"User-Agent": f"wasmtime-patchbot/{patchbot.__version__}"},
            verify=ssl.create_default_context(cafile=cainfo) if cainfo is not None else True,
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
