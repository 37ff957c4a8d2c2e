"""The mutation table: every way we know to put a link-time name into a release, and what must come of it.

One table for the everyday tests over the small upstream, for real releases, and for real compilers.
"""

from __future__ import annotations

from support.mutations import assembler, c, cargo, macros, rust
from support.mutations.model import Mutation

TABLE: tuple[Mutation, ...] = (*rust.ROWS, *macros.ROWS, *assembler.ROWS, *c.ROWS, *cargo.ROWS)

assert len({row.id for row in TABLE}) == len(TABLE), "an id stands for one row"
