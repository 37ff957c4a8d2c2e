"""Commands about forks: crates, registry, proof, and what users write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import EXIT_MISSING, Work, allow_yanked, common, with_releases

with_lock = click.option(
    "--beside",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CARGO.LOCK",
    help="The Cargo.lock of the program that the forks are for: what cannot be resolved is told here.",
)


@cli.command()
@with_releases
@click.option("--explain", metavar="CRATE", help="Say why this crate is forked or shared; makes no forks.")
@with_lock
@allow_yanked
@common
def fork(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Make the forks of releases and say which crates were forked, and why.

    How many are depends on the releases: `minimal` are those that hold link-time names and what is between
    them and yours. Two of one semver range (36.0.19 and 36.0.20) get `range`: what they pin exactly is forked
    too, since cargo never holds two of it. `exact` forks everything; [fork] closure in patchbot.toml asks for
    it. What is published keeps its closure until the release gets a new revision.

    Exit code 3 if cargo could not resolve these releases together, 8 if a name was published with other bytes.

    \b
    Examples:
      patchbot fork 8.0.1 9.0.4
      patchbot fork 36.0.19 36.0.20 --explain wasmtime-environ
      patchbot fork 36.0.20 --beside ~/src/service/Cargo.lock
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.closures import close, explain_all  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import closures as screens  # noqa: PLC0415

    here = Work(options)
    with here.open() as work:
        chosen = choose(work, releases)
        crate, lock = options["explain"], options["beside"]
        if crate is None:
            outcome = job.run(work, chosen, until=job.Stage.FORK, beside=lock)
            data = outcome.to_json()
            here.print(data, screens.forks(data["forks"]))
            return 0
        synced = job.run(work, chosen, until=job.Stage.SYNC).synced
        rows = [row.to_json() for row in explain_all(work, close(work, synced, lock), crate)]
        here.print({"schema": 1, "crate": crate, "releases": rows}, screens.explained(rows))
    return 0


@cli.command()
@with_releases
@click.option("--target", metavar="TRIPLE", help="Build for this target and run it under qemu.")
@click.option("--force", is_flag=True, help="Prove again what was proved of the same bytes.")
@click.option("--record", is_flag=True, help="Write the receipt into patches/receipts, too, to commit it.")
@allow_yanked
@common
def prove(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Build and run one program with all of these releases, and write a receipt.

    \b
    Three rungs, each with a negative twin that must fail:
      symbols  every object of every fork: no name without its suffix
      link     one program, beside upstream's own crate of the newest release
      run      calls, libcalls, traps, fibers and threads of every version in one process

    For another target than this machine's, `patchbot doctor --target TRIPLE` says what it takes.  The versions of
    other people's crates are kept for each set of releases and target in patches/locks.

    \b
    Examples:
      patchbot prove 8.0.1 9.0.4
      patchbot prove 8.0.1 9.0.4 --json --force
      patchbot prove 8.0.1 9.0.4 --target s390x-unknown-linux-gnu --record
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline.proof import Wish  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = Work(options)
    wish = {word: options[word] for word in ("target", "force", "record")}
    with here.open() as work:
        outcome = job.run(work, choose(work, releases), wish=Wish(**wish))
        for line in outcome.missing:
            here.reporter.warn(line)
        if outcome.proved is not None:
            data = outcome.proved.to_json()
            here.print(data, screens.receipt(data))
    return EXIT_MISSING if outcome.missing else 0


@cli.command()
@with_releases
@click.option("--served", metavar="URL", help="Read the crates from this server, export or index.")
@with_lock
@allow_yanked
@common
def consumer(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Print the lines for your own Cargo.toml and .cargo/config.toml.

    They read the crates from the registry directory, or with --served from what patchbot serve, patchbot registry
    export or another server offers.  Your Cargo.lock is the same whichever it is.

    \b
    Examples:
      patchbot consumer 8.0.1 9.0.4
      patchbot consumer 8.0.1 9.0.4 --json
      patchbot consumer 8.0.1 --served http://127.0.0.1:8790
      patchbot consumer 36.0.20 --beside ~/src/service/Cargo.lock
    """
    from patchbot.pipeline import forks  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import run as job  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.registry.consumer import served_index  # noqa: PLC0415

    here = Work(options)
    served = served_index(options["served"]) if options["served"] is not None else None
    with here.open() as work:
        until, beside = job.Stage.PUBLISH, options["beside"]
        outcome = job.run(work, choose(work, releases), until=until, beside=beside)
        files = forks.consumer_files(work, outcome.forks, served)
        text = "\n".join(f"# {file}\n{lines}" for file, lines in files.items())
        here.print({"schema": 1, "files": files}, text)
    return 0
