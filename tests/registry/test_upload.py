from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry import parcels

from patchbot.errors import PublishError
from patchbot.model import JsonObject
from patchbot.registry.remote import upload

OWN = "sparse+https://own.example.invalid/"
HEAD = '[package]\nname = "one"\nversion = "1.2.3"\n'


def metadata(
    manifest: str, *, own: tuple[str, ...] = (OWN,), files: Mapping[str, str] | None = None
) -> JsonObject:
    data = parcels.archive("one", "1.2.3", {"Cargo.toml": HEAD + manifest, **(files or {})})
    return upload.metadata(data, own=own)


def dependency(manifest: str, *, own: tuple[str, ...] = (OWN,)) -> JsonObject:
    (found,) = metadata(manifest, own=own)["deps"]
    assert isinstance(found, dict)
    return found


def test_the_body_has_both_halves_behind_their_lengths() -> None:
    data = parcels.parcel("one").data
    body = upload.body(data, own=())
    (size,) = struct.unpack("<I", body[:4])
    assert json.loads(body[4 : 4 + size])["name"] == "one"
    assert struct.unpack("<I", body[4 + size : 8 + size]) == (len(data),)
    assert body[8 + size :] == data


@pytest.mark.parametrize(
    ("given_", "spelled"),
    [
        *(("1.2.3", "^1.2.3"), ("1", "^1"), (" 1.2 ", "^1.2"), ("^1.2", "^1.2"), ("~1.2", "~1.2")),
        *(("=1.2.3", "=1.2.3"), ("= 1.2.3", "=1.2.3"), ("*", "*"), ("1.*", "1.*"), ("1.2.*", "1.2.*")),
        *(
            (">=1,<2", ">=1, <2"),
            (">= 1.2 , < 2", ">=1.2, <2"),
            ("0.3.0-alpha.1", "^0.3.0-alpha.1"),
            ("", "*"),
        ),
    ],
)
def test_requirements_are_spelled_as_cargo_does(given_: str, spelled: str) -> None:
    assert upload.requirement(given_) == spelled


@settings(deadline=None)
@given(st.from_regex(r"(\^|=|~|>=|<|)[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True))
def test_to_spell_a_requirement_twice_changes_nothing(text: str) -> None:
    once = upload.requirement(text)
    assert upload.requirement(once) == once


def test_a_dependency_of_the_same_registry_has_none() -> None:
    assert "registry" not in dependency(
        f'[dependencies]\na = {{ version = "1", registry-index = "{OWN}" }}\n'
    )


def test_one_of_the_canonical_address_has_none_either() -> None:
    found = dependency(
        f'[dependencies]\na = {{ version = "1", registry-index = "{parcels.CANONICAL}" }}\n',
        own=(OWN, parcels.CANONICAL),
    )
    assert "registry" not in found


def test_one_of_another_registry_names_it() -> None:
    found = dependency('[dependencies]\na = { version = "1", registry-index = "sparse+https://other/" }\n')
    assert found["registry"] == "sparse+https://other/"


def test_one_of_crates_io_names_it_unless_it_goes_there() -> None:
    assert dependency('[dependencies]\na = "1"\n')["registry"] == upload.CRATES_IO
    assert "registry" not in dependency('[dependencies]\na = "1"\n', own=(upload.CRATES_IO,))


def test_an_alias_is_told_and_the_package_is_the_name() -> None:
    found = dependency('[dependencies]\nshort = { version = "1", package = "long" }\n')
    assert (found["name"], found["explicit_name_in_toml"]) == ("long", "short")
    assert "explicit_name_in_toml" not in dependency('[dependencies]\na = "1"\n')


@pytest.mark.parametrize(
    ("table", "kind", "target"),
    [
        ("[dependencies]", "normal", None),
        ("[build-dependencies]", "build", None),
        ("[dev-dependencies]", "dev", None),
        ("[target.'cfg(unix)'.dependencies]", "normal", "cfg(unix)"),
        ("[target.s390x-unknown-linux-gnu.build-dependencies]", "build", "s390x-unknown-linux-gnu"),
    ],
)
def test_every_table_counts(table: str, kind: str, target: str | None) -> None:
    found = dependency(
        f'{table}\na = {{ version = "1", optional = true, default-features = false, features = ["x"] }}\n'
    )
    assert (found["kind"], found["target"]) == (kind, target)
    assert (found["optional"], found["default_features"], found["features"]) == (True, False, ["x"])


def test_the_readme_is_the_one_that_the_manifest_names() -> None:
    found = metadata('readme = "./docs/R.md"\n', files={"docs/R.md": "Ä\n", "README.md": "no\n"})
    assert (found["readme_file"], found["readme"]) == ("./docs/R.md", "Ä\n")
    assert metadata("readme = false\n", files={"README.md": "no\n"})["readme"] is None
    assert metadata("", files={"README.txt": "yes\n"})["readme_file"] == "README.txt"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive",
        parcels.archive("one", "1", {"src/lib.rs": ""}),
        parcels.archive("one", "1", {"Cargo.toml": "= no toml"}),
        parcels.archive("one", "1", {"Cargo.toml": '[lib]\nname = "x"\n'}),
        parcels.archive("one", "1", {"Cargo.toml": f'{HEAD}readme = "gone.md"\n'}),
        parcels.archive("one", "1", {"Cargo.toml": 'package = "x"\n'}),
        parcels.parcel("one").data[:300],
    ],
    ids=["empty", "no archive", "no manifest", "no TOML", "no package", "no readme", "no table", "cut off"],
)
def test_what_is_no_crate_is_told(data: bytes) -> None:
    with pytest.raises(PublishError, match=r"a \.crate cannot be read"):
        upload.body(data, own=())
