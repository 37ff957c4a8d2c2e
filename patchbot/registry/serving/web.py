"""A registry's answers: a request in, a reply out (cargo book, "Registry Index", "Registry Web API").

No sockets here; ``server`` has them.  The addresses are those of an export (``static``), and the web API beside:

    /index/config.json   /index/wa/sm/wasmtime-v8-0-1   /crates/NAME/NAME-VERSION.crate   /api/v1/crates…
"""

from __future__ import annotations

import hmac
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from patchbot.errors import EnvironmentProblem, PatchbotError, UsageError
from patchbot.model import IndexEntry, Release, index_path, registry_key
from patchbot.registry import static
from patchbot.registry.local import LocalRegistry, State, Taken
from patchbot.registry.serving import received
from patchbot.registry.serving.exchange import Reply, Request, Stored, kept, stored
from patchbot.registry.serving.received import Refusal

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST = 100  # results of a search, as crates.io has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is served, and to whom.

    ``base`` is the address under which clients reach the server, without a last slash; ``index`` the canonical
    address of the registry, which stands inside crates.  ``token`` is what whoever writes must send, None if
    nobody must; ``auth_required`` asks readers for it, too.
    """

    registry: LocalRegistry
    base: str
    index: str
    unpack: received.Unpack
    token: str | None = field(default=None, repr=False)
    auth_required: bool = False
    read_only: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class _Route(NamedTuple):
    method: str
    path: re.Pattern[str]
    answer: Callable[[Site, Request, tuple[str, ...]], Reply]
    writes: bool = False
    public: bool = False  # says how to get a token, so it asks for none


def answer(site: Site, request: Request) -> Reply:
    """Answer a request; whatever is wrong becomes a reply that cargo can show."""
    refused = refuse(site, request)
    if refused is not None:
        return refused
    found = _routes(request)
    try:
        return next(r.answer(site, request, groups) for r, groups in found if r.method == _method(request))
    except Refusal as refusal:
        return failed(refusal.status, refusal.detail)
    except Taken as taken:
        return failed(409, taken.what)
    except EnvironmentProblem as problem:
        return failed(500, f"the registry's disk refuses: {problem.what}")
    except PatchbotError as error:
        return failed(500, f"the registry is damaged: {error.what}")


def refuse(site: Site, request: Request) -> Reply | None:
    """Return what is wrong with a request without looking at its body, or None."""
    if site.token is None and not _is_local(site, request.headers.get("host")):
        # Else a web page could reach a server that asks for no token, by a name of its own for 127.0.0.1.
        return failed(403, "the registry is not served under this name")
    found = _routes(request)
    if not found:
        return failed(404, "there is nothing at this address")
    route = next((route for route, _ in found if route.method == _method(request)), None)
    if route is None:
        return failed(405, "nobody can do that here", {"Allow": ", ".join(r.method for r, _ in found)})
    if route.writes and site.read_only:
        return failed(403, "this registry is served for reading only")
    if (route.writes or site.auth_required) and not route.public and not _knows(site, request):
        said = "is not the right one" if "authorization" in request.headers else "is missing"
        return failed(401, f"the token {said}", {"WWW-Authenticate": f'Cargo login_url="{site.base}/me"'})
    return None


def is_upload(request: Request) -> bool:
    """Whether the request may be as long as a crate is."""
    return any(route.answer is _publish and route.method == request.method for route, _ in _routes(request))


def failed(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error as cargo reads it."""
    return _json({"errors": [{"detail": detail}]}, status, headers)


def _json(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})


