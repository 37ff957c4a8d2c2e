"""What the program of a proof says differently to each release: wasmtime's API, and what it can do, by release.

Sources: upstream's `crates/wasmtime/src/config.rs`, `trap.rs` and `crates/runtime/src/libcalls.rs` at the tags.
"""

from __future__ import annotations

from patchbot.model import Release

# `Trap` is an enum of reasons from 4.0 on, and before it something that may have a code for one.
_TRAP_IS_CODE = Release(4, 0, 0)
# Up to 3.0 waiting and notifying compare an address of the host with the memory's length.
_WAITS = Release(4, 0, 0)
# Up to 19 compiled code drops and collects the host's references through libcalls.
_NO_TRAMPOLINES = Release(20, 0, 0)
# Static and dynamic memories had guards and limits of their own; 27 and 28 gave both the same.
_ONE_GUARD = Release(27, 0, 0)
_RESERVATIONS = Release(28, 0, 0)
# From 40.0 on modules may share memories only if the configuration says so.
_ASKED_TO_SHARE = Release(40, 0, 0)

_REFERENCES = '("references", |twin| expect(references()?, if twin { (0, 0) } else { (0, 1) })),'


def words(release: Release) -> dict[str, str]:
    """Return what stands for each ``@WORD@`` of ``templates/version.rs`` in a release's module."""
    old = release < _TRAP_IS_CODE
    return {
        "@TRAP_CODE@": "and_then(|trap| trap.trap_code())" if old else "copied()",
        "@ATOMICS@": '"210"' if release >= _WAITS else '"MemoryOutOfBounds"',
        "@REFERENCES@": _REFERENCES if release < _NO_TRAMPOLINES else "",
        "@LEAN@": _lean(release),
        "@SHARED_MEMORY@": "config.shared_memory(true);" if release >= _ASKED_TO_SHARE else "",
    }


def templates(release: Release) -> tuple[str, ...]:
    """Return the templates that a release's module has beside ``version.rs``."""
    return ("references.rs",) if release < _NO_TRAMPOLINES else ()


def _lean(release: Release) -> str:
    """Return the calls that keep memories small."""
    guard = "memory_guard_size" if release >= _ONE_GUARD else "static_memory_guard_size"
    most, growth = (
        ("memory_reservation", "memory_reservation_for_growth")
        if release >= _RESERVATIONS
        else ("static_memory_maximum_size", "dynamic_memory_reserved_for_growth")
    )
    return f"config.{most}(0).{guard}(1 << 16).{growth}(1 << 16);"
