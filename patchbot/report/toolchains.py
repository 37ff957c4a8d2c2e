"""What people read about toolchains for other machines: a plan, what became of it, what is left to undo."""

from __future__ import annotations

from collections.abc import Sequence

from patchbot.model import JsonObject
from patchbot.report.terminal import safe, table


def plan(target: str, steps: Sequence[tuple[str, str]]) -> str:
    """Return what would be done, a line for each step and one for its command."""
    lines = [f"to prepare {target}:"]
    for number, (words, command) in enumerate(steps, start=1):
        lines += [f"  {number}. {words}", f"     {command}"]
    return safe("\n".join(lines)) + "\n"


def installed(data: JsonObject) -> str:
    """Return what there is after an installation, and whether anything was done for it."""
    toolchain = data["toolchain"]
    rows = [
        ("  Rust", f"{toolchain['rust']}, {toolchain['rustc']}"),
        ("  C compiler", toolchain["cc"]),
        ("  emulator", " ".join(toolchain["emulator"]) or "none: this machine runs the programs"),
    ]
    title = "is prepared" if data["steps"] else "is prepared: everything is there, nothing was done"
    return safe(f"{data['target']} {title}\n") + table(rows)


def removed(data: JsonObject) -> str:
    """Return what was removed, and what else there is that only people remove."""
    first = f"removed {data['folder']}" if data["removed"] else f"no private toolchain for {data['target']}"
    if not data["undo"]:
        return safe(f"{first}\n")
    lines = [
        first,
        "what else serves this target, and may serve others:",
        *(f"  {line}" for line in data["undo"]),
    ]
    return safe("\n".join(lines)) + "\n"
