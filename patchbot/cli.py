"""The command line: one thin function per command, results on stdout, messages on stderr."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import patchbot
from patchbot import config as configs
from patchbot.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    ConflictError,
    EnvironmentProblem,
    Findings,
    IncompleteRelease,
    PatchbotError,
    ProofError,
    UsageError,
)
from patchbot.report.terminal import Reporter

if TYPE_CHECKING:
    from patchbot.pipeline.run import Planned

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT_FINDINGS = Findings.exit_code
EXIT_MISSING = EnvironmentProblem.exit_code

LOOK_AT_OBJECTS = "each line says file, target and name: either the scan or a rule is wrong about it"

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code of what happened (``errors`` lists them)."""
    sys.exit(run_cli(argv))


def run_cli(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    An expected failure is a message; anything else is a bug and shows its traceback.
    """
    try:
        result = cli.main(args=argv, prog_name="patchbot", standalone_mode=False)
    except PatchbotError as error:
        _tell(error)
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted; what is finished is kept, and a new run goes on from there", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted; what is finished is kept, and a new run goes on from there", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read stdout has enough
        return 0
    except Exception:  # noqa: BLE001 - the one place where bugs end
        traceback.print_exc()
        click.echo(
            f"\nThis is a bug in patchbot {patchbot.__version__}. Please report it with the text above.",
            err=True,
        )
        return EXIT_BUG
    return result if isinstance(result, int) else 0


def _tell(error: PatchbotError) -> None:
    from patchbot.report.terminal import safe  # noqa: PLC0415 - only for a failure

    click.echo(safe(f"error: {error}"), err=True)
    if error.hint:
        click.echo(safe(f"  next: {error.hint}"), err=True)


# -- options that several commands share ------------------------------------------------------------


def _project(command: Command) -> Command:
    return click.option(
        "--project",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="PATCHBOT_PROJECT",
        help="Work in this folder instead of the nearest one with a patchbot.toml.",
    )(command)


def _common(command: Command) -> Command:
    for option in (
        click.option("--quiet", "-q", is_flag=True, help="Say only what is wrong."),
        click.option("--suffix", metavar="TEMPLATE", help="Suffix template, such as _{version}_{mark}."),
        click.option("--offline", is_flag=True, help="Work from the cache alone."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    ):
        command = option(command)
    return _project(command)


_allow_yanked = click.option("--allow-yanked", is_flag=True, help="Take releases that upstream has yanked.")
_dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
_jobs = click.option(
    "--jobs", "-j", type=click.IntRange(min=1), help="Processes to use; as many as there are cores."
)
_git = click.option(
    "--git", "repository", metavar="REPOSITORY", help="Upstream's git repository: a folder or a URL."
)
_releases = click.argument("releases", nargs=-1, metavar="[RELEASE]...")


class _Work:
    """Opens the project of a command."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self.as_json: bool = options.get("as_json", False)
        self.reporter = Reporter(quiet=options.get("quiet", False))

    @property
    def config(self) -> configs.Config:
        folder = self._options.get("project")
        project = folder.absolute() if folder else configs.find_project(Path.cwd())
        return configs.load(project, suffix=self._options.get("suffix"))

    def open(self) -> Any:  # noqa: ANN401 - a context manager of Workspace, imported only when needed
        from patchbot.pipeline.work import workspace  # noqa: PLC0415 - git costs 100 ms that --help need not pay

        return workspace(
            self.config,
            self.reporter,
            offline=self._options.get("offline", False),
            allow_yanked=self._options.get("allow_yanked", False),
        )

    def print(self, data: object, text: str) -> None:
        if self.as_json:
            click.echo(json.dumps(data, indent=2))
        else:
            click.echo(text, nl=False)


def _refuse_both(releases: Sequence[str], *, every: bool) -> None:
    if every and releases:
        raise UsageError("--all is every release, and some are named", hint="give one or the other")


def _refuse_two_sources(release: str | None, repository: str | None, tag: str | None) -> None:
    """Raise ``UsageError`` unless there is a release, or a repository and a tag."""
    if release is None and repository is None and tag is None:
        raise UsageError("Missing argument RELEASE", hint="or --git REPOSITORY --tag vX.Y.Z")
    if (repository is None) != (tag is None):
        raise UsageError("--git and --tag go together", hint="for example --git ~/src/wasmtime --tag v8.0.1")
    if release is not None and tag is not None:
        raise UsageError(
            f"--tag {tag} says which release, and {release} is named", hint="give one or the other"
        )


def _failures(
    done: Sequence[tuple[object, object]], *, every: bool, more: bool = False
) -> list[PatchbotError]:
    """Tell and return what kept releases from being done; that of a single one is raised, unless there is ``more``.

    A release of which upstream has published only some crates is no failure among all of them.
    """
    failed = [
        outcome
        for _, outcome in done
        if isinstance(outcome, PatchbotError) and not (every and isinstance(outcome, IncompleteRelease))
    ]
    if failed and len(done) == 1 and not more:
        raise failed[0]
    for error in failed:
        _tell(error)
    return failed


def _print_plan(here: _Work, rows: Sequence[Planned]) -> int:
    from patchbot.report.terminal import table  # noqa: PLC0415 - see _Work.open

    data = [{"stage": row.stage.value, "release": row.release, "action": row.action} for row in rows]
    text = table([(row.stage.value, row.release or "all", row.action) for row in rows])
    here.print({"schema": 1, "plan": data}, text)
    return 0


# -- commands ---------------------------------------------------------------------------------------


@click.group(context_settings=_CONTEXT)
@click.version_option(patchbot.__version__, prog_name="patchbot")
def cli() -> None:
    """Several versions of wasmtime in one Rust program.

    patchbot takes releases from crates.io, gives every link-time name a version suffix by a patch series,
    turns each release into crates with names of their own, and proves by building and running that they
    live together.

    \b
    The main job, from upstream to proof:
      patchbot run 8.0.1 9.0.4
    What your own Cargo.toml needs then:
      patchbot consumer 8.0.1 9.0.4

    Exit codes: 0 done, 1 findings, 2 usage, 3 configuration, 4 repository, 5 conflict, 6 rewrite,
    7 proof failed, 8 publish, 9 environment (a tool or the network is missing), 70 bug, 130 interrupted.
    """


@cli.command()
@_releases
@click.option(
    "--until",
    type=click.Choice(["sync", "fork", "publish", "prove"]),
    default="prove",
    show_default=True,
    help="The last stage to do.",
)
@click.option("--force", is_flag=True, help="Prove again what was proved of the same bytes.")
@_dry_run
@_allow_yanked
@_common
def run(releases: tuple[str, ...], until: str, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Do everything: sync, fork, publish, prove.

    Without RELEASE, what patchbot.toml says is due. A second run does only what has changed.

    \b
    Examples:
      patchbot run 8.0.1 9.0.4
      patchbot run --dry-run
      patchbot run 36.0.20 --until publish
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = _Work(options)
    with here.open() as work:
        chosen = choose(work, releases)
        if options["dry_run"]:
            return _print_plan(here, job.plan(work, chosen, until=job.Stage(until)))
        outcome = job.run(work, chosen, until=job.Stage(until), force=options["force"])
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
@_releases
@click.option("--all", "every", is_flag=True, help="Every release from 0.40.0 on that is not yanked.")
@_git
@_jobs
@_dry_run
@_allow_yanked
@_common
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
    from patchbot import workers  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline import git_source, many  # noqa: PLC0415
    from patchbot.pipeline import run as job  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    _refuse_both(releases, every=every)
    here = _Work(options)
    with here.open() as work:
        chosen = choose(work, releases, every=every)
        if options["dry_run"]:
            return _print_plan(here, job.plan(work, chosen, until=job.Stage.SYNC))
        processes, beside = jobs or workers.cores(), {}
        if repository is None:
            done = many.sync_all(work, chosen, jobs=processes)
        else:
            done, compared = git_source.sync_all(work, chosen, repository, jobs=processes)
            beside = {release: {"git": row.to_json()} for release, row in compared.items()}
    failed = _failures(done, every=every, more=bool(beside))
    rows = [
        {**many.outcome_to_json(release, outcome), **beside.get(release, {})} for release, outcome in done
    ]
    here.print({"schema": 1, "releases": rows}, screens.synced(rows) + screens.tagged(rows))
    return failed[0].exit_code if failed else 0


@cli.command()
@click.argument("release", required=False)
@_git
@click.option(
    "--tag", metavar="TAG", help="The tag of a release in --git, such as v8.0.1, instead of RELEASE."
)
@click.option("--target", metavar="TRIPLE", help="Only what some build for this target has.")
@_allow_yanked
@_common
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
    from patchbot.model import Release  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline import git_source  # noqa: PLC0415
    from patchbot.pipeline import sync as stage  # noqa: PLC0415
    from patchbot.pipeline.target import find  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    _refuse_two_sources(release, repository, tag)
    here = _Work(options)
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
@_releases
@_jobs
@_common
def check(releases: tuple[str, ...], jobs: int | None, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Generate the series in patches/ again and compare every byte.

    Exit code 1 if anything differs. Without RELEASE, every release in patches/.

    \b
    Examples:
      patchbot check
      patchbot check 8.0.1 --json
    """
    from patchbot import workers  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline import many  # noqa: PLC0415
    from patchbot.pipeline import sync as stage  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415

    here = _Work(options)
    with here.open() as work:
        chosen = choose(work, releases) if releases else stage.committed_releases(work.config.patches)
        differences = many.check_all(work, chosen, jobs=jobs or workers.cores())
        lines = [
            f"patches/{place}{'/' + file if file else ''} {problem}\n"
            for place, found in differences.items()
            for file, problem in found.items()
        ]
        names = ", ".join(map(str, chosen)) or "no releases"
        text = "".join(lines) or f"patches/ is in step: {names}\n"
        here.print({"schema": 1, "checked": [str(r) for r in chosen], "differences": differences}, text)
    if differences:
        here.reporter.warn("run `patchbot sync` for these releases, look at the change, and commit it")
    return EXIT_FINDINGS if differences else 0


@cli.command()
@_releases
@click.option("--all", "every", is_flag=True, help="Every release from 0.40.0 on that is not yanked.")
@click.option(
    "--target", "triples", metavar="TRIPLE", multiple=True, help="Only this target; may be repeated."
)
@_jobs
@_allow_yanked
@_common
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
    from patchbot import workers  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline import assemble as stage  # noqa: PLC0415
    from patchbot.pipeline.target import find  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import assembled as screens  # noqa: PLC0415

    _refuse_both(releases, every=every)
    here = _Work(options)
    benches = stage.benches_for([find(triple) for triple in triples])
    with here.open() as work:
        chosen = choose(work, releases, every=every)
        done = stage.assemble_all(work, chosen, benches, jobs=jobs or workers.cores())
    failed = _failures(done, every=every)
    made = [outcome for _, outcome in done if not isinstance(outcome, PatchbotError)]
    data = stage.to_json(done, benches, screens.matrix_to_json(made))
    lacking = {release: str(outcome) for release, outcome in done if isinstance(outcome, PatchbotError)}
    here.print(data, screens.matrix(made, lacking) if every else "\n".join(map(screens.release, made)))
    if failed:
        return failed[0].exit_code
    wrong = [str(found.release) for found in made if not found.ok]
    if wrong:
        _tell(ProofError(f"objects disagree with the scan in {', '.join(wrong)}", hint=LOOK_AT_OBJECTS))
    return ProofError.exit_code if wrong else 0


@cli.command()
@_releases
@_allow_yanked
@_common
def fork(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Make the forks of releases and say which crates were forked, and why.

    \b
    Examples:
      patchbot fork 8.0.1 9.0.4
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = _Work(options)
    with here.open() as work:
        outcome = job.run(work, choose(work, releases), until=job.Stage.FORK)
        here.print(outcome.to_json(), screens.forks(outcome.forks))
    return 0


@cli.command()
@_releases
@_dry_run
@_allow_yanked
@_common
def publish(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Put the forks of releases into the local registry directory.

    Crates that are there already stay untouched; other bytes under their names stop the command.

    \b
    Examples:
      patchbot publish 8.0.1 9.0.4
      patchbot publish --dry-run
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report.terminal import table  # noqa: PLC0415

    here = _Work(options)
    with here.open() as work:
        until = job.Stage.FORK if options["dry_run"] else job.Stage.PUBLISH
        outcome = job.run(work, choose(work, releases), until=until)
        crates = [crate for forks in outcome.forks for crate in forks.crates]
        steps = work.registry.plan(crates) if options["dry_run"] else outcome.published
        rows = [(s.crate.entry.name, s.crate.entry.version, s.state.value) for s in steps]
        data = [{"name": s.crate.entry.name, "state": s.state.value} for s in steps]
        here.print({"schema": 1, "registry": str(work.registry.folder), "crates": data}, table(rows))
    return 0


@cli.command()
@_releases
@click.option("--force", is_flag=True, help="Prove again what was proved of the same bytes.")
@_allow_yanked
@_common
def prove(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Build and run one program with all of these releases, and write a receipt.

    \b
    Three rungs, each with a negative twin that must fail:
      symbols  every object of every fork: no name without its suffix
      link     one program, beside upstream's own crate of the newest release
      run      calls, traps, fibers and threads of every version in one process

    \b
    Examples:
      patchbot prove 8.0.1 9.0.4
      patchbot prove 8.0.1 9.0.4 --json --force
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = _Work(options)
    with here.open() as work:
        outcome = job.run(work, choose(work, releases), force=options["force"])
        for line in outcome.missing:
            here.reporter.warn(line)
        if outcome.proved is not None:
            data = outcome.proved.to_json()
            here.print(data, screens.receipt(data))
    return EXIT_MISSING if outcome.missing else 0


@cli.command()
@_releases
@_allow_yanked
@_common
def consumer(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Print the lines for your own Cargo.toml and .cargo/config.toml.

    \b
    Examples:
      patchbot consumer 8.0.1 9.0.4
      patchbot consumer 8.0.1 9.0.4 --json
    """
    from patchbot.pipeline import run as job  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline.work import choose  # noqa: PLC0415

    here = _Work(options)
    with here.open() as work:
        outcome = job.run(work, choose(work, releases), until=job.Stage.PUBLISH)
        text = "\n".join(f"# {file}\n{lines}" for file, lines in outcome.consumer.items())
        here.print({"schema": 1, "files": outcome.consumer}, text)
    return 0


@cli.command()
@click.option(
    "--repo",
    "repository",
    type=click.Path(path_type=Path),
    default=".",
    metavar="DIRECTORY",
    help="The git repository, bare or not; the current folder unless given.",
)
@click.option("--from", "base", metavar="REVISION", help="What the patches are for; A with --commits A..B.")
@click.option("--onto", required=True, metavar="REVISION", help="What they are to be for.")
@click.option(
    "--patches",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="A folder of patches, as a series.",
)
@click.option("--commits", metavar="A..B", help="The commits of B that are not in A, as a series.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIRECTORY", help="Write the new series to this folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Say only what is wrong.")
def rebase(**options: Any) -> int:  # noqa: ANN401 - click's options
    """Put hand-written patches onto another revision of any git repository.

    Every patch ends with one verdict: unchanged, shifted (only line numbers moved), merged, upstreamed,
    partly-upstreamed, empty, conflict, or tainted (it rests on a conflict). No text is searched for: hunks are
    merged by exact blobs, and a clean merge into another function, or of lines that are there already, is a
    conflict too.

    Work tree, index, branches and configuration of the repository are neither read nor changed; the result is
    a commit that no branch names. Exit code 5 if a patch is open: the others are done all the same.

    \b
    Examples:
      patchbot rebase --from v36.0.1 --onto v36.0.2 --patches carried --out carried-new
      patchbot rebase --repo ~/src/wasmtime --commits v36.0.1..my-fixes --onto v36.0.2
      patchbot rebase --commits main..topic --onto origin/main --json
    """
    from patchbot.pipeline import rebase as stage  # noqa: PLC0415 - see _Work.open
    from patchbot.report import screens  # noqa: PLC0415

    here = _Work(options)
    if (options["patches"] is None) == (options["commits"] is None):
        raise UsageError("give --patches or --commits", hint="see `patchbot rebase --help`")
    if options["patches"] is not None and options["base"] is None:
        raise UsageError("--patches needs --from", hint="the revision that the patches were made for")
    words = ("repository", "base", "onto", "patches", "commits", "out")
    result = stage.run(stage.Request(**{word: options[word] for word in words}), here.reporter)
    for name in result.unlisted:
        here.reporter.warn(f"{name} is not in the order file, and was left alone")
    if not result.delivered:
        here.reporter.warn("the repository cannot be written: the result's commit is not in it")
    here.print(result.to_json(), screens.rebased(result.to_json(), options["repository"], options["out"]))
    return ConflictError.exit_code if result.open else 0


@cli.command()
@click.argument("release")
@click.option("--continue", "proceed", is_flag=True, help="Take what is in the clone, and go on.")
@click.option("--abort", is_flag=True, help="Forget the clone; nothing of it is taken.")
@_common
def resolve(release: str, proceed: bool, abort: bool, **options: Any) -> int:  # noqa: ANN401, FBT001 - click's options
    """Solve by hand what keeps a carried patch from a release.

    Makes a normal clone of the release's sources with the patch in conflict, as git leaves a merge. Edit, git
    add, then --continue: what is there becomes the patch's form for this release and those after it, and the
    next patch in conflict is up. Exit code 5 while one is.

    \b
    Examples:
      patchbot resolve 36.0.20
      patchbot resolve 36.0.20 --continue
      patchbot resolve 36.0.20 --abort
    """
    from patchbot.model import Release  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline import resolve as stage  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    if proceed and abort:
        raise UsageError("--continue takes what --abort forgets", hint="give one or the other")
    here = _Work(options)
    with here.open() as work:
        wanted = Release.parse(release)
        if abort:
            forgot = stage.abort(work, wanted)
            text = "forgotten\n" if forgot else f"nothing was being resolved for {wanted}\n"
            here.print({"schema": 1, "release": str(wanted), "forgotten": forgot}, text)
            return 0
        found = stage.proceed(work, wanted) if proceed else stage.begin(work, wanted)
        here.print(found.to_json(), screens.resolving(found.to_json()))
        return ConflictError.exit_code if found.patch else 0


@cli.command()
@click.argument("first", metavar="RELEASE")
@click.argument("second", metavar="RELEASE")
@_common
def diff(first: str, second: str, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Compare the series of two releases, patch by patch.

    Patches are paired by name. Suffix, line numbers and blob ids, which differ in every release, are left out:
    what is shown is what the patches do differently.

    \b
    Examples:
      patchbot diff 10.0.2 11.0.2
      patchbot diff 8.0.1 36.0.20 --json
    """
    from patchbot.model import Release  # noqa: PLC0415 - see _Work.open
    from patchbot.pipeline import compare as stage  # noqa: PLC0415
    from patchbot.report import screens  # noqa: PLC0415

    here = _Work(options)
    data = stage.compare(here.config.patches, Release.parse(first), Release.parse(second))
    here.print(data, screens.compared(data))
    return 0


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Every release that upstream has published.")
@_common
def status(**options: Any) -> int:  # noqa: ANN401 - click's options
    """Show where every tracked release stands.

    \b
    Examples:
      patchbot status
      patchbot status --all --json
    """
    from patchbot.pipeline.status import status as picture  # noqa: PLC0415 - see _Work.open
    from patchbot.report import screens  # noqa: PLC0415

    here = _Work(options)
    with here.open() as work:
        rows = picture(work, everything=options["everything"])
        here.print({"schema": 1, "releases": rows}, screens.status(rows))
    return 0
