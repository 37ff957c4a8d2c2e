"""Commands about hand-written patches, and series side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import Work, common
from patchbot.errors import ConflictError, UsageError


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
    from patchbot.pipeline import rebase as stage  # noqa: PLC0415 - see Work.open
    from patchbot.report import patches as screens  # noqa: PLC0415

    here = Work(options)
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
    data = result.to_json()
    here.print(data, screens.rebased(data, options["repository"], options["out"]))
    return ConflictError.exit_code if result.open else 0


@cli.command()
@click.argument("release")
@click.option("--continue", "proceed", is_flag=True, help="Take what is in the clone, and go on.")
@click.option("--abort", is_flag=True, help="Forget the clone; nothing of it is taken.")
@common
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
    from patchbot.model import Release  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import resolve as stage  # noqa: PLC0415
    from patchbot.report import patches as screens  # noqa: PLC0415

    if proceed and abort:
        raise UsageError("--continue takes what --abort forgets", hint="give one or the other")
    here = Work(options)
    with here.open() as work:
        wanted = Release.parse(release)
        if abort:
            forgot = stage.abort(work, wanted)
            text = "forgotten\n" if forgot else f"nothing was being resolved for {wanted}\n"
            here.print({"schema": 1, "release": str(wanted), "forgotten": forgot}, text)
            return 0
        found = stage.proceed(work, wanted) if proceed else stage.begin(work, wanted)
        data = found.to_json()
        here.print(data, screens.resolving(data))
        return ConflictError.exit_code if found.patch else 0


@cli.command()
@click.argument("first", metavar="RELEASE")
@click.argument("second", metavar="RELEASE")
@common
def diff(first: str, second: str, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Compare the series of two releases, patch by patch.

    Patches are paired by name. Suffix, line numbers and blob ids, which differ in every release, are left out:
    what is shown is what the patches do differently.

    \b
    Examples:
      patchbot diff 10.0.2 11.0.2
      patchbot diff 8.0.1 36.0.20 --json
    """
    from patchbot.model import Release  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import compare as stage  # noqa: PLC0415
    from patchbot.report import patches as screens  # noqa: PLC0415

    here = Work(options)
    data = stage.compare(here.config.patches, Release.parse(first), Release.parse(second))
    here.print(data, screens.compared(data))
    return 0