def _text(text: str) -> Reply:
    return Reply(200, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method


def _routes(request: Request) -> list[tuple[_Route, tuple[str, ...]]]:
    path = urllib.parse.unquote(request.target.partition("?")[0])
    return [(route, match.groups()) for route in _ROUTES if (match := route.path.fullmatch(path))]


def _is_local(site: Site, host: str | None) -> bool:
    """Whether a ``Host`` header is a name that this server has, rather than one that somebody gave it."""
    try:
        name = urllib.parse.urlsplit(f"//{host or 'localhost'}").hostname
    except ValueError:
        return False
    return name in _LOOPBACK | {urllib.parse.urlsplit(site.base).hostname}


def _knows(site: Site, request: Request) -> bool:
    """Whether a request has the token, bare as cargo sends it or behind ``Bearer``."""
    if site.token is None:
        return True
    said = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    return hmac.compare_digest(said, site.token.encode())


# -- reading ------------------------------------------------------------------------------------------


def _config(site: Site, request: Request, _: tuple[str, ...]) -> Reply:
    more = {"api": site.base, **({"auth-required": True} if site.auth_required else {})}
    return kept(request, Stored(static.config(site.base, **more), None), "application/json")


def _index(site: Site, request: Request, groups: tuple[str, ...]) -> Reply:
    (place,) = groups
    name = place.rpartition("/")[2]
    if place != index_path(name):
        raise Refusal("there is no such crate", 404)
    file = stored(site.registry.index_file(name))
    if file is None:
        gone = any(removed.lower() == name for removed, _ in site.registry.removed())
        raise Refusal("the crate was removed" if gone else "there is no such crate", 410 if gone else 404)
    return kept(request, file, "text/plain; charset=utf-8")


def _download(site: Site, request: Request, groups: tuple[str, ...]) -> Reply:
    name, version = groups[-2:]
    file = None
    if groups[0] == name and _has(site, name, version):
        file = stored(site.registry.crate_file(name, version))
    if file is None:
        raise Refusal(f"there is no {name} {version}", 404)
    return kept(request, file, "application/gzip")


def _has(site: Site, name: str, version: str) -> bool:
    entry = site.registry.entries(name).get(version)
    return entry is not None and entry.name == name


def _search(site: Site, request: Request, _: tuple[str, ...]) -> Reply:
    query = urllib.parse.parse_qs(request.target.partition("?")[2])
    words = registry_key(query.get("q", [""])[0]).split()
    found = [name for name in site.registry.names() if all(word in registry_key(name) for word in words)]
    wanted = query.get("per_page", ["10"])[0]
    most = min(int(wanted), _MOST) if wanted.isascii() and wanted.isdigit() else 10
    crates = []
    for name in found[:most]:
        entries = list(site.registry.entries(name).values())
        newest = max([e for e in entries if not e.yanked] or entries, key=_age)
        crates.append({"name": newest.name, "max_version": newest.version, "description": None})
    return _json({"crates": crates, "meta": {"total": len(found)}})


def _age(entry: IndexEntry) -> Release:
    try:
        return Release.parse(entry.version.partition("+")[0])
    except UsageError:
        return Release(0, 0, 0)


def _owners(site: Site, _request: Request, groups: tuple[str, ...]) -> Reply:
    if not site.registry.entries(groups[0]):
        raise Refusal(f"there is no crate {groups[0]}", 404)
    return _json({"users": []})


def _no_owners(_site: Site, _request: Request, _: tuple[str, ...]) -> Reply:
    raise Refusal("this registry has no owners: whoever has its token may publish and yank", 403)


def _welcome(site: Site, _request: Request, _: tuple[str, ...]) -> Reply:
    return _text(f"A registry for cargo, served by patchbot.\nIts index is sparse+{site.base}/index/\n")


def _login(site: Site, _request: Request, _: tuple[str, ...]) -> Reply:
    return _text(
        "No token is needed here: any word will do for cargo login.\n"
        if site.token is None
        else "The token is the one that the server was started with: ask whoever started it.\n"
    )


# -- writing ------------------------------------------------------------------------------------------


def _publish(site: Site, request: Request, _: tuple[str, ...]) -> Reply:
    now = site.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    own = {site.index, f"sparse+{site.base}/index/"}
    upload = received.read(request.body, unpack=site.unpack, own=own, now=now)
    (step,) = site.registry.publish([upload])
    entry = upload.entry
    if step.state is State.PRESENT:
        # The words are those that tools look for in crates.io's answer.
        raise Refusal(
            f"crate version `{entry.version}` of {entry.name} is already uploaded, with the same bytes: "
            "nothing was left to do",
            409,
        )
    return _json({"warnings": {"invalid_categories": [], "invalid_badges": [], "other": []}})


def _yank(site: Site, request: Request, groups: tuple[str, ...]) -> Reply:
    name, version = groups
    if not _has(site, name, version):
        raise Refusal(f"there is no {name} {version}", 404)
    site.registry.set_yanked([(name, version)], yanked=_method(request) == "DELETE")
    return _json({"ok": True})


_CRATE = r"([A-Za-z0-9_][A-Za-z0-9_-]*)"
_NUMBER = r"([0-9][0-9A-Za-z.+-]*)"
_API = r"/api/v1/crates"
_ROUTES = (
    _Route("GET", re.compile(r"/index/config\.json"), _config),
    _Route("GET", re.compile(r"/index/([0-9a-z_/-]+)"), _index),
    _Route("GET", re.compile(rf"/crates/{_CRATE}/{_CRATE}-{_NUMBER}\.crate"), _download),
    _Route("GET", re.compile(rf"{_API}/{_CRATE}/{_NUMBER}/download"), _download),
    _Route("GET", re.compile(_API), _search),
    _Route("PUT", re.compile(rf"{_API}/new"), _publish, writes=True),
    _Route("DELETE", re.compile(rf"{_API}/{_CRATE}/{_NUMBER}/yank"), _yank, writes=True),
    _Route("PUT", re.compile(rf"{_API}/{_CRATE}/{_NUMBER}/unyank"), _yank, writes=True),
    _Route("GET", re.compile(rf"{_API}/{_CRATE}/owners"), _owners),
    _Route("PUT", re.compile(rf"{_API}/{_CRATE}/owners"), _no_owners, writes=True),
    _Route("DELETE", re.compile(rf"{_API}/{_CRATE}/owners"), _no_owners, writes=True),
    _Route("GET", re.compile(r"/me"), _login, public=True),
    _Route("GET", re.compile(r"/"), _welcome, public=True),
)
