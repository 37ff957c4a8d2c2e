"""What commands share: options, the project that they work in, and how failures are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from patchbot.errors import EnvironmentProblem, Findings, IncompleteRelease, PatchbotError, UsageError
from patchbot.report.terminal import Reporter

if TYPE_CHECKING:
    from patchbot.config import Config
    from patchbot.pipeline.run import Planned

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT_FINDINGS = Findings.exit_code
EXIT_MISSING = EnvironmentProblem.exit_code


def tell(error: PatchbotError) -> None:
    """Say on stderr what is wrong, where, and the next step."""
    from patchbot.report.terminal import safe  # noqa: PLC0415 - only for a failure

    click.echo(safe(f"error: {error}"), err=True)
    if error.hint:
        click.echo(safe(f"  next: {error.hint}"), err=True)


# -- options that several commands share ------------------------------------------------------------


def project(command: Command) -> Command:
    """Give a command the option ``--project``."""
    return click.option(
        "--project",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="PATCHBOT_PROJECT",
        help="Work in this folder instead of the nearest one with a patchbot.toml.",
    )(command)


def common(command: Command) -> Command:
    """Give a command the options of all that work in a project."""
    for option in (
        click.option("--quiet", "-q", is_flag=True, help="Say only what is wrong."),
        click.option("--suffix", metavar="TEMPLATE", help="Suffix template, such as _{version}_{mark}."),
        click.option("--offline", is_flag=True, help="Work from the cache alone."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    ):
        command = option(command)
    return project(command)


allow_yanked = click.option("--allow-yanked", is_flag=True, help="Take releases that upstream has yanked.")
dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
with_jobs = click.option(
    "--jobs", "-j", type=click.IntRange(min=1), help="Processes to use; as many as there are cores."
)
with_git = click.option(
    "--git", "repository", metavar="REPOSITORY", help="Upstream's git repository: a folder or a URL."
)
with_every = click.option(
    "--all", "every", is_flag=True, help="Every release from 0.40.0 on that is not yanked."
)
with_releases = click.argument("releases", nargs=-1, metavar="[RELEASE]...")


class Work:
    """Opens the project of a command."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self.as_json: bool = options.get("as_json", False)
        self.reporter = Reporter(quiet=options.get("quiet", False))

    @property
    def config(self) -> Config:
        """The project's settings."""
        from patchbot import config as configs  # noqa: PLC0415 - see open

        folder = self._options.get("project")
        project = folder.absolute() if folder else configs.find_project(Path.cwd())
        return configs.load(project, suffix=self._options.get("suffix"))

    def open(self) -> Any:  # noqa: ANN401 - a context manager of Workspace, imported only when needed
        """Open the project; a second command waits."""
        from patchbot.pipeline.work import workspace  # noqa: PLC0415 - git costs 100 ms that --help need not pay

        return workspace(
            self.config,
            self.reporter,
            offline=self._options.get("offline", False),
            allow_yanked=self._options.get("allow_yanked", False),
        )

    def print(self, data: object, text: str) -> None:
        """Print a result as JSON or as text."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2))
        else:
            click.echo(text, nl=False)


def refuse_both(releases: Sequence[str], *, every: bool) -> None:
    """Raise ``UsageError`` for ``--all`` beside names."""
    if every and releases:
        raise UsageError("--all is every release, and some are named", hint="give one or the other")


def refuse_two_sources(release: str | None, repository: str | None, tag: str | None) -> None:
    """Raise ``UsageError`` unless there is a release, or a repository and a tag."""
    if release is None and repository is None and tag is None:
        raise UsageError("Missing argument RELEASE", hint="or --git REPOSITORY --tag vX.Y.Z")
    if (repository is None) != (tag is None):
        raise UsageError("--git and --tag go together", hint="for example --git ~/src/wasmtime --tag v8.0.1")
    if release is not None and tag is not None:
        raise UsageError(
            f"--tag {tag} says which release, and {release} is named", hint="give one or the other"
        )


def failures(
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
        tell(error)
    return failed


def print_plan(here: Work, rows: Sequence[Planned]) -> int:
    """Print what would be done, and return the exit code."""
    from patchbot.report.terminal import table  # noqa: PLC0415 - see Work.open

    data = [{"stage": row.stage.value, "release": row.release, "action": row.action} for row in rows]
    text = table([(row.stage.value, row.release or "all", row.action) for row in rows])
    here.print({"schema": 1, "plan": data}, text)
    return 0


# -- commands ---------------------------------------------------------------------------------------
