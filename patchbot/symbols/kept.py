"""Readings as bytes, for a shelf that outlives the process; and the names under which they stand there.

They are pickled: nothing else keeps which parts of a reading are one object, and is as fast.  A shelf is not
trusted for that: only values of this room and of the model come out, and only whole ones, under the name
they were put.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Part = str | bytes | int | None | tuple["Part", ...]
Key = tuple[Part, ...]

_OWN = ("patchbot.symbols.", "patchbot.model.")
_PLAIN = frozenset({("builtins", "frozenset"), ("builtins", "set")})
_CHECK = 16  # bytes in front of a value that say whose it is


@dataclass(frozen=True, slots=True)
class Found:
    """A value from a shelf; it may be None."""

    value: Any


def digest(key: Key) -> bytes:
    """Return a digest that keys share only if they are equal, down to the types of what is in them."""
    return hashlib.sha256(b"".join(_spelled(key))).digest()


def _spelled(part: Any) -> list[bytes]:  # noqa: ANN401 - any part of a key
    if type(part) is tuple:
        return [b"(%d" % len(part), *(piece for inner in part for piece in _spelled(inner))]
    if type(part) is bytes:
        return [b"b", _of_bytes(part)]
    if type(part) is str:
        data = part.encode("utf-8", "surrogatepass")
        return [b"s%d:" % len(data), data]
    if part is None or type(part) in {int, bool}:
        return [b"=%s;" % repr(part).encode()]
    raise TypeError(f"{type(part).__name__} in a key")


@lru_cache(maxsize=8_000)  # the files of a release and of the one before it
def _of_bytes(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def encode(value: object, name: bytes) -> bytes:
    """Spell a value that is kept under ``name``."""
    data = zlib.compress(pickle.dumps(value, 5), 1)
    return _check(data, name) + data


def decode(data: bytes, name: bytes) -> Found | None:
    """Return the value that was spelled, or None if these bytes are not what ``encode`` made for ``name``."""
    check, body = data[:_CHECK], data[_CHECK:]
    if check != _check(body, name):
        return None
    try:
        return Found(_Reader(io.BytesIO(zlib.decompress(body))).load())
    except (pickle.UnpicklingError, zlib.error, AttributeError, EOFError, ImportError, IndexError, TypeError):
        return None


def _check(data: bytes, name: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK, key=name).digest()


class _Reader(pickle.Unpickler):
    """Makes values of this room and of the model, and nothing that would run anything."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle has it
        if (module, name) in _PLAIN or (module.startswith(_OWN) and "." not in name):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no value of a reading")
