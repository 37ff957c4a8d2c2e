"""Tokens, from where cargo has them (cargo book, "Registry Authentication").

The rules are those of cargo 1.95 (``src/cargo/util/auth``, ``util/credential``): a registry's own
``credential-provider``, else ``registry.global-credential-providers`` from the last to the first, else
``cargo:token``.  A provider that has no credential, or does not know the registry, passes on to the next.

A token is never part of a message, an argument or a file: it is a ``Secret`` from the moment it is read.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patchbot import tools
from patchbot.cargo_settings import Settings
from patchbot.errors import ConfigError, EnvironmentProblem, PublishError
from patchbot.registry.remote.target import CRATES_IO, Target, variable

_PROVIDER_SECONDS = 120.0  # a person may have to touch a key
_PASS_ON = {"not-found", "url-not-supported"}
_PLATFORM = {"cargo:wincred", "cargo:macos-keychain", "cargo:libsecret", "cargo:paseto"}


class Secret:
    """A text that shows itself to nobody who does not ask for it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a token is for, in the words of cargo's protocol: ``read``, ``publish``, ``yank`` or ``unyank``."""

    operation: str
    name: str = ""
    version: str = ""
    sha256: str = ""

    def to_json(self) -> dict[str, str]:
        """Spell it as a request to a provider does."""
        named = {"name": self.name, "vers": self.version, "cksum": self.sha256}
        return {"operation": self.operation, **{key: value for key, value in named.items() if value}}


READ = Purpose("read")


@dataclass(frozen=True, slots=True)
class _Granted:
    token: Secret
    until: float | None  # seconds since 1970; None for as long as this run takes
    for_all: bool


