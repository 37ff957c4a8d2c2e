"""Commands about the registry directory: serve it, check it, clean it up, export it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from patchbot.cli.group import cli
from patchbot.cli.options import EXIT_FINDINGS, Work, dry_run, project

_MIB = 1024 * 1024

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
quiet = click.option("--quiet", "-q", is_flag=True, help="Say only what is wrong.")


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8790, show_default=True, help="Port to listen at; 0 takes a free one.",
              type=click.IntRange(0, 65535))  # fmt: skip
@click.option("--url", default="", help="Address that clients use, if a proxy stands before the server.")
@click.option("--token-file", type=click.Path(dir_okay=False, path_type=Path),
              help="File with the token for writing; else PATCHBOT_SERVE_TOKEN has it.")  # fmt: skip
@click.option("--auth-required", is_flag=True, help="Ask for the token for reading, too.")
@click.option("--read-only", is_flag=True, help="Let nobody publish or yank.")
@click.option("--max-upload", metavar="MIB", default=64, show_default=True, type=click.IntRange(1),
              help="Largest crate that can be published.")  # fmt: skip
@quiet
@as_json
@project
def serve(**options: Any) -> int:  # noqa: ANN401 - click's options
    """Serve the registry directory to cargo over HTTP, until Ctrl-C.

    Cargo finds a sparse index there, downloads, and a web API: cargo publish and cargo yank work.  Without a
    token everybody on this machine may publish, and other addresses are refused.  TLS is left to a proxy.

    \b
    Examples:
      patchbot serve
      patchbot serve --port 0 --json
      PATCHBOT_SERVE_TOKEN=… patchbot serve --host 0.0.0.0 --url https://crates.example.com --auth-required
    """
    from patchbot.pipeline import hosting  # noqa: PLC0415 - see Work.open

    here = Work(options)
    wish = hosting.Wish(
        host=options["host"],
        port=options["port"],
        url=options["url"],
        token_file=options["token_file"],
        auth_required=options["auth_required"],
        read_only=options["read_only"],
        max_upload=options["max_upload"] * _MIB,
    )
    with (
        hosting.stopped_by_signals() as stopped,
        hosting.serving(here.config, wish, log=here.reporter.say) as server,
    ):
        base = server.site.base
        data = {
            "schema": 1,
            "url": base,
            "index": f"sparse+{base}/index/",
            "address": server.address,
            "pid": os.getpid(),
        }
        click.echo(json.dumps(data) if here.as_json else f"serving {server.site.registry.folder} at {base}")
        here.reporter.say(f"lines for .cargo/config.toml: patchbot consumer --served {base}")
        stopped.wait()
        here.reporter.say("stopping …")
    return 0


@cli.group()
def registry() -> None:
    """Check, clean up and export the registry directory.

    \b
    Examples:
      patchbot registry verify
      patchbot registry gc --dry-run
      patchbot registry export /srv/www/crates --url https://crates.example.com
    """


@registry.command()
@as_json
@project
def verify(**options: Any) -> int:  # noqa: ANN401 - click's options
    """Compare every byte of the registry directory with its index; exit 1 if something is wrong.

    \b
    Examples:
      patchbot registry verify
      patchbot registry verify --json
    """
    from patchbot.pipeline import hosting  # noqa: PLC0415 - see Work.open
    from patchbot.report.terminal import table  # noqa: PLC0415

    here = Work(options)
    done = hosting.check(here.config)
    rows = [(one.fault.value, one.where, one.what) for one in done.findings]
    rows += [("leftover", place, "patchbot registry gc removes it") for place in done.leftovers]
    rows += [("stranger", place, "no part of a registry") for place in done.strangers]
    sound = "all as the index says" if not done.findings else f"{len(done.findings)} findings"
    here.print(done.to_json(), f"{table(rows)}{done.crates} crates, {done.size / 1e6:.1f} MB: {sound}\n")
    return EXIT_FINDINGS if done.findings else 0


@registry.command()
@click.option("--release", "releases", multiple=True, metavar="RELEASE",
              help="Remove the forks of this release, too; it must have been yanked.")  # fmt: skip
@dry_run
@as_json
@project
def gc(releases: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 - click's options
    """Remove what killed runs left; published crates only where you name their release.

    Lockfiles that nobody here knows of may name a published crate.  One that is removed is remembered: its name
    and version never mean other bytes.

    \b
    Examples:
      patchbot registry gc --dry-run
      patchbot registry gc
      patchbot registry gc --release 8.0.1 --release 9.0.4
    """
    from patchbot.pipeline import hosting  # noqa: PLC0415 - see Work.open
    from patchbot.report.terminal import table  # noqa: PLC0415

    here = Work(options)
    waste = hosting.collect(here.config, releases, dry_run=options["dry_run"])
    data = [{"path": one.place, "bytes": one.size, "why": one.why} for one in waste]
    verb = "would go" if options["dry_run"] else "removed"
    size = sum(one.size for one in waste) / 1e6
    text = table([(one.place, one.why) for one in waste]) + f"{len(waste)} files {verb}, {size:.1f} MB\n"
    here.print({"schema": 1, "removed": data, "dry_run": options["dry_run"]}, text)
    return 0


@registry.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--url", required=True, help="Address at which the folder will be served.")
@dry_run
@as_json
@project
def export(folder: Path, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Write the registry as a folder that any web server can serve to cargo.

    What is there already stays untouched; the folder can be copied or served at any moment.  A folder that holds
    what this registry does not know is refused.

    \b
    Examples:
      patchbot registry export public --url https://crates.example.com
      patchbot registry export public --url https://me.github.io/crates --dry-run
    """
    from patchbot.pipeline import hosting  # noqa: PLC0415 - see Work.open
    from patchbot.report.terminal import table  # noqa: PLC0415

    here = Work(options)
    done = hosting.export(here.config, folder, options["url"], dry_run=options["dry_run"])
    index = f"sparse+{hosting.plain_url(options['url'])}/index/"
    data = {
        "schema": 1,
        "index": index,
        "written": done.written,
        "removed": done.removed,
        "kept": done.kept,
        "dry_run": options["dry_run"],
    }
    rows = [("write", place) for place in done.written] + [("remove", place) for place in done.removed]
    rows = rows if options["dry_run"] else []
    verb = "would be written" if options["dry_run"] else "written"
    count = f"{len(done.written)} files {verb}, {len(done.removed)} removed, {done.kept} as before"
    here.print(data, f"{table(rows)}{count}; the index is {index}\n")
    return 0
