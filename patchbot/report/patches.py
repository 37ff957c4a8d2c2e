"""What the commands about hand-written patches print: pure text, from what their --json says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchbot.model import spoken_list
from patchbot.report.terminal import safe, table


def rebased(result: Mapping[str, Any], repository: Path, out: Path | None) -> str:
    """Return what ``rebase`` prints: what is open first, then every patch with its verdict, then where it all is."""
    patches = result["patches"]
    blocks = []
    for patch in patches:
        rows = [f"  {c['kind']}: {c['why']}" for c in patch["conflicts"]]
        rows += [f"  {note}" for note in patch["notes"]]
        if rows:
            blocks.append("\n".join([f"{patch['name']}: {patch['verdict']}", *rows]))
    lines = [table([(patch["verdict"], patch["name"], patch["subject"]) for patch in patches])]
    counts = Counter(patch["verdict"] for patch in patches)
    lines += [f"{block}\n" for block in blocks]
    total = f"{len(patches)} patch{'es' if len(patches) != 1 else ''}"
    lines.append(f"{total}: {spoken_list(f'{n} {verdict}' for verdict, n in counts.most_common())}")
    if out is not None:
        lines.append(f"the new series is in {out}")
        if counts["conflict"]:
            lines.append(f"what did not fit is in {out / 'conflicts'}, with both sides")
    if result["delivered"]:
        name = f"git -C {repository} branch NAME {result['result_commit'][:12]}"
        lines.append(f"the result is the commit {result['result_commit'][:12]}; `{name}` keeps it")
    return safe("\n".join(lines)).rstrip() + "\n"


def resolving(state: Mapping[str, Any]) -> str:
    """Return what ``resolve`` prints: what was taken, and what to do next."""
    lines = [f"new form: {path}" for path in state["written"]]
    release = state["release"]
    if state["patch"] is None:
        lines.append(f"all carried patches fit {release}; `patchbot sync {release}` makes its series")
        return safe("\n".join(lines)) + "\n"
    lines += [f"{state['patch']} does not fit {release}:"]
    lines += [f"  {row['kind']}: {row['why']}" for row in state["conflicts"]]
    lines += [
        "",
        f"  cd {state['clone']}",
        "  git status, edit, git add",
        f"  patchbot resolve {release} --continue",
    ]
    return safe("\n".join(lines)) + "\n"


def compared(data: Mapping[str, Any]) -> str:
    """Return what ``diff`` prints: a table of verdicts, then how each patch differs."""
    patches = data["patches"]
    rows = [("patch", data["from"], data["to"], "")]
    rows += [(p["name"], p["from"] or "-", p["to"] or "-", p["pair"]) for p in patches]
    lines = [table(rows)]
    for patch in patches:
        if patch["diff"]:
            lines += [f"{patch['name']}:", *patch["diff"], ""]
    return safe("\n".join(lines)).rstrip() + "\n"
