"""Commands that put together what is known, as tables."""

from __future__ import annotations

from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import (
    EXIT_FINDINGS,
    Work,
    allow_yanked,
    common,
    failures,
    refuse_both,
    tell,
    with_every,
    with_jobs,
    with_releases,
)
from patchbot.errors import Findings, UsageError

_S390X = "s390x-unknown-linux-gnu"


@cli.group()
def report() -> None:
    """Tables of what is known of releases, to read or to keep.

    \b
    Examples:
      patchbot report special-file 8.0.1 19.0.2
      patchbot report special-file --all --markdown
    """


@report.command("special-file")
@with_releases
@with_every
@click.option("--target", "triple", metavar="TRIPLE", default=_S390X, show_default=True,
              help="Whose assembler files.")  # fmt: skip
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
@with_jobs
@allow_yanked
@common
def special_file(
    releases: tuple[str, ...],
    every: bool,  # noqa: FBT001 - click's options
    triple: str,
    markdown: bool,  # noqa: FBT001
    jobs: int | None,
    **options: Any,  # noqa: ANN401
) -> int:
    """Tell how a target's assembler files fare, release by release, and by which evidence.

    s390x had its trampolines and fibers in assembler files that moved, changed their form, and were left behind
    until 38 made them naked functions. Each is made with its patches by the target's assembler, as `patchbot
    assemble` does, and nm must find the names that the scan has; without patches it must disagree. Releases that
    a receipt of `patchbot prove --target` has in a program that ran are told; for the others the object is
    the evidence. A file that nothing compiles needs none, and a release without any has a line that says so.

    One line stands for releases that follow each other and fare the same. Without RELEASE, what patchbot.toml
    says is due; nothing is written into patches/.

    Exit code 1 if a file disagrees or does not compile, or its twin agrees; 9 without a compiler.

    \b
    Examples:
      patchbot report special-file 8.0.1 19.0.2
      patchbot report special-file --all --markdown
      patchbot report special-file 0.40.1 36.0.20 --json
    """
    from patchbot import workers  # noqa: PLC0415 - see Work.open
    from patchbot.pipeline import assemble  # noqa: PLC0415
    from patchbot.pipeline import special_file as stage  # noqa: PLC0415
    from patchbot.pipeline.target import find  # noqa: PLC0415
    from patchbot.pipeline.work import choose  # noqa: PLC0415
    from patchbot.report import special_file as screens  # noqa: PLC0415

    refuse_both(releases, every=every)
    here = Work(options)
    if markdown and here.as_json:
        raise UsageError("--markdown and --json are two forms of one table", hint="give one or the other")
    (bench,) = assemble.benches_for([find(triple)])
    with here.open() as work:
        chosen = choose(work, releases, every=every)
        found = stage.gather(work, chosen, bench, jobs=jobs or workers.cores())
    failed = failures(found.failed, every=every, more=len(chosen) > 1)
    if markdown:
        words = ["patchbot report special-file", *(["--all"] if every else map(str, chosen))]
        words += [*(["--target", triple] if triple != _S390X else []), "--markdown"]
        text = screens.markdown(found.files, found.left_out, target=triple, command=" ".join(words))
    else:
        text = screens.text(found.files, found.left_out)
    here.print(found.to_json(), text)
    if failed:
        return failed[0].exit_code
    if found.wrong:
        names = ", ".join(map(str, found.wrong))
        hint = "each line at the end says release, file and name: either the scan or a rule is wrong about it"
        tell(Findings(f"assembler files disagree with the scan in {names}", hint=hint))
    return EXIT_FINDINGS if found.wrong else 0
