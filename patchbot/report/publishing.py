"""What people read about registries elsewhere: plans, yanks, what a registry can do."""

from __future__ import annotations

from collections.abc import Sequence

from patchbot.model import JsonObject
from patchbot.report.terminal import table

_DIGITS = 12  # of a digest, as git shows them


def plan(steps: Sequence[JsonObject]) -> str:
    """Return the plan of a publication, a line per crate."""
    rows = [("", "crate", "version", "sha256", "action", "why")]
    rows += [
        (
            str(step["order"]),
            step["name"],
            step["version"],
            step["sha256"][:_DIGITS],
            step["action"] + (" (yanked)" if step["yanked"] else ""),
            step["reason"],
        )
        for step in steps
    ]
    uploads = sum(step["action"] == "upload" for step in steps)
    size = sum(step["bytes"] for step in steps if step["action"] == "upload")
    return table(rows) + f"{uploads} to upload ({size / 1e6:.1f} MB), {len(steps) - uploads} there already\n"


def yanks(changes: Sequence[JsonObject], place: str, *, done: bool) -> str:
    """Return what becomes, or became, of releases, a line each."""
    if not any(change["crates"] for change in changes):
        return f"{place}: nothing to do\n"
    rows = []
    for change in changes:
        count = len(change["crates"])
        action = change["action"] if count else f"{change['action']}: is so already"
        rows.append((change["release"], action, f"{count} of {change['total']} crates", change["why"]))
    verb = "done" if done else "would be done"
    return table(rows) + f"{place}: {verb}\n"


def findings(rows: Sequence[JsonObject]) -> str:
    """Return what a doctor has found, a line each: + good, - bad, . worth knowing."""
    marks = {True: "+", False: "-", None: "."}
    return table([(marks[row["ok"]], row["question"], row["answer"]) for row in rows])
