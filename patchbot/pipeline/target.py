"""Find a target by its triple: what is written down of it, or what the compiler says."""

from __future__ import annotations

import difflib

from patchbot import tools
from patchbot.errors import UsageError
from patchbot.targets import KNOWN, Target


def find(triple: str) -> Target:
    """Return the target of that triple; one that is not written down is asked of rustc.

    Raises ``UsageError`` if nobody knows it.
    """
    if triple in KNOWN:
        return KNOWN[triple]
    near = difflib.get_close_matches(triple, KNOWN, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(KNOWN)}"
    rustc = tools.find("rustc")
    if rustc is None:
        raise UsageError(f"{triple} is not known, and there is no rustc to ask", hint=hint)
    done = tools.run([rustc, "--print", "cfg", "--target", triple])
    if not done.ok:
        raise UsageError(f"rustc knows no target {triple}", hint=hint)
    return Target.from_cfg(triple, done.stdout.decode())
