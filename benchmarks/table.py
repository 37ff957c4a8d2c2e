"""What the benchmarks about publishing print: a line per tool, and how many times patchbot is faster."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence


def show(title: str, times: Mapping[str, Sequence[float]], *, as_json: bool, **more: object) -> None:
    """Print the seconds of tools; ``patchbot`` among them is what the others are compared with."""
    medians = {tool: statistics.median(rows) for tool, rows in times.items()}
    if as_json:
        print(json.dumps({"schema": 1, **more, "seconds": times, "medians": medians}))
        return
    print(title)
    for tool, value in medians.items():
        spread = f"{min(times[tool]):.2f} to {max(times[tool]):.2f}"
        print(f"  {tool:24} {value:6.2f} s   {value / medians['patchbot']:5.1f} x   ({spread})")
