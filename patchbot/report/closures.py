"""The text of ``fork``: which crates are forked and why, and what ``--explain`` says of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from patchbot.report.terminal import safe, table

_ARROW = " → "


def forks(releases: Sequence[Mapping[str, Any]]) -> str:
    """Return what ``fork`` prints: every forked crate with its reason, and what is shared.

    ``releases`` are the rows of ``forks`` in its JSON.
    """
    out = []
    for row in releases:
        out.append(f"wasmtime {row['release']}, suffix {row['suffix']}")
        out.append(f"  closure {row['closure']}: {row['closure_reason']}")
        out.append(table([(f"  {c['name']}", c["sha256"][:12], c["reason"]) for c in row["crates"]]))
        if row["shared"]:
            out.append(f"  as upstream has them: {', '.join(row['shared'])}\n")
    return safe("\n".join(out))


def explained(releases: Sequence[Mapping[str, Any]]) -> str:
    """Return what ``fork --explain`` prints: a block of lines for each release."""
    return safe("\n".join("\n".join(_explained(row)) + "\n" for row in releases))


def _explained(row: Mapping[str, Any]) -> Iterator[str]:
    version = f" {row['version']}" if row["version"] else ""
    name = f"{row['state']} as {row['fork']}" if row["fork"] else row["state"]
    yield f"wasmtime {row['release']}: {row['crate']}{version} is {name}"
    yield f"  why      {row['reason']}"
    yield f"  closure  {row['closure']}: {row['closure_reason']}"
    if len(row["from_root"]) > 1:
        yield f"  needed   {_ARROW.join(row['from_root'])}"
    if len(row["to_apart"]) > 1:
        yield f"  down to  {_ARROW.join(row['to_apart'])}, which {row['apart']}"
    for wish in row["wanted_by"]:
        words = [word for word in (wish["kind"] if wish["kind"] != "normal" else "", wish["target"]) if word]
        words += ["optional"] if wish["optional"] else []
        more = f" ({', '.join(words)})" if words else ""
        yield f"  wanted   {wish['req']} by {wish['crate']}{more}"
