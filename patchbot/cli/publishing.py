"""Commands that put forks into registries, and take them back."""

from __future__ import annotations

from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import Work, allow_yanked, common, dry_run, with_releases
from patchbot.errors import UsageError

with_registry = click.option(
    "--registry", metavar="NAME", help="A registry that cargo knows by this name, instead of the directory."
)


@cli.command()
@with_releases
@with_registry
@dry_run
@allow_yanked
@common
def publish(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Put the forks of releases into the registry directory, or into a registry elsewhere.

    Crates that are there already stay untouched; other bytes under their names stop the command before
    anything is uploaded.

    With --registry, name, index (sparse or git) and token are read the way cargo reads them: [registries]
    in .cargo/config.toml, CARGO_REGISTRIES_NAME_INDEX and _TOKEN, credential providers. Several crates are
    uploaded at once where the order allows; what the registry asks for (429, Retry-After) is kept to. In
    the end every crate is downloaded and compared, and cargo resolves a program with it. A run that was
    interrupted, however it ended, goes on where it was: run it again.

    \b
    Examples:
      patchbot publish 8.0.1 9.0.4
      patchbot publish --dry-run
      patchbot publish 8.0.1 --registry mine --dry-run
      CARGO_REGISTRIES_MINE_TOKEN=… patchbot publish 8.0.1 --registry mine
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report.terminal import table  # noqa: PLC0415

    if options["registry"]:
        return _publish_remote(releases, options)
    here = Work(options)
    with here.open() as work:
        until = job.Stage.FORK if options["dry_run"] else job.Stage.PUBLISH
        outcome = job.run(work, choose(work, releases), until=until)
        crates = [crate for forks in outcome.forks for crate in forks.crates]
        steps = work.registry.plan(crates) if options["dry_run"] else outcome.published
        rows = [(s.crate.entry.name, s.crate.entry.version, s.state.value) for s in steps]
        data = [{"name": s.crate.entry.name, "state": s.state.value} for s in steps]
        here.print({"schema": 1, "registry": str(work.registry.folder), "crates": data}, table(rows))
    return 0


def _publish_remote(releases: tuple[str, ...], options: dict[str, Any]) -> int:
    from patchbot.pipeline import publishing  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import run as job  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import publishing as screens  # noqa: PLC0415

    here = Work(options)
    with here.open() as work, publishing.remote(work, options["registry"]) as there:
        outcome = job.run(work, choose(work, releases), until=job.Stage.FORK)
        made = publishing.make_plan(there, outcome.forks)
        if options["dry_run"]:
            here.print(publishing.to_json(there, made, None), screens.plan(made.to_json()))
            return 0
        done = publishing.execute(work, there, made, outcome.forks)
        here.print(publishing.to_json(there, made, done), f"{done.summary(there.target.name)}\n")
    return 0


@cli.command()
@with_releases
@with_registry
@click.option("--undo", is_flag=True, help="Take the yank back.")
@click.option("--follow-upstream", is_flag=True, help="Do with forks what upstream did with its releases.")
@dry_run
@common
def yank(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Yank the forks of releases, or take that back.

    A whole release at a time, all of its revisions. Nothing is removed: lockfiles that name a yanked crate
    keep working, and new ones do not choose it.

    With --follow-upstream, releases that upstream has yanked are yanked, and come back when upstream takes
    its yank back; a fork that was yanked by hand stays yanked.

    \b
    Examples:
      patchbot yank 8.0.1 --dry-run
      patchbot yank 8.0.1 --registry mine
      patchbot yank 8.0.1 --undo
      patchbot yank --follow-upstream --registry mine
    """
    from patchbot.model import Release  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import yanking  # noqa: PLC0415
    from patchbot.report import publishing as screens  # noqa: PLC0415

    following = options["follow_upstream"]
    if following and (releases or options["undo"]):
        raise UsageError(
            "--follow-upstream takes neither releases nor --undo: upstream says both", hint="leave them out"
        )
    if not following and not releases:
        raise UsageError("Missing argument RELEASE", hint="or --follow-upstream")
    here = Work(options)
    with here.open() as work, yanking.shelf(work, options["registry"]) as there:
        if following:
            changes, notes = yanking.followed(work, there)
            for note in notes:
                here.reporter.warn(note)
        else:
            chosen = sorted({Release.parse(name) for name in releases})
            changes = yanking.asked(work, there, chosen, yanked=not options["undo"])
        if not options["dry_run"]:
            yanking.execute(there, changes, following=following)
        rows = [change.to_json() for change in changes]
        done = not options["dry_run"]
        data = {"schema": 1, "registry": there.name, "dry_run": not done, "changes": rows}
        here.print(data, screens.yanks(rows, there.name, done=done))
    return 0