class Credentials:
    """The tokens of one registry.  Threads may share it; a provider is asked by one at a time."""

    def __init__(
        self,
        target: Target,
        settings: Settings,
        environ: Mapping[str, str] = os.environ,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._target = target
        self._settings = settings
        self._environ = environ
        self._now = now
        self._kept: _Granted | None = None
        self._lock = threading.Lock()

    def token(self, purpose: Purpose, *, instead_of: Secret | None = None) -> Secret | None:
        """Return a token, None if no provider has one.

        ``instead_of`` is one that the registry has refused: providers are asked anew unless another
        thread has done so.

        Raises ``ConfigError`` or ``PublishError`` if a provider cannot be used or fails.
        """
        with self._lock:
            kept = self._kept
            if kept is not None and kept.token != instead_of and self._serves(kept, purpose):
                return kept.token
            self._kept = None
            for words in self._providers():
                granted = self._ask(words, purpose)
                if granted is not None:
                    return _checked(granted.token, self._target)
            return None

    def _serves(self, kept: _Granted, purpose: Purpose) -> bool:
        minute = 60.0  # as cargo: one that ends within a minute may end on the way
        fresh = kept.until is None or self._now() + minute < kept.until
        return fresh and (kept.for_all or purpose == READ)

    # -- which providers ------------------------------------------------------------------------------

    def _table(self) -> str:
        return "registry" if self._target.name == CRATES_IO else f"registries.{self._target.name}"

    def _providers(self) -> list[tuple[str, ...]]:
        own = self._environ.get(variable(self._target.name, "CREDENTIAL_PROVIDER"), "").split()
        words = tuple(own) or self._settings.words(self._table(), "credential-provider")
        if words:
            return [self._resolved(words, self._table(), "credential-provider")]
        key = "global-credential-providers"
        given = self._environ.get("CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS", "").split()
        listed = given or self._settings.words("registry", key)
        found = [tuple(one.split()) for one in listed if one.strip()]
        return [self._resolved(words, "registry", key) for words in reversed(found)] or [("cargo:token",)]

    def _resolved(self, words: tuple[str, ...], table: str, key: str) -> tuple[str, ...]:
        """Put the program of an alias in its place, and give a relative path its folder."""
        if len(words) == 1 and not words[0].startswith("cargo:"):
            alias = self._settings.words("credential-alias", words[0])
            if alias:
                table, key, words = "credential-alias", words[0], alias
        if "/" in words[0] and not words[0].startswith("/"):
            try:
                return (str(self._settings.base(table, key) / words[0]), *words[1:])
            except KeyError:  # said in the environment: from where we are
                return words
        return words

    # -- asking one -----------------------------------------------------------------------------------

    def _ask(self, words: tuple[str, ...], purpose: Purpose) -> _Granted | None:
        program, *arguments = words
        if program == "cargo:token":
            granted = self._plain()
        elif program == "cargo:token-from-stdout":
            granted = self._from_stdout(arguments)
        elif program.startswith("cargo:"):
            raise ConfigError(
                f"cargo's provider {program} works inside cargo alone"
                if program in _PLATFORM
                else f"there is no provider {program}",
                where=f"credential-provider of {self._target.name}",
                hint=f"set {variable(self._target.name, 'TOKEN')}, or use cargo:token-from-stdout",
            )
        else:
            granted = self._from_process(program, arguments, purpose)
        if granted is not None and (granted.until is None or granted.until > self._now()):
            self._kept = granted
        return granted

    def _plain(self) -> _Granted | None:
        text = self._environ.get(variable(self._target.name, "TOKEN"))
        if text is None:
            text = self._settings.word(self._table(), "token")
        return _Granted(Secret(text), None, for_all=True) if text else None

    def _from_stdout(self, words: Sequence[str]) -> _Granted:
        if not words:
            raise ConfigError(
                "cargo:token-from-stdout needs a command", where=f"credential-provider of {self._target.name}"
            )
        argv = [words[0], *(word.replace("{index_url}", self._target.index) for word in words[1:])]
        named = {
            "CARGO_REGISTRY_INDEX_URL": self._target.index,
            "CARGO_REGISTRY_NAME_OPT": self._target.name,
        }
        result = _run(argv, named, None)
        lines = result.stdout.decode(errors="replace").splitlines()
        if not result.ok or len(lines) != 1:
            raise PublishError(
                f"the credential provider {argv[0]} "
                + (f"ends with code {result.code}" if not result.ok else "does not print one line"),
                where=f"credential-provider of {self._target.name}",
                hint="run it by hand: it must print the token and nothing else",
            )
        return _Granted(Secret(lines[0]), None, for_all=True)

    def _from_process(self, program: str, words: Sequence[str], purpose: Purpose) -> _Granted | None:
        """Speak cargo's protocol: a greeting, our request, one answer, a JSON text a line.

        Everything is sent at once: the greeting only says that version 1 is spoken, and a provider that
        speaks another one answers nothing that we would take.
        """
        request = {
            "v": 1,
            "registry": {"index-url": self._target.index, "name": self._target.name},
            "kind": "get",
            **purpose.to_json(),
            **({"args": list(words)} if words else {}),
        }
        result = _run([program, "--cargo-plugin"], {}, json.dumps(request).encode() + b"\n")
        where = f"credential-provider of {self._target.name}"
        try:
            greeting, answer, *_ = [json.loads(line) for line in result.stdout.splitlines()]
            if 1 not in greeting["v"]:
                raise ConfigError(
                    f"{program} speaks versions {greeting['v']} of cargo's protocol", where=where
                )
            if "Err" not in answer:
                return _granted(answer["Ok"])
            kind, words = answer["Err"]["kind"], answer["Err"].get("message")
        except (ValueError, KeyError, TypeError):
            # its words are not quoted: a token may be among them
            raise PublishError(
                f"the credential provider {program} does not answer as cargo's protocol wants "
                f"(exit code {result.code})",
                where=where,
                hint=f"try it with cargo, or set {variable(self._target.name, 'TOKEN')}",
            ) from None
        if kind in _PASS_ON:
            return None
        raise PublishError(f"the credential provider {program} says: {words or kind}", where=where)


def _granted(answer: Mapping[str, Any]) -> _Granted:
    token, cache = answer["token"], answer.get("cache", "never")
    if not isinstance(token, str):
        raise TypeError("the token is no string")
    until = {"session": None, "expires": answer.get("expiration")}.get(cache, 0.0)
    return _Granted(
        Secret(token), None if until is None else float(until), bool(answer["operation_independent"])
    )


def _run(argv: Sequence[str], named: Mapping[str, str], data: bytes | None) -> tools.Result:
    try:
        return tools.run(argv, env=tools.environment(named), data=data, timeout=_PROVIDER_SECONDS)
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(
            f"the credential provider {argv[0]} cannot be used", hint=problem.hint
        ) from None


def _checked(token: Secret, target: Target) -> Secret:
    """Refuse what HTTP cannot carry; cargo's rule (crates-io ``check_token``): printable ASCII, or a tab."""
    text = token.reveal()
    if not text:
        raise ConfigError(f"the token of {target.name} is empty", hint="look at what its provider gives")
    if not all(" " <= char <= "~" or char == "\t" for char in text):
        raise ConfigError(
            f"the token of {target.name} has characters that no HTTP header may have",
            hint="a line end, perhaps: look at what its provider gives",
        )
    return token
