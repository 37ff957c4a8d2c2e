from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from fork import small
from registry import tiny

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
