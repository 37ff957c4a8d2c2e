"""Forks to a registry elsewhere: plan, show, execute, verify."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from patchbot import cargo_settings
from patchbot.errors import ConfigError, UsageError
from patchbot.index.repository import GitIndex
from patchbot.model import ForkedRelease, JsonObject
from patchbot.pipeline import published
from patchbot.pipeline.work import Workspace
from patchbot.registry.remote import journal, plan, publish, resolving, target
from patchbot.registry.remote.client import CONNECTIONS, Client, Patience
from patchbot.registry.remote.credentials import READ, Credentials
from patchbot.registry.remote.pacing import Clock, Pace, RealClock
from patchbot.registry.remote.plan import Parcel, Plan
from patchbot.registry.remote.sending import Sender
from patchbot.registry.remote.target import Target

FOLDER = "publish"  # below .patchbot


@dataclass(frozen=True, slots=True)
class Remote:
    """A registry that is open for one command."""

    target: Target
    client: Client
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did.  ``resolved`` is whether cargo found it all, None where there is no cargo."""

    plan: Plan
    done: publish.Done
    resolved: bool | None

    def summary(self, name: str) -> str:
        """Say it in one line."""
        done, total = self.done, len(self.plan.steps)
        if not done.sent:
            return f"{name}: all {total} crates are there already, with the same bytes; 0 uploads"
        kept = f", {done.kept} were there already" if done.kept else ""
        return f"{name}: {done.sent} crates uploaded{kept}; {done.verified} downloaded and compared"


@contextmanager
def remote(
    work: Workspace, name: str, environ: Mapping[str, str] = os.environ, *, clock: Clock | None = None
) -> Iterator[Remote]:
    """Open the registry that cargo knows as ``name``.

    Raises ``ConfigError`` if cargo does not know it, or if it is crates.io and the project does not say so:
    names there are taken for ever.
    """
    if work.offline:
        raise UsageError("--registry needs the network", hint="leave out --offline")
    settings = cargo_settings.load(work.config.project, environ, secrets=True)
    found = target.find(name, settings, environ)
    if found.public and not work.config.publish.crates_io:
        raise ConfigError(
            f"{name} is crates.io, where a name is taken for ever",
            where=found.index,
            hint="say crates-io = true under [publish] in patchbot.toml, if the forks really shall go there",
        )
    wait = float(work.config.publish.wait)
    credentials = Credentials(found, settings, environ)
    way = cargo_settings.network(settings, work.config.project, environ)
    client = Client(
        found,
        credentials,
        way,
        git=GitIndex(found.url, work.cache.git_indexes, way) if found.git else None,
        clock=clock or RealClock(),
        patience=Patience(longest=wait, visible=wait),
    )
    try:
        yield Remote(found, client, credentials)
    finally:
        client.close()


def parcels(forks: Sequence[ForkedRelease]) -> list[Parcel]:
    """Return the crates of releases, with why each is a fork."""
    return [
        Parcel(crate.entry, crate.data, str(release.release), crate.reason)
        for release in forks
        for crate in release.crates
    ]


def make_plan(there: Remote, forks: Sequence[ForkedRelease]) -> Plan:
    """Ask the registry what it holds, and return what is to be done."""
    wanted = parcels(forks)
    return plan.make(wanted, plan.look(plan.names(wanted), there.client.entries, jobs=CONNECTIONS))


def execute(work: Workspace, there: Remote, made: Plan, forks: Sequence[ForkedRelease]) -> Published:
    """Execute the plan of these forks; a run that was killed left a journal, and this one goes on from there."""
    published.refuse(work, forks)
    settings = work.config.publish
    written = journal.Journal(
        journal.folder(work.config.state, there.target), there.target, made, there.client.clock
    )
    own = (there.target.index, work.config.registry.index)
    pace = Pace(there.client.clock, per_minute=settings.per_minute, burst=settings.burst)
    sender = Sender(there.client, written, pace, own, work.reporter.say)
    if len(made.uploads) < len(made.steps):
        published.record(work, forks)
    if made.uploads:
        with work.reporter.task(f"publish to {there.target.name}", len(made.uploads)) as task:

            def advance(crate: str) -> None:
                if not task.done:
                    published.record(work, forks)  # from the first crate on the names of a release are taken
                task.advance(crate)

            done = publish.execute(made, sender, in_flight=settings.in_flight, advance=advance)
    else:
        done = publish.execute(made, sender, in_flight=settings.in_flight)
    for warning in done.warnings:
        work.reporter.warn(warning)
    return Published(made, done, _resolved(work, there, made, written))


def _resolved(work: Workspace, there: Remote, made: Plan, written: journal.Journal) -> bool | None:
    if written.resolved:
        return True
    if not resolving.available():
        work.reporter.warn("there is no cargo here: whether it resolves what was published was not tried")
        return None
    if yanked := [str(step.parcel) for step in made.steps if step.yanked]:
        work.reporter.warn(
            f"{yanked[0]} is yanked there ({len(yanked)} in all): cargo takes it for old lockfiles alone"
        )
        return None
    token = there.credentials.token(READ) if there.client.config().auth_required else None
    for release in dict.fromkeys(step.parcel.release for step in made.steps):
        of_release = [step.parcel for step in made.steps if step.parcel.release == release]
        with work.reporter.task(f"resolve a program with {release} from {there.target.name}"):
            resolving.resolve(
                of_release, there.target, work.config.registry.index, token, work.config.state / FOLDER
            )
    written.add_resolved()
    return True


def to_json(there: Remote, made: Plan, published: Published | None) -> JsonObject:
    """Spell a plan, and what became of it, as ``publish --registry --json`` does."""
    data: JsonObject = {
        "schema": 1,
        "registry": {"name": there.target.name, "index": there.target.index},
        "plan": made.digest,
        "crates": made.to_json(),
        "done": None,
    }
    if published is not None:
        data["done"] = {
            "uploaded": published.done.sent,
            "kept": published.done.kept,
            "compared": published.done.verified,
            "resolved_by_cargo": published.resolved,
            "warnings": list(published.done.warnings),
        }
    return data
