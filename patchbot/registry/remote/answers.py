"""What a registry's answer to an upload or a yank means.  Pure.

Cargo's book ("Web API") promises status 200 and JSON with ``errors`` in it where something went wrong; real
registries answer with all sorts of codes, and something on the way may answer in their place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from patchbot.registry.remote.pacing import retry_after

_DENIED = {401, 403}
_UNKNOWN = {408}
_LATER = {429, 503}
_EXCERPT = 200


class Fate(StrEnum):
    """What became of a request."""

    DONE = "done"
    DENIED = "denied"  # the token does not do
    LATER = "later"  # come back; 503 may have been done all the same
    REFUSED = "refused"  # for good
    UNKNOWN = "unknown"  # the registry must be asked


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry's answer.  ``wait`` is seconds, None if it does not say; ``words`` are for people."""

    fate: Fate
    words: str = ""
    warnings: tuple[str, ...] = ()
    wait: float | None = None
    duplicate: bool = False  # it says that it has the version already


def judge(status: int, body: bytes, *, after: str, now: float) -> Answer:
    """Say what an answer means; ``after`` is its ``Retry-After``, ``now`` seconds since 1970."""
    data = _json(body)
    errors = _errors(data)
    words = "; ".join(errors) or _excerpt(body)
    said = f"{status}: {words}" if words else str(status)
    if status in _LATER:
        return Answer(Fate.LATER, said, wait=retry_after(after, words, now))
    if status in _DENIED:
        return Answer(Fate.DENIED, said)
    if status >= 500 or status in _UNKNOWN:  # noqa: PLR2004 - the server's own failures
        return Answer(Fate.UNKNOWN, said)
    if not 200 <= status < 300 or errors:  # noqa: PLR2004 - HTTP's class of success
        return Answer(Fate.REFUSED, said, duplicate=status == 409 or _duplicate(words))  # noqa: PLR2004
    if data is None and body.strip():
        return Answer(Fate.UNKNOWN, f"{said} (no JSON: something on the way may have answered)")
    return Answer(Fate.DONE, warnings=_warnings(data))


def _duplicate(words: str) -> bool:
    return any(word in words.lower() for word in ("already", "exists", "duplicate"))


def _json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _errors(data: object) -> list[str]:
    if not isinstance(data, dict) or not data.get("errors"):
        return []
    errors = data["errors"] if isinstance(data["errors"], list) else [data["errors"]]
    return [str(e.get("detail", e)) if isinstance(e, dict) else str(e) for e in errors]


def _warnings(data: object) -> tuple[str, ...]:
    warnings = data.get("warnings") if isinstance(data, dict) else None
    if not isinstance(warnings, dict):
        return ()
    named = (
        ("invalid_categories", "no such category: "),
        ("invalid_badges", "no such badge: "),
        ("other", ""),
    )
    return tuple(
        f"{prefix}{word}"
        for key, prefix in named
        if isinstance(warnings.get(key), list)
        for word in warnings[key]
    )


def _excerpt(body: bytes) -> str:
    text = " ".join(body.decode(errors="replace").split())
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
