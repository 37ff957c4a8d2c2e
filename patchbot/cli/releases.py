"""Commands about releases: what upstream has, its names, its series."""

from __future__ import annotations

from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import (
    EXIT_FINDINGS,
    EXIT_MISSING,
    Work,
    allow_yanked,
    common,
    dry_run,
    failures,
    print_plan,
    refuse_both,
    refuse_two_sources,
    tell,
    with_every,
    with_git,
    with_jobs,
    with_releases,
)
from patchbot.errors import PatchbotError, ProofError

LOOK_AT_OBJECTS = "each line says file, target and name: either the scan or a rule is wrong about it"


@cli.command()
@with_releases
@click.option(
    "--until",
    type=click.Choice(["sync", "fork", "publish", "prove"]),
    default="prove",
    show_default=True,
    help="The last stage to do.",
)
@click.option("--force", is_flag=True, help="Prove again what was proved of the same bytes.")
@dry_run
@allow_yanked
@common
def run(releases: tuple[str, ...], until: str, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Do everything: sync, fork, publish, prove.

    Without RELEASE, what patchbot.toml says is due. A second run does only what has changed.

    \b
    Examples:
      patchbot run 8.0.1 9.0.4
      patchbot run --dry-run
      patchbot run 36.0.20 --until publish
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.proof import Wish  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        chosen = choose(work, releases)
        if options["dry_run"]:
            return print_plan(here, job.plan(work, chosen, until=job.Stage(until)))
        outcome = job.run(work, chosen, until=job.Stage(until), wish=Wish(force=options["force"]))
        data = outcome.to_json()
        text = screens.closing(
            outcome.forks,
            outcome.consumer,
            registry=work.registry.folder,
            patches=work.config.patches,
            proof=data["proof"],
            missing=outcome.missing,
        )
        here.print(data, text)
        return EXIT_MISSING if outcome.missing else 0


@cli.command()
@with_releases
@with_every
@with_git
@with_jobs
@dry_run
@allow_yanked
@common
def sync(
    releases: tuple[str, ...],
    every: bool,  # noqa: FBT001 - click's options
    repository: str | None,
    jobs: int | None,
    **options: Any,  # noqa: ANN401
) -> int:
    """Download releases and generate their patch series.

    Writes patches/RELEASE/ where the series has changed. Without RELEASE, what patchbot.toml says is due.
    A release that fails is named with the place, and does not keep the others.

    With --git every file of the crates is held against the release's tag. What the tag names is locked in
    patches/tags.toml: exit code 4 if it was moved to other files, 1 if a crate has a file that nothing explains.

    \b
    Examples:
      patchbot sync 8.0.1
      patchbot sync --dry-run
      patchbot sync --all --project /tmp/all-of-them
      patchbot sync 8.0.1 --git https://github.com/bytecodealliance/wasmtime
    """
    from patchbot import workers  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import git_source, many  # noqa: PLC0415
    from patchbot.pipeline import run as job  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    refuse_both(releases, every=every)
    here = Work(options)
    with here.open() as work:
        chosen = choose(work, releases, every=every)
        if options["dry_run"]:
            return print_plan(here, job.plan(work, chosen, until=job.Stage.SYNC))
        processes, beside = jobs or workers.cores(), {}
        if repository is None:
            done = many.sync_all(work, chosen, jobs=processes)
        else:
            done, compared = git_source.sync_all(work, chosen, repository, jobs=processes)
            beside = {release: {"git": row.to_json()} for release, row in compared.items()}
    failed = failures(done, every=every, more=bool(beside))
    rows = [
        {**many.outcome_to_json(release, outcome), **beside.get(release, {})} for release, outcome in done
    ]
    here.print({"schema": 1, "releases": rows}, screens.synced(rows) + screens.tagged(rows))
    return failed[0].exit_code if failed else 0


@cli.command()
@click.argument("release", required=False)
@with_git
@click.option(
    "--tag", metavar="TAG", help="The tag of a release in --git, such as v8.0.1, instead of RELEASE."
)
@click.option("--target", metavar="TRIPLE", help="Only what some build for this target has.")
@allow_yanked
@common
def scan(
    release: str | None,
    repository: str | None,
    tag: str | None,
    target: str | None,
    **options: Any,  # noqa: ANN401 - click's options
) -> int:
    """List the link-time names of a release: defined, imported, kept.

    Speaks of all targets at once; nothing is built. Exit code 1 if a place could hide a name and the policy
    says nothing of it.

    With --git and --tag the release is read from a git repository alone, without a registry.

    \b
    Examples:
      patchbot scan 8.0.1
      patchbot scan 36.0.20 --json
      patchbot scan 8.0.1 --target s390x-unknown-linux-gnu
      patchbot scan --git ~/src/wasmtime --tag v8.0.1
    """
    from patchbot.model import Release  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import git_source  # noqa: PLC0415
    from patchbot.pipeline import sync as stage  # noqa: PLC0415
    from patchbot.pipeline.target import find  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    refuse_two_sources(release, repository, tag)
    here = Work(options)
    wanted = find(target) if target else None
    with here.open() as work:
        if repository is not None and tag is not None:
            imported, inventory = git_source.scan(work, repository, tag)
        else:
            imported, inventory = stage.scan(work, Release.parse(release or ""))
    if wanted is not None:
        inventory = stage.on_target(inventory, wanted)
    here.print(stage.scan_to_json(imported, inventory), screens.inventory(imported, inventory))
    return EXIT_FINDINGS if inventory.blind_spots else 0


@cli.command()
@with_releases
@with_jobs
@common
def check(releases: tuple[str, ...], jobs: int | None, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Generate the series in patches/ again and compare every byte.

    Exit code 1 if anything differs. Without RELEASE, every release in patches/. Recorded receipts that were made
    of another series than the one that is there are told, and are no difference.

    \b
    Examples:
      patchbot check
      patchbot check 8.0.1 --json
    """
    from patchbot import workers  # noqa: PLC0415 - see Work.open
    from patchbot.model import spoken_list  # noqa: PLC0415
    from patchbot.pipeline import many  # noqa: PLC0415
    from patchbot.pipeline import sync as stage  # noqa: PLC0415
    from patchbot.pipeline.evidence import Receipts  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        chosen = choose(work, releases) if releases else stage.committed_releases(work.config.patches)
        differences = many.check_all(work, chosen, jobs=jobs or workers.cores())
        outdated = Receipts(work).outdated()
        lines = [
            f"patches/{place}{'/' + file if file else ''} {problem}\n"
            for place, found in differences.items()
            for file, problem in found.items()
        ]
        names = ", ".join(map(str, chosen)) or "no releases"
        text = "".join(lines) or f"patches/ is in step: {names}\n"
        data = {"schema": 1, "checked": [str(r) for r in chosen], "differences": differences}
        here.print({**data, "outdated_receipts": outdated}, text)
    for place, old in outdated.items():
        here.reporter.warn(
            f"patches/{place} is of another series of {spoken_list(old)}: prove and --record again"
        )
    if differences:
        here.reporter.warn("run `patchbot sync` for these releases, look at the change, and commit it")
    return EXIT_FINDINGS if differences else 0


@cli.command()
@with_releases
@with_every
@click.option(
    "--target", "triples", metavar="TRIPLE", multiple=True, help="Only this target; may be repeated."
)
@with_jobs
@allow_yanked
@common
def assemble(
    releases: tuple[str, ...],
    every: bool,  # noqa: FBT001 - click's options
    triples: tuple[str, ...],
    jobs: int | None,
    **options: Any,  # noqa: ANN401
) -> int:
    """Compile what makes link-time names, and compare the objects with the scan.

    Takes releases with their patches: the C and assembler files that build scripts compile, and the assembler
    text of Rust macros, for every target that this machine has a compiler for. nm must find the names that
    the scan has, each with its suffix, and no other. For the machine's own target rustc expands upstream's
    macros as well, and must come to the same names.

    The negative twin of each file is the same without patches: it must disagree. Without RELEASE, what
    patchbot.toml says is due; nothing is written into patches/. Targets without a compiler are listed; one
    that --target names must have one.

    Exit code 7 if an object disagrees or cannot be made, or a twin agrees; 9 without a compiler.

    \b
    Examples:
      patchbot assemble 8.0.1
      patchbot assemble 8.0.1 19.0.2 --target s390x-unknown-linux-gnu
      patchbot assemble --all --json
    """
    from patchbot import workers  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import assemble as stage  # noqa: PLC0415
    from patchbot.pipeline.target import find  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import assembled as screens  # noqa: PLC0415

    refuse_both(releases, every=every)
    here = Work(options)
    benches = stage.benches_for([find(triple) for triple in triples])
    with here.open() as work:
        chosen = choose(work, releases, every=every)
        done = stage.assemble_all(work, chosen, benches, jobs=jobs or workers.cores())
    failed = failures(done, every=every)
    made = [outcome for _, outcome in done if not isinstance(outcome, PatchbotError)]
    data = stage.to_json(done, benches, screens.matrix_to_json(made))
    lacking = {release: str(outcome) for release, outcome in done if isinstance(outcome, PatchbotError)}
    here.print(data, screens.matrix(made, lacking) if every else "\n".join(map(screens.release, made)))
    if failed:
        return failed[0].exit_code
    wrong = [str(found.release) for found in made if not found.ok]
    if wrong:
        tell(ProofError(f"objects disagree with the scan in {', '.join(wrong)}", hint=LOOK_AT_OBJECTS))
    return ProofError.exit_code if wrong else 0


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Every release that upstream has published.")
@common
def status(**options: Any) -> int:  # noqa: ANN401 - click's options
    """Show where every tracked release stands.

    \b
    Examples:
      patchbot status
      patchbot status --all --json
    """
    from patchbot.pipeline.status import status as picture  # noqa: PLC0415 - see Work.open
    from patchbot.report import screens  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        rows = picture(work, everything=options["everything"])
        here.print({"schema": 1, "releases": rows}, screens.status(rows))
    return 0
