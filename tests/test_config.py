from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from patchbot import config as configs
from patchbot.config import Config
from patchbot.errors import ConfigError
from patchbot.model import ClosureMode, Release

EVERY_SETTING = """\
[track]
pinned = ["8.0.1", "50.0.0-rc.1"]
lines = [24, 36]
newest = 3
majors-since = "12.0.0"
prereleases = true
minimum-age-days = 7

[upstream]
index = "sparse+https://mirror.example/index/"
roots = ["wasmtime", "wasmtime-wasi"]
own = ["wasmtime*", "wiggle"]

[suffix]
template = "_x_{version}_{mark}"
mark = "mine"

[fork]
roots = ["wasmtime-wasi"]
closure = "range"

[fork.revisions]
"8.0.1" = 2
"50.0.0-rc.1" = 3

[registry]
name = "house"
index = "sparse+https://house.example/index/"
directory = "out/registry"
max-crate-bytes = 1000000

[proof]
features = ["async"]

[proof.hold]
psm = "0.1.26"
"""


def load(
    folder: Path, text: str, *, suffix: str | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    (folder / "patchbot.toml").write_text(text, encoding="utf-8")
    return configs.load(folder, suffix=suffix, environ=environ or {})


def refused(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return caught.value


def test_every_setting_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, EVERY_SETTING, environ={"PATCHBOT_CACHE": "/cache"})
    assert config == Config(
        project=tmp_path,
        cache=Path("/cache"),
        track=configs.Track(
            pinned=(Release(8, 0, 1), Release(50, 0, 0, ("rc", "1"))),
            lines=(24, 36),
            newest=3,
            majors_since=Release(12, 0, 0),
            prereleases=True,
            minimum_age_days=7,
        ),
        upstream=configs.UpstreamConfig(
            index="sparse+https://mirror.example/index/",
            roots=("wasmtime", "wasmtime-wasi"),
            own=("wasmtime*", "wiggle"),
        ),
        suffix=configs.SuffixConfig(template="_x_{version}_{mark}", mark="mine"),
        fork=configs.ForkConfig(
            roots=("wasmtime-wasi",),
            closure=ClosureMode.RANGE,
            revisions={Release(8, 0, 1): 2, Release(50, 0, 0, ("rc", "1")): 3},
        ),
        registry=configs.RegistryConfig(
            name="house",
            index="sparse+https://house.example/index/",
            directory=Path("out/registry"),
            max_crate_bytes=1_000_000,
        ),
        proof=configs.ProofConfig(features=("async",), hold={"psm": "0.1.26"}),
    )
    assert config.suffix.of(Release(8, 0, 1)).text == "_x_8_0_1_mine"


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, "", environ={"PATCHBOT_CACHE": "/cache"})
    assert config == Config(project=tmp_path, cache=Path("/cache"))
    assert config.suffix.of(Release(8, 0, 1)).text == "_8_0_1_pb"
    assert config.upstream.index == "sparse+https://index.crates.io/"


def test_how_registries_are_treated(tmp_path: Path) -> None:
    text = "[publish]\ncrates-io = true\nin-flight = 8\nper-minute = 30\nburst = 5\nwait = 60\n"
    wanted = configs.PublishConfig(crates_io=True, in_flight=8, per_minute=30, burst=5, wait=60)
    assert load(tmp_path, text).publish == wanted


def test_auto_is_the_closure_that_is_chosen(tmp_path: Path) -> None:
    assert load(tmp_path, '[fork]\nclosure = "auto"\n').fork == configs.ForkConfig()


def test_empty_lists_are_the_defaults_too(tmp_path: Path) -> None:
    config = load(tmp_path, "[upstream]\nroots = []\nown = []\n[fork]\nroots = []\n[proof]\nfeatures = []\n")
    assert config.upstream == configs.UpstreamConfig()
    assert config.fork.roots == ("wasmtime",)
    assert config.proof == configs.ProofConfig()


