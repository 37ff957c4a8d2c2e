"""Make ``.crate`` files and index lines, honest ones and others."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def crate(
    name: str,
    version: str,
    files: Mapping[str, bytes | str],
    *,
    commit: str = "0123456789abcdef0123456789abcdef01234567",
    path: str | None = None,
    executable: tuple[str, ...] = (),
) -> bytes:
    """Return a ``.crate`` with these files; ``path`` is where upstream's repository has it, None for none."""
    content = {key: value.encode() if isinstance(value, str) else value for key, value in files.items()}
    if path is not None:
        info = {"git": {"sha1": commit}, "path_in_vcs": path}
        content[".cargo_vcs_info.json"] = json.dumps(info).encode()
    members = []
    for file, data in sorted(content.items()):
        member = tarfile.TarInfo(f"{name}-{version}/{file}")
        member.size = len(data)
        member.mode = 0o755 if file in executable else 0o644
        members.append((member, data))
    return archive(members)


def archive(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a gzipped tar of exactly these members, however hostile."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def index_line(
    name: str,
    version: str,
    data: bytes,
    dependencies: list[dict[str, Any]] | None = None,
    **more: Any,  # noqa: ANN401 - any key of an index line
) -> dict[str, Any]:
    """Return an index line for a crate's bytes; ``more`` adds or replaces keys."""
    line = {
        "name": name,
        "vers": version,
        "deps": [dependency(**d) for d in dependencies or []],
        "cksum": hashlib.sha256(data).hexdigest(),
        "features": {},
        "yanked": False,
        "pubtime": "2024-01-02T03:04:05Z",
    }
    return {**line, **more}


def dependency(name: str, req: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any key
    """Return a dependency of an index line."""
    line = {
        "name": name,
        "req": req,
        "features": [],
        "optional": False,
        "default_features": True,
        "target": None,
        "kind": "normal",
    }
    return {**line, **more}


def place(registry: Path, line: dict[str, Any], data: bytes) -> None:
    """Put a crate into a local-registry folder."""
    name = line["name"].lower()
    prefix = {1: "1", 2: "2", 3: f"3/{name[0]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")
    file = registry / "index" / prefix / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")
    (registry / f"{line['name']}-{line['vers']}.crate").write_bytes(data)
