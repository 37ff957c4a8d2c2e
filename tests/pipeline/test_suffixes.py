from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.cli import run_cli
from patchbot.errors import ConfigError
from patchbot.model import Release
from patchbot.pipeline import many, run, suffixes
from patchbot.pipeline.work import Workspace, workspace
from patchbot.report.terminal import Reporter


@contextmanager
def work(project: Path, template: str | None = None) -> Iterator[Workspace]:
    with workspace(configs.load(project, suffix=template), Reporter(quiet=True)) as opened:
        yield opened


def releases(*versions: str) -> tuple[Release, ...]:
    return tuple(map(Release.parse, versions))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def two(project: Path, upstream: Upstream) -> Path:
    for version in ("8.0.1", "9.0.4"):
        upstream.publish(version)
    return project


@pytest.mark.parametrize(
    ("template", "versions"),
    [
        ("_mine", ["8.0.1", "9.0.4"]),
        ("_{mark}", ["8.0.1", "8.0.2"]),
        ("_{version[0]}", ["8.0.1", "8.0.2"]),  # the first character
        ("_{version:.3}", ["8.0.1", "8.0.2"]),
        ("_{version}", ["50.0.0-rc.1", "50.0.0-rc-1"]),
        ("_{version}_{mark}", ["1.2.3-4", "1.2.3--4"]),
        ("_{version}_{mark}", ["1.2.3-a.b", "9.0.4", "1.2.3-a-b"]),
    ],
)
def test_releases_that_would_share_a_suffix_are_refused(
    project: Path, template: str, versions: Sequence[str]
) -> None:
    with work(project, template) as opened, pytest.raises(ConfigError) as caught:
        suffixes.refuse_shared(opened, releases(*versions))
    assert caught.value.where == "suffix.template"
    assert "would have one suffix, _" in caught.value.what
    assert "{version}" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("template", "versions"),
    [
        ("_mine", ["8.0.1"]),
        ("_mine", ["8.0.1", "8.0.1"]),
        ("_{version}_{mark}", ["8.0.1", "9.0.4", "8.0.10", "50.0.0-rc.1", "50.0.0", "0.40.1"]),
        ("_{mark}_{version}", ["1.8.0", "8.0.1", "11.8.0"]),
    ],
)
def test_releases_with_suffixes_of_their_own_are_not(
    project: Path, template: str, versions: Sequence[str]
) -> None:
    with work(project, template) as opened:
        suffixes.refuse_shared(opened, releases(*versions))


def test_nothing_is_written_for_releases_that_would_share_one(two: Path) -> None:
    with work(two, "_mine") as opened:
        before = everything(two / "patches")
        for do in (many.sync_all, many.check_all):
            with pytest.raises(ConfigError, match=r"8\.0\.1 and 9\.0\.4 would have one suffix, _mine"):
                do(opened, releases("8.0.1", "9.0.4"), jobs=1)
        with pytest.raises(ConfigError, match="would have one suffix"):
            run.plan(opened, releases("8.0.1", "9.0.4"))
        assert everything(two / "patches") == before
        assert list(opened.store.refs("refs/patchbot/series/")) == []


def test_a_series_that_is_there_has_its_suffix(two: Path) -> None:
    with work(two, "_mine") as opened:
        many.sync_all(opened, releases("8.0.1"), jobs=1)
        before = everything(two / "patches")
        with pytest.raises(ConfigError, match=r"8\.0\.1 and 9\.0\.4 would have one suffix") as caught:
            many.sync_all(opened, releases("9.0.4"), jobs=1)
        assert "patches/8.0.1" in str(caught.value.hint)
        assert everything(two / "patches") == before
    with work(two) as opened:  # both anew, each with its own
        many.sync_all(opened, releases("9.0.4", "8.0.1"), jobs=1)
    assert {folder.name for folder in (two / "patches").iterdir()} == {"8.0.1", "9.0.4", "policy.toml"}


@pytest.mark.parametrize("command", ["sync", "fork", "publish", "run"])
def test_every_command_refuses_with_the_setting_and_the_next_step(
    two: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_cli([command, "8.0.1", "9.0.4", "--suffix", "_mine", "--quiet"])
    said = capsys.readouterr().err
    assert code == ConfigError.exit_code
    assert "suffix.template" in said
    assert "put {version} into suffix.template" in said
    assert not (two / ".patchbot" / "registry").exists()