def test_the_folders_follow_from_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(Path(), "")
    assert config.state == tmp_path / ".patchbot"
    assert config.patches == tmp_path / "patches"
    assert config.registry_directory == tmp_path / ".patchbot" / "registry"
    elsewhere = load(tmp_path, '[registry]\ndirectory = "/srv/registry"\n')
    assert elsewhere.registry_directory == Path("/srv/registry")


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        ("[track]\npined = []\n", "track.pined", "did you mean pinned?"),
        ("[suffix]\ntemplat = 'x'\n", "suffix.templat", "did you mean template?"),
        ("[upstraem]\n", "upstraem", "did you mean upstream?"),
        ("newest = 3\n", "newest", "known: fork, proof, publish, registry, suffix, track, upstream"),
        ("[registry]\nxyz = 1\n", "registry.xyz", "known: directory, index, max-crate-bytes, name"),
        ("[proof]\nfeature = []\n", "proof.feature", "did you mean features?"),
        ("[fork]\nrevision = {}\n", "fork.revision", "did you mean revisions?"),
    ],
)
def test_an_unknown_setting_is_refused_with_a_near_one(
    tmp_path: Path, text: str, where: str, hint: str
) -> None:
    error = refused(tmp_path, text)
    assert error.what == "no such setting"
    assert error.where == f"{tmp_path / 'patchbot.toml'}: {where}"
    assert error.hint == hint
    assert error.exit_code == 3


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("track = 3\n", "track", "must be a table"),
        ("[fork]\nrevisions = 3\n", "fork.revisions", "must be a table"),
        ("[track]\npinned = '8.0.1'\n", "track.pinned", "must be a list"),
        ("[track]\npinned = ['8.0.1', 8]\n", "track.pinned[1]", "must be a string that is not empty"),
        ("[track]\npinned = ['8.0']\n", "track.pinned[0]", "'8.0' is not a release"),
        ("[track]\nlines = ['24']\n", "track.lines[0]", "must be a whole number"),
        ("[track]\nlines = [24.0]\n", "track.lines[0]", "must be a whole number"),
        ("[track]\nnewest = -1\n", "track.newest", "must be a whole number"),
        ("[track]\nnewest = true\n", "track.newest", "must be a whole number"),
        ("[track]\nmajors-since = 12\n", "track.majors-since", "must be a string that is not empty"),
        ("[track]\nprereleases = 'yes'\n", "track.prereleases", "must be true or false"),
        ("[track]\nprereleases = 1\n", "track.prereleases", "must be true or false"),
        ("[track]\nminimum-age-days = '7'\n", "track.minimum-age-days", "must be a whole number"),
        (
            "[upstream]\nindex = 'ext::x'\n",
            "upstream.index",
            "is neither a sparse index nor a git repository",
        ),
        ("[upstream]\nindex = 'https://me:word@x/'\n", "upstream.index", "has a password in its address"),
        ("[registry]\nindex = 'https://x/git'\n", "registry.index", "must be a sparse index"),
        ("[upstream]\nindex = 'sparse+https://x'\n", "upstream.index", "must be a sparse index"),
        ("[upstream]\nroots = ['']\n", "upstream.roots[0]", "must be a string that is not empty"),
        ("[upstream]\nown = [1]\n", "upstream.own[0]", "must be a string that is not empty"),
        ("[suffix]\nmark = ''\n", "suffix.mark", "must be a string that is not empty"),
        ("[suffix]\ntemplate = 1\n", "suffix.template", "must be a string that is not empty"),
        ("[fork]\nroots = 'wasmtime'\n", "fork.roots", "must be a list"),
        ("[fork]\nclosure = 'some'\n", "fork.closure", "must be one of auto, minimal, range, exact"),
        ("[fork]\nclosure = ['range']\n", "fork.closure", "must be one of auto, minimal, range, exact"),
        ("[proof.hold]\npsm = 26\n", "proof.hold.psm", "must be a string that is not empty"),
        ("[fork.revisions]\n'8.0.1' = 0\n", "fork.revisions.8.0.1", "must be 1 or more"),
        ("[publish]\nin-flight = 0\n", "publish.in-flight", "must be 1 or more"),
        ("[publish]\nburst = 0\n", "publish.burst", "must be 1 or more"),
        ("[publish]\ncrates-io = 'yes'\n", "publish.crates-io", "must be true or false"),
        ("[publish]\nwait = -1\n", "publish.wait", "must be a whole number"),
        ("[registry]\nmax-crate-bytes = '10 MiB'\n", "registry.max-crate-bytes", "must be a whole number"),
        ("[registry]\nmax-crate-bytes = 0\n", "registry.max-crate-bytes", "must be 1 or more"),
        ("[fork.revisions]\n'8' = 2\n", "fork.revisions", "'8' is not a release"),
        ("[fork.revisions]\n'8.0.1' = 'r2'\n", "fork.revisions.8.0.1", "must be a whole number"),
        ("[registry]\nindex = ''\n", "registry.index", "must be a string that is not empty"),
        ("[registry]\nname = 1\n", "registry.name", "must be a string that is not empty"),
        ("[registry]\ndirectory = []\n", "registry.directory", "must be a string that is not empty"),
        ("[proof]\nfeatures = [true]\n", "proof.features[0]", "must be a string that is not empty"),
    ],
)
def test_a_setting_of_another_type_is_refused_with_its_key_path(
    tmp_path: Path, text: str, where: str, what: str
) -> None:
    error = refused(tmp_path, text)
    assert error.where == f"{tmp_path / 'patchbot.toml'}: {where}"
    assert error.what.startswith(what)


