from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from fork import small
from registry import tiny

from patchbot.errors import UsageError
from patchbot.registry import consumer


def test_the_configuration_names_the_registry_and_says_where_it_really_is(tmp_path: Path) -> None:
    text = consumer.cargo_config("patchbot", small.INDEX, tmp_path)
    assert tomllib.loads(text) == {
        "registries": {"patchbot": {"index": small.INDEX}},
        "source": {
            "patchbot": {"registry": small.INDEX, "replace-with": "patchbot-local"},
            "patchbot-local": {"local-registry": str(tmp_path)},
        },
    }


@pytest.mark.parametrize("name", ['a "b" c', "back\\slash", "caf\u00e9", "\U0001f980 crab", "new\nline"])
def test_any_folder_can_be_said(name: str) -> None:
    table = tomllib.loads(consumer.cargo_config("patchbot", small.INDEX, Path("/srv") / name))
    assert table["source"]["patchbot-local"]["local-registry"] == f"/srv/{name}"


def test_a_served_registry_is_one_of_its_own_behind_the_same_name() -> None:
    text = consumer.served_config("patchbot", small.INDEX, "sparse+http://127.0.0.1:8790/index/")
    assert tomllib.loads(text) == {
        "registries": {
            "patchbot": {"index": small.INDEX},
            "patchbot-served": {
                "index": "sparse+http://127.0.0.1:8790/index/",
                "credential-provider": ["cargo:token"],
            },
        },
        "source": {"patchbot": {"registry": small.INDEX, "replace-with": "patchbot-served"}},
    }


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ("http://127.0.0.1:8790", "sparse+http://127.0.0.1:8790/index/"),
        ("http://127.0.0.1:8790/", "sparse+http://127.0.0.1:8790/index/"),
        ("https://me.example/crates", "sparse+https://me.example/crates/index/"),
        ("http://[::1]:1", "sparse+http://[::1]:1/index/"),
        ("sparse+https://me.example/api/v1/crates/", "sparse+https://me.example/api/v1/crates/"),
    ],
)
def test_the_address_of_a_server_or_an_export_or_an_index_is_enough(said: str, index: str) -> None:
    assert consumer.served_index(said) == index


@pytest.mark.parametrize(
    "said",
    ["", "127.0.0.1:8790", "ftp://me.example", "http://", "sparse+https://me.example/index", "file:///srv",
     "https://me:secret@me.example", "https://me.example/?token=x#y"],
)  # fmt: skip
def test_what_is_no_address_is_told(said: str) -> None:
    with pytest.raises(UsageError):
        consumer.served_index(said)


def test_manifest_lines_depend_on_the_forks_of_the_roots_alone() -> None:
    releases = [tiny.forks("1.2.3"), tiny.forks("2.0.0")]
    assert consumer.manifest_lines(releases, "patchbot", ["tiny", "tiny-maker"]) == (
        "[dependencies]\n"
        'tiny-maker-v1-2-3 = { version = "1.2.3", registry = "patchbot" }\n'
        'tiny-v1-2-3 = { version = "1.2.3", registry = "patchbot" }\n'
        'tiny-maker-v2-0-0 = { version = "2.0.0", registry = "patchbot" }\n'
        'tiny-v2-0-0 = { version = "2.0.0", registry = "patchbot" }\n'
    )


def test_code_names_the_forks_by_their_libraries() -> None:
    releases = [tiny.forks("1.2.3"), tiny.forks("2.0.0")]
    assert consumer.use_lines(releases, ["tiny"]) == "use tiny_v1_2_3;\nuse tiny_v2_0_0;\n"


def test_without_forks_there_is_nothing_to_depend_on() -> None:
    assert consumer.manifest_lines([], "patchbot", ["tiny"]) == "[dependencies]\n"
    assert consumer.use_lines([], ["tiny"]) == ""
