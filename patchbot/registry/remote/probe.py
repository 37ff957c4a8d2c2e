"""What can a registry do?  Looking changes nothing; trying publishes throw-away crates under an agreed prefix.

The questions are those that forks ask of a registry: renamed dependencies above all, for a server that mixes up
the package's name and the name in the manifest breaks every one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from patchbot.errors import PatchbotError
from patchbot.index.repository import GitIndex
from patchbot.model import JsonObject
from patchbot.registry.remote.client import Client, NoAnswer
from patchbot.registry.remote.credentials import READ, Credentials
from patchbot.registry.remote.target import is_loopback

_NOT_MODIFIED = 304
_ABSENT = {404, 410, 451}
_NOBODY = "patchbot-doctor-asks-for-what-nobody-has"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.  ``ok`` is None where it is worth knowing and neither good nor bad."""

    question: str
    ok: bool | None
    answer: str

    @classmethod
    def good(cls, question: str, answer: str) -> Finding:
        """Return an answer as it should be."""
        return cls(question, ok=True, answer=answer)

    @classmethod
    def bad(cls, question: str, answer: str) -> Finding:
        """Return an answer that forks cannot live with."""
        return cls(question, ok=False, answer=answer)

    @classmethod
    def note(cls, question: str, answer: str) -> Finding:
        """Return an answer that is worth knowing."""
        return cls(question, ok=None, answer=answer)

    def to_json(self) -> JsonObject:
        """Spell it as ``doctor --json`` does."""
        return {"question": self.question, "ok": self.ok, "answer": self.answer}


def look(client: Client, credentials: Credentials) -> Iterator[Finding]:
    """Ask what can be asked without changing anything; what everything rests on is raised if it fails."""
    started = client.clock.now()
    config = client.config()
    seconds = client.clock.now() - started
    kind, file = ("sparse index", "config.json") if client.git is None else ("git index", "")
    yield Finding.good(kind, f"{client.target.url}{file}, in {seconds * 1000:.0f} ms")
    api = config.api or "none: nothing can be published"
    yield Finding("web API", config.api is not None, api)
    yield Finding.good("downloads", config.download)
    yield Finding.note("reading takes a token", "yes" if config.auth_required else "no")
    yield _token(client, credentials)
    # a git index is read without it
    given = client.target.url if client.git is None else config.api or ""
    plain = given.startswith("http://") and not is_loopback(given)
    yield Finding(
        "encrypted", not plain, "no: the token travels in the clear" if plain else "yes, or on this machine"
    )
    if client.git is not None:
        yield _fetched(client.git)
        return
    yield _absent(client, private=config.auth_required)
    yield _tagged(client, private=config.auth_required)


def _token(client: Client, credentials: Credentials) -> Finding:
    try:
        found = credentials.token(READ) is not None
    except PatchbotError as error:
        return Finding.bad("token", str(error))
    return Finding(
        "token", found, f"cargo's configuration has one for {client.target.name}" if found else "none"
    )


def _fetched(index: GitIndex) -> Finding:
    """Say how the index comes: plain files over HTTP are more than the git inside cargo can read (libgit2)."""
    answer = (
        "whole, as plain files: cargo needs net.git-fetch-with-cli = true"
        if index.dumb
        else "its newest commit alone"
    )
    return Finding.note("what is fetched of the index", answer)


def _absent(client: Client, *, private: bool) -> Finding:
    url = f"{client.target.url}{_NOBODY[:2]}/{_NOBODY[2:4]}/{_NOBODY}"
    try:
        status = client.once("GET", url, purpose=READ if private else None).status
    except (NoAnswer, PatchbotError) as error:
        return Finding.bad("a crate that does not exist", str(error))
    good = status in _ABSENT
    return Finding(
        "a crate that does not exist", good, str(status) if good else f"{status}; cargo wants 404, 410 or 451"
    )


def _tagged(client: Client, *, private: bool) -> Finding:
    question, url = "index files with an ETag", f"{client.target.url}config.json"
    purpose = READ if private else None
    try:
        tag = client.once("GET", url, purpose=purpose).etag
        if not tag:
            return Finding.note(question, "no: every look downloads the file again")
        again = client.once("GET", url, purpose=purpose, known=tag).status
    except (NoAnswer, PatchbotError) as error:
        return Finding.bad(question, str(error))
    answer = (
        "yes, and 304 for what is known" if again == _NOT_MODIFIED else f"yes, but {again} for what is known"
    )
    return Finding.note(question, answer)
