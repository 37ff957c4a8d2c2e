"""Publishing to a registry whose index is a git repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from registry import parcels
from registry.faulty import Fault
from registry.git_backed import GitBacked

from patchbot.cargo_settings import Settings
from patchbot.errors import EnvironmentProblem, PublishError
from patchbot.index.repository import GitIndex
from patchbot.registry.remote import probe, yank
from patchbot.registry.remote.client import Client, Patience
from patchbot.registry.remote.credentials import Credentials
from patchbot.registry.remote.pacing import Pace
from patchbot.registry.remote.plan import Parcel
from patchbot.registry.remote.publish import Done
from patchbot.registry.remote.target import Target

RELEASE = parcels.release()
(BASE,) = (parcel for parcel in RELEASE if parcel.entry.name == "base")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[GitBacked]:
    with GitBacked(tmp_path / "index") as running:
        yield running


def client(registry: GitBacked, folder: Path) -> Client:
    return parcels.client(registry, clock=registry.clock, clones=folder / "clones")


def run(registry: GitBacked, folder: Path, release: list[Parcel] = RELEASE) -> Done:
    return parcels.run(registry, folder, release, to=client(registry, folder))


def test_a_release_is_published_compared_and_published_once(registry: GitBacked, tmp_path: Path) -> None:
    done = run(registry, tmp_path)
    assert (done.sent, done.kept, done.verified) == (5, 0, 5)
    parcels.everything_once(registry, RELEASE)
    assert registry.order.index("base") < registry.order.index("left") < registry.order.index("top")
    again = run(registry, tmp_path)
    assert (again.sent, again.kept, again.verified) == (0, 5, 0)
    elsewhere = run(registry, tmp_path / "elsewhere")
    assert (elsewhere.sent, elsewhere.kept, elsewhere.verified) == (0, 5, 5), (
        "the index says it, not a journal"
    )
    assert registry.puts.total() == 5


def test_an_index_that_lags_is_waited_for(registry: GitBacked, tmp_path: Path) -> None:
    registry.late = 0.3
    run(registry, tmp_path)
    parcels.everything_once(registry, RELEASE)


def test_an_upload_without_an_answer_is_looked_for(registry: GitBacked, tmp_path: Path) -> None:
    registry.fault("upload", "base", Fault(stored=True, reply=False))
    registry.fault("upload", "left", Fault(502))
    run(registry, tmp_path)
    parcels.everything_once(registry, RELEASE)


def test_an_index_that_begins_anew_changes_nothing(registry: GitBacked, tmp_path: Path) -> None:
    run(registry, tmp_path, [BASE])
    tree = registry.repository.git("rev-parse", "HEAD^{tree}")
    registry.repository.git(
        "reset", "--quiet", "--hard", registry.repository.git("commit-tree", "-m", "x", tree)
    )
    run(registry, tmp_path)
    parcels.everything_once(registry, RELEASE)


def test_other_bytes_stop_it_before_anything_is_sent(registry: GitBacked, tmp_path: Path) -> None:
    run(registry, tmp_path, [BASE])
    with pytest.raises(PublishError, match="is published as"):
        run(registry, tmp_path, [parcels.parcel("base", text="other"), parcels.parcel("alone")])
    assert registry.puts.total() == 1


def test_a_yank_is_done_when_the_index_has_it(registry: GitBacked, tmp_path: Path) -> None:
    run(registry, tmp_path)
    registry.late = 0.2
    with closing(client(registry, tmp_path)) as there:
        for yanked in (True, False):
            yank.execute(there, [BASE.entry], yanked=yanked, pace=Pace(there.clock))
            assert there.entries("base")["1.2.3"].yanked is yanked


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html>", r"is no registry config\.json"),
        ("[]", r"is no registry config\.json"),
        ('{"dl": 3}', "has no download address"),
    ],
)
def test_a_config_that_is_none_is_told_and_nothing_is_sent(
    registry: GitBacked, tmp_path: Path, text: str, says: str
) -> None:
    registry.commit("config.json", text)
    with pytest.raises(PublishError, match=says) as caught:
        run(registry, tmp_path)
    assert caught.value.where == f"config.json in {registry.index}"
    assert not registry.puts


def test_a_repository_without_a_config_is_told(registry: GitBacked, tmp_path: Path) -> None:
    (registry.repository.folder / "config.json").rename(registry.repository.folder / "other.json")
    registry.repository.commit()
    with pytest.raises(PublishError, match=r"the index has no config\.json") as caught:
        run(registry, tmp_path)
    assert caught.value.where == registry.index
    assert caught.value.hint == "is it the address of a registry's index?"


def test_nothing_is_sent_to_a_mirror_of_crates_io(registry: GitBacked, tmp_path: Path) -> None:
    registry.config(dl=f"{registry.url}/dl", api="https://crates.io")
    with pytest.raises(PublishError, match=r"what is sent there goes to crates\.io") as caught:
        run(registry, tmp_path)
    assert caught.value.where == f"config.json in {registry.index}"


def test_an_api_that_is_no_address_is_not_well_encrypted(registry: GitBacked, tmp_path: Path) -> None:
    registry.config(dl=f"{registry.url}/dl", api="http://[nowhere")
    with closing(client(registry, tmp_path)) as there:
        found = {row.question: row for row in probe.look(there, there._credentials)}
    assert found["encrypted"].ok is False


def test_a_line_that_is_none_is_told(registry: GitBacked, tmp_path: Path) -> None:
    registry.commit("ba/se/base", "<html>\n")
    with pytest.raises(PublishError, match="line 1 is no index entry") as caught:
        run(registry, tmp_path)
    assert caught.value.where == f"ba/se/base in {registry.index}"


def test_what_is_no_repository_is_told_as_the_registrys_fault(registry: GitBacked, tmp_path: Path) -> None:
    registry.repository.folder.rename(tmp_path / "away")
    with pytest.raises(PublishError, match="does not appear to be a git repository"):
        run(registry, tmp_path)


def test_an_index_that_cannot_be_reached_is_asked_for_as_often_as_all_else(
    registry: GitBacked, tmp_path: Path
) -> None:
    target = Target(parcels.NAME, "http://127.0.0.1:9/git")
    there = Client(
        target,
        Credentials(target, Settings(), {}),
        git=GitIndex(target.url, tmp_path),
        clock=registry.clock,
        patience=Patience(attempts=3),
    )
    with closing(there), pytest.raises(EnvironmentProblem, match="the registry cannot be reached"):
        there.entries("base")
    assert registry.clock.waits == [0.5, 1.0]  # type: ignore[attr-defined]
    there.stop.set()
    with pytest.raises(EnvironmentProblem):
        there.entries("base")
    assert registry.clock.waits == [0.5, 1.0, 0.5]  # type: ignore[attr-defined]


def test_a_private_registry_gets_its_token_where_crates_are(registry: GitBacked, tmp_path: Path) -> None:
    registry.auth_required = True
    registry.config(dl=f"{registry.url}/dl", api=registry.url, **{"auth-required": True})
    run(registry, tmp_path)
    downloads = [headers for method, path, headers in registry.requests if "/dl/" in path]
    assert len(downloads) >= len(RELEASE)
    assert {headers.get("Authorization") for headers in downloads} == {registry.token}


def test_a_look_says_how_the_index_comes(registry: GitBacked, tmp_path: Path) -> None:
    with closing(client(registry, tmp_path)) as there:
        found = {row.question: row for row in probe.look(there, there._credentials)}
    assert found["git index"].answer.startswith(f"{registry.index}, in ")
    assert found["what is fetched of the index"].answer == "its newest commit alone"
    assert "index files with an ETag" not in found
    assert found["encrypted"].ok is True


def test_a_token_in_the_clear_is_told(registry: GitBacked, tmp_path: Path) -> None:
    registry.config(dl=f"{registry.url}/dl", api="http://registry.example.invalid")
    with closing(client(registry, tmp_path)) as there:
        found = {row.question: row for row in probe.look(there, there._credentials)}
    assert found["encrypted"].ok is False