def test_what_is_no_release_brings_the_hint_how_releases_look(tmp_path: Path) -> None:
    assert "8.0.1" in (refused(tmp_path, "[track]\npinned = ['v8.0.1']\n").hint or "")


@pytest.mark.parametrize("data", [b"a = [", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "patchbot.toml").write_bytes(data)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        configs.load(tmp_path, environ={})
    assert caught.value.where == str(tmp_path / "patchbot.toml")


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        configs.load(tmp_path, environ={})
    (tmp_path / "patchbot.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        configs.load(tmp_path, environ={})


def test_what_is_forked_must_be_followed(tmp_path: Path) -> None:
    error = refused(tmp_path, "[fork]\nroots = ['wasmtime', 'wasmtime-wast', 'wasmtime-cli']\n")
    assert error.what == "wasmtime-cli, wasmtime-wast cannot be forked without being followed"
    assert (error.where or "").endswith("patchbot.toml: fork.roots")


# -- the suffix -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "[suffix]\ntemplate = '_file_{version}'\n"])
def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path, text: str) -> None:
    release = Release(8, 0, 1)
    environ = {"PATCHBOT_SUFFIX": "_env_{version}"}
    in_file = "_file_8_0_1" if text else "_8_0_1_pb"
    assert load(tmp_path, text).suffix.of(release).text == in_file
    assert load(tmp_path, text, environ=environ).suffix.of(release).text == "_env_8_0_1"
    assert load(tmp_path, text, suffix="_flag", environ=environ).suffix.of(release).text == "_flag"
    assert load(tmp_path, text, environ={"PATCHBOT_SUFFIX": ""}).suffix.of(release).text == in_file


def test_the_mark_goes_into_the_template_of_the_environment(tmp_path: Path) -> None:
    config = load(tmp_path, "[suffix]\nmark = 'm'\n", environ={"PATCHBOT_SUFFIX": "_{mark}_{version}"})
    assert config.suffix.of(Release(8, 0, 1)).text == "_m_8_0_1"


@pytest.mark.parametrize(
    "template", ["{version}", "_{nope}", "_{version", "_{version} x", "_{version.x}", "_"]
)
def test_a_bad_template_is_refused_wherever_it_comes_from(tmp_path: Path, template: str) -> None:
    refused(tmp_path, f"[suffix]\ntemplate = '{template}'\n")
    for more in ({"suffix": template}, {"environ": {"PATCHBOT_SUFFIX": template}}):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, "", **more)
        assert caught.value.hint


def test_a_bad_mark_is_refused(tmp_path: Path) -> None:
    assert "C identifier" in refused(tmp_path, "[suffix]\nmark = 'ä'\n").what


# -- where things are -------------------------------------------------------------------------------


def test_the_project_is_the_nearest_folder_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (tmp_path / "patchbot.toml").write_text("")
    assert configs.find_project(deep) == tmp_path
    (tmp_path / "a" / "b" / "patchbot.toml").mkdir()  # a folder of that name is no project
    assert configs.find_project(deep) == tmp_path
    (tmp_path / "a" / "patchbot.toml").write_text("")
    assert configs.find_project(deep) == tmp_path / "a"
    assert configs.find_project(tmp_path / "a") == tmp_path / "a"
    monkeypatch.chdir(deep)
    assert configs.find_project(Path()) == tmp_path / "a"


def test_no_project_is_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no patchbot\.toml here or above") as caught:
        configs.find_project(tmp_path)
    assert "--project" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"PATCHBOT_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"PATCHBOT_CACHE": "", "XDG_CACHE_HOME": "/x"}, "/x/patchbot"),
        ({"XDG_CACHE_HOME": ""}, "{home}/.cache/patchbot"),
        ({}, "{home}/.cache/patchbot"),
        ({"PATCHBOT_CACHE": "~/c"}, "{home}/c"),
        ({"PATCHBOT_CACHE": "c"}, "{cwd}/c"),
    ],
)
def test_the_cache_is_where_the_environment_says(environ: dict[str, str], folder: str) -> None:
    expected = folder.format(home=Path.home(), cwd=Path.cwd())
    assert configs.cache_directory(environ) == Path(expected)
