"""What cargo sends when it publishes, made without cargo."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from support import crates

from patchbot.pipeline.hosting import _files as unpack

__all__ = ["NOW", "OWN", "body", "crate", "dependency", "metadata", "unpack"]

NOW = "2026-01-02T03:04:05Z"
OWN = ("sparse+https://registry.example.invalid/index/",)
SOURCE = {"src/lib.rs": "pub fn x() {}\n"}


def metadata(name: str = "small", version: str = "1.0.0", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The metadata of a crate, with the keys that cargo 1.95 sends."""
    said: dict[str, Any] = {
        "name": name,
        "vers": version,
        "deps": [],
        "features": {},
        "authors": [],
        "description": "d",
        "documentation": None,
        "homepage": None,
        "readme": None,
        "readme_file": None,
        "keywords": [],
        "categories": [],
        "license": "MIT",
        "license_file": None,
        "repository": None,
        "badges": {},
        "links": None,
        "rust_version": None,
    }
    return {**said, **more}


def dependency(name: str, req: str = "^1", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A dependency of that metadata."""
    said = {
        "optional": False,
        "default_features": True,
        "name": name,
        "features": [],
        "version_req": req,
        "target": None,
        "kind": "normal",
    }
    return {**said, **more}


def crate(
    name: str = "small", version: str = "1.0.0", manifest: str = "", files: Mapping[str, str] = SOURCE
) -> bytes:
    """A ``.crate`` whose manifest has these lines behind its name and version."""
    head = f'[package]\nname = "{name}"\nversion = "{version}"\n'
    return crates.crate(name, version, {"Cargo.toml": head + manifest, **files})


def body(said: object, data: bytes) -> bytes:
    """The body of an upload."""
    words = json.dumps(said).encode()
    return struct.pack("<L", len(words)) + words + struct.pack("<L", len(data)) + data
