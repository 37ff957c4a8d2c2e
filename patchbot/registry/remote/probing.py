"""Try a registry with throw-away crates: each question is a small publication, and all are yanked in the end.

What a question is about stands in a crate's manifest; what the index makes of it is compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from patchbot.cargo_settings import Settings
from patchbot.errors import PatchbotError, PublishError
from patchbot.model import Dependency, DependencyKind, IndexEntry, TreeFile
from patchbot.registry.remote import agree, upload
from patchbot.registry.remote.answers import Answer, Fate
from patchbot.registry.remote.client import Client
from patchbot.registry.remote.credentials import Credentials, Purpose
from patchbot.registry.remote.pacing import Pace, backoff
from patchbot.registry.remote.probe import Finding
from patchbot.registry.remote.target import variable
from patchbot.registry.remote.yank import execute

Pack = Callable[[list[TreeFile], str, str], bytes]  # files, name, version

VERSION = "0.0.1"
LONG = 64  # the longest name that crates.io, kellnr and cargo's own code take
LARGE = 11 * 1024 * 1024  # more than the usual limit of 10 MB
_MIB = 1024 * 1024
_WRONG = "patchbot-doctor-tries-a-wrong-token"


@dataclass(slots=True)
class Trial:
    """One session of trials.  ``stem`` begins every name: the agreed prefix and something new each time."""

    client: Client
    pack: Pack
    stem: str
    made: list[IndexEntry] = field(default_factory=list)

    def findings(self) -> Iterator[Finding]:
        """Ask one question after the other; throw-away crates are yanked whatever happens."""
        try:
            yield from self._questions()
        except BaseException:
            self._clean()
            raise
        yield self._clean()

    def _questions(self) -> Iterator[Finding]:
        base = self._crate("base")
        yield self._first(base)
        yield from self._dependencies(base)
        yield self._duplicate("the same bytes again", self._again(base.entry.name, base.data))
        yield self._duplicate("other bytes under a version", self._again(base.entry.name, self._other(base)))
        yield self._unchanged(base)
        yield self._accepts("a name of 64 letters", self._crate("long", pad=LONG))
        yield self._accepts("a crate of 11 MB", self._crate("large", size=LARGE))
        yield self._unknown_dependency()
        yield self._wrong_token()
        yield from self._yanks(base)

    # -- throw-away crates ----------------------------------------------------------------------------

    def _crate(self, word: str, more: str = "", *, pad: int = 0, size: int = 0, **line: object) -> _Crate:
        name = f"{self.stem}-{word}"
        name += "-" + "x" * (pad - len(name) - 1) if pad > len(name) + 1 else ""
        manifest = (
            f'[package]\nname = "{name}"\nversion = "{VERSION}"\nedition = "2021"\nlicense = "MIT"\n'
            f'description = "Thrown away by patchbot doctor"\nreadme = false\n{more}'
        )
        files = [TreeFile("Cargo.toml", manifest.encode()), TreeFile("src/lib.rs", b"")]
        if size:
            files.append(TreeFile("src/large.bin", hashlib.shake_128(b"large").digest(size)))
        data = self.pack(files, name, VERSION)
        entry = IndexEntry(name, VERSION, hashlib.sha256(data).hexdigest(), False, (), {})  # noqa: FBT003
        return _Crate(replace(entry, **line), data)  # type: ignore[arg-type]

    def _other(self, crate: _Crate) -> bytes:
        files = [TreeFile("Cargo.toml", _manifest(crate)), TreeFile("src/lib.rs", b"// other\n")]
        return self.pack(files, crate.entry.name, VERSION)

    def _send(self, crate: _Crate) -> Answer:
        body = upload.body(crate.data, own=(self.client.target.index,))
        answer = self.client.upload(body, Purpose("publish", crate.entry.name, VERSION, crate.entry.sha256))
        if answer.fate is Fate.DONE:
            self.made.append(crate.entry)
        return answer

    def _again(self, name: str, data: bytes) -> Answer:
        body = upload.body(data, own=(self.client.target.index,))
        return self.client.upload(body, Purpose("publish", name, VERSION, hashlib.sha256(data).hexdigest()))

    def _appears(self, entry: IndexEntry) -> float | None:
        """Return after how many seconds the index shows a crate, None if it does not."""
        started = self.client.clock.now()
        for wait in backoff(0.02, 5.0):
            if entry.version in self.client.entries(entry.name):
                return self.client.clock.now() - started
            if self.client.clock.now() - started > self.client.patience.visible:
                return None
            self.client.clock.wait(wait, self.client.stop)
        return None  # pragma: no cover - backoff has no end

    # -- questions ------------------------------------------------------------------------------------

    def _first(self, base: _Crate) -> Finding:
        """Publish the crate that all else needs; raise ``PublishError`` if not even that can be done."""
        answer = self._send(base)
        if answer.fate is not Fate.DONE:
            raise PublishError(
                f"the registry does not take {base.entry.name} ({answer.words})",
                where=self.client.target.name,
                hint="may the token publish names that begin so?",
            )
        seconds = self._appears(base.entry)
        if seconds is None:
            raise PublishError(f"the index never shows {base.entry.name}", where=self.client.target.index)
        return Finding.good("publishing", f"yes; the index shows it after {seconds:.1f} s")

    def _dependencies(self, base: _Crate) -> Iterator[Finding]:
        for question, crate in dependency_questions(self._crate, base.entry.name, self.client.target.index):
            answer = self._send(crate)
            if answer.fate is not Fate.DONE or self._appears(crate.entry) is None:
                yield Finding.bad(question, f"refused: {answer.words}" if answer.words else "never shown")
                continue
            shown = self.client.entries(crate.entry.name)[VERSION]
            wrong = agree.wrong_dependencies(crate.entry, shown, index=self.client.target.index)
            lost = agree.lost(crate.entry, shown)
            answers = [f"the index has another dependency on {name}" for name in wrong]
            answers += [f"the index does not keep its {name}" for name in lost]
            # without rust-version, cargo may choose a crate that is too new for a compiler; nothing else is lost
            bearable = not wrong and lost == ["rust-version"]
            yield Finding(question, None if bearable else not answers, "; ".join(answers) or "yes")

    def _duplicate(self, question: str, answer: Answer) -> Finding:
        if answer.fate is Fate.DONE:
            return Finding.bad(question, "accepted, where it must be refused")
        return Finding(question, answer.fate is Fate.REFUSED, f"refused: {answer.words}")

    def _unchanged(self, base: _Crate) -> Finding:
        data = self.client.crate(base.entry)
        shown = self.client.entries(base.entry.name)[VERSION].sha256
        good = data == base.data and shown == base.entry.sha256
        return Finding("what it serves", good, "the bytes that were sent" if good else "other bytes")

    def _accepts(self, question: str, crate: _Crate) -> Finding:
        answer = self._send(crate)
        good = answer.fate is Fate.DONE
        return Finding.note(question, "yes" if good else f"no: {answer.words}")

    def _unknown_dependency(self) -> Finding:
        package = f"{self.stem}-nobody"
        more = _dependency("nobody", package, self.client.target.index)
        answer = self._send(self._crate("needs-nobody", more))
        checks = answer.fate is not Fate.DONE
        return Finding.note("checks that dependencies exist", "yes" if checks else "no")

    def _wrong_token(self) -> Finding:
        target = self.client.target
        wrong = Credentials(target, Settings(), {variable(target.name, "TOKEN"): _WRONG})
        other = Client(
            target, wrong, git=self.client.git, clock=self.client.clock, patience=self.client.patience
        )
        crate = self._crate("wrong-token")
        try:
            body = upload.body(crate.data, own=(target.index,))
            answer = other.upload(body, Purpose("publish", crate.entry.name, VERSION, crate.entry.sha256))
        except PatchbotError:  # it needs one even to be read
            return Finding.good("a wrong token", "refused")
        finally:
            other.close()
        if answer.fate is Fate.DONE:
            self.made.append(crate.entry)
            return Finding.bad("a wrong token", "accepted: everybody can publish")
        return Finding.good("a wrong token", f"refused: {answer.words}")

    def _yanks(self, base: _Crate) -> Iterator[Finding]:
        for question, yanked in (("yank", True), ("un-yank", False)):
            try:
                execute(self.client, [base.entry], yanked=yanked, pace=Pace(self.client.clock))
            except PatchbotError as error:
                yield Finding.bad(question, str(error))
            else:
                yield Finding.good(question, "yes, and the index shows it")

    def _clean(self) -> Finding:
        left = []
        for entry in reversed(self.made):
            try:
                answer = self.client.set_yanked(entry.name, entry.version, yanked=True)
            except PatchbotError:
                left.append(entry.name)
            else:
                left += [entry.name] if answer.fate is not Fate.DONE else []
        if left:
            return Finding.bad("throw-away crates", f"not yanked: {', '.join(left)}")
        return Finding.good("throw-away crates", f"all {len(self.made)} are yanked")


@dataclass(frozen=True, slots=True)
class _Crate:
    entry: IndexEntry
    data: bytes = field(repr=False)


def dependency_questions(
    crate: Callable[..., _Crate], package: str, index: str
) -> Iterator[tuple[str, _Crate]]:
    """Yield questions about how a crate depends on ``package``, each with the crate that asks it."""
    normal = Dependency("alias", package, f"={VERSION}", DependencyKind.NORMAL, False, True, (), None)  # noqa: FBT003
    plain = _dependency("alias", package, index)
    optional = _dependency("alias", package, index, 'optional = true\nfeatures = ["one"]\n')
    yield "renamed dependencies", crate("renamed", plain, dependencies=(normal,))
    yield (
        "target dependencies",
        crate(
            "target",
            plain.replace("[dependencies", "[target.'cfg(unix)'.dependencies"),
            dependencies=(replace(normal, target="cfg(unix)"),),
        ),
    )
    yield (
        "build dependencies",
        crate(
            "build",
            plain.replace("[dependencies", "[build-dependencies"),
            dependencies=(replace(normal, kind=DependencyKind.BUILD),),
        ),
    )
    yield (
        "optional and weak dependencies",
        crate(
            "weak",
            f'{optional}\n[features]\nused = ["dep:alias"]\nweak = ["alias?/one"]\n',
            dependencies=(replace(normal, optional=True, features=("one",)),),
            features={"used": ("dep:alias",), "weak": ("alias?/one",)},
        ),
    )
    yield (
        "links keys",
        crate("links", 'links = "patchbot_doctor"\n', links="patchbot_doctor"),
    )
    yield "rust-version", crate("rust", 'rust-version = "1.70"\n', rust_version="1.70")


def _dependency(alias: str, package: str, index: str, more: str = "") -> str:
    return (
        f'\n[dependencies.{alias}]\nversion = "={VERSION}"\npackage = "{package}"\n'
        f'registry-index = "{index}"\n{more}'
    )


def _manifest(crate: _Crate) -> bytes:
    return f'[package]\nname = "{crate.entry.name}"\nversion = "{VERSION}"\nlicense = "MIT"\ndescription = "x"\n'.encode()
