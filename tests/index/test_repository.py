"""A registry's index in a git repository, with real git and real repositories."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.git_index import DumbServer, IndexRepository, Waits
from support.repository import Repository
from support.server import Reply, Server

from patchbot.cargo_settings import Network
from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.git import reach
from patchbot.index import repository as git_index
from patchbot.index.repository import GitIndex

FILE = "wa/sm/wasmtime"


@pytest.fixture
def there(tmp_path: Path) -> IndexRepository:
    index = IndexRepository(tmp_path / "there")
    index.config(dl="https://example.invalid/dl")
    index.publish("wasmtime", "8.0.1")
    return index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "clones"


def refreshed(url: str, folder: Path, way: Network = Network()) -> GitIndex:  # noqa: B008 - frozen
    index = GitIndex(url, folder, way)
    index.refresh(Waits().retries)
    return index


def clone_of(folder: Path) -> Path:
    (found,) = folder.glob("*.git")
    return found


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", "--git-dir", str(folder), *args], capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def leftovers(folder: Path) -> list[str]:
    names = [file.name for file in folder.iterdir() if file.name.startswith(".")]
    return names + [str(file) for file in folder.rglob("*.git/**/*.lock")]


# -- reading ----------------------------------------------------------------------------------------


def test_a_file_is_read_and_what_is_none_is_not_there(there: IndexRepository, folder: Path) -> None:
    index = refreshed(there.url, folder)
    assert index.file("config.json") == b'{"dl": "https://example.invalid/dl"}'
    assert (index.file(FILE) or b"").count(b"8.0.1") == 1
    for path in ("wa/sm/wasmtim", "wa", "wa/sm", f"{FILE}/x", "", "wa//wasmtime", "../config.json", "a b\nc"):
        assert index.file(path) is None, path


def test_what_is_no_file_is_not_there(there: IndexRepository, folder: Path) -> None:
    there.submodule("su/bm/submodule")
    there.commit_index()
    assert refreshed(there.url, folder).file("su/bm/submodule") is None


def test_a_change_is_seen_after_the_next_fetch_and_not_before(there: IndexRepository, folder: Path) -> None:
    index = refreshed(there.url, folder)
    there.publish("wasmtime", "9.0.4")
    assert b"9.0.4" not in (index.file(FILE) or b"")
    index.refresh(Waits().retries)
    assert b"9.0.4" in (index.file(FILE) or b"")


def test_history_stays_where_it_is(there: IndexRepository, folder: Path) -> None:
    index = refreshed(there.url, folder)
    for version in ("9.0.4", "10.0.2"):
        there.publish("wasmtime", version)
        index.refresh(Waits().retries)
    assert git(clone_of(folder), "rev-list", "--count", "refs/remotes/origin/HEAD") == "1"
    assert not index.dumb


def test_an_index_that_begins_anew_is_followed(there: IndexRepository, folder: Path) -> None:
    there.publish("wiggle", "1.0.0")
    index = refreshed(there.url, folder)
    there.git("rm", "--quiet", "wi/gg/wiggle")
    there.publish("wasmtime", "9.0.4")
    there.squash()
    index.refresh(Waits().retries)
    assert b"9.0.4" in (index.file(FILE) or b"")
    assert index.file("wi/gg/wiggle") is None


def test_what_was_fetched_is_there_without_the_server(there: IndexRepository, folder: Path) -> None:
    fresh = GitIndex(there.url, folder)
    assert not fresh.recall()
    assert not fresh.known
    refreshed(there.url, folder)
    shutil.rmtree(there.folder)
    again = GitIndex(there.url, folder)
    assert again.recall()
    assert b"8.0.1" in (again.file(FILE) or b"")
    assert not GitIndex(f"{there.url}/", folder).recall(), "another address is another index"


def test_a_file_that_is_too_large_is_refused_and_the_others_are_read(
    there: IndexRepository, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_index, "LARGEST", 3000)
    there.write({"la/rg/large": "x" * 3001, "la/rg/largest": "x" * 3000})
    there.commit()
    index = refreshed(there.url, folder)
    with pytest.raises(RepositoryError, match="la/rg/large has more than 3000 bytes") as caught:
        index.file("la/rg/large")
    assert caught.value.where == there.url
    assert len(index.file("la/rg/largest") or b"") == 3000


# -- a server that is not well ----------------------------------------------------------------------


def test_an_empty_repository_is_told(tmp_path: Path, folder: Path) -> None:
    empty = IndexRepository(tmp_path / "empty")
    with pytest.raises(RepositoryError, match="is empty: its HEAD names no commit") as caught:
        refreshed(empty.url, folder)
    assert caught.value.where == empty.url
    empty.publish("wasmtime", "8.0.1")
    assert refreshed(empty.url, folder).known


def test_a_folder_that_is_no_repository_is_told(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "none").mkdir()
    waits = Waits()
    with pytest.raises(RepositoryError, match="does not appear to be a git repository") as caught:
        GitIndex(f"file://{tmp_path}/none", folder).refresh(waits.retries)
    assert caught.value.hint == "is it a git repository?"
    assert waits.seconds == []


@pytest.mark.parametrize("reply", [Reply(404), Reply(body=b"<html>\nlog in, please\n</html>\n")])
def test_a_server_that_has_something_else_is_told_at_once(folder: Path, reply: Reply) -> None:
    waits = Waits()
    with Server() as server:
        server.answer("/git/info/refs?service=git-upload-pack", reply)
        with pytest.raises(EnvironmentProblem, match=r"not found|is this a git repository") as caught:
            GitIndex(f"{server.url}git", folder).refresh(waits.retries)
        assert len(server.requests) == 1
    assert caught.value.where == f"{server.url}git"
    assert "address" in (caught.value.hint or "")
    assert waits.seconds == []


def test_a_server_that_is_not_there_is_asked_again_and_then_told(folder: Path) -> None:
    waits = Waits()
    with pytest.raises(
        EnvironmentProblem, match=r"the registry cannot be reached \(git fetch failed"
    ) as caught:
        GitIndex("http://127.0.0.1:9/git", folder).refresh(waits.retries)
    assert waits.seconds == [1.0, 2.0]
    assert caught.value.where == "http://127.0.0.1:9/git"
    assert "proxy" in (caught.value.hint or "")
    assert list(folder.glob("*.git")) == []


def test_waiting_ends_when_it_is_told_to(folder: Path) -> None:
    waits = Waits(stop=True)
    with pytest.raises(EnvironmentProblem, match="cannot be reached"):
        GitIndex("http://127.0.0.1:9/git", folder).refresh(waits.retries)
    assert waits.seconds == [1.0]


def test_a_server_that_comes_back_is_used(there: IndexRepository, folder: Path) -> None:
    waits = Waits()
    with DumbServer(there) as dumb, Server() as server:
        path = "/git/info/refs?service=git-upload-pack"
        server.answer(
            path,
            Reply(503),
            Reply(302, headers={"Location": f"{dumb.url}/info/refs?service=git-upload-pack"}),
        )
        index = GitIndex(f"{server.url}git", folder)
        index.refresh(waits.retries)
    assert waits.seconds == [1.0]
    assert index.file(FILE)


def test_what_was_read_before_stays_when_a_fetch_fails(there: IndexRepository, folder: Path) -> None:
    index = refreshed(there.url, folder)
    there.folder.rename(there.folder.with_name("away"))
    with pytest.raises(RepositoryError):
        index.refresh(Waits().retries)
    assert b"8.0.1" in (index.file(FILE) or b"")
    assert GitIndex(there.url, folder).recall()


# -- plain files over HTTP --------------------------------------------------------------------------


def test_a_server_that_only_hands_out_files_will_do(there: IndexRepository, folder: Path) -> None:
    with DumbServer(there) as server:
        index = refreshed(server.url, folder)
        assert index.dumb
        assert b"8.0.1" in (index.file(FILE) or b"")
        there.publish("wasmtime", "9.0.4")
        server.update()
        index.refresh(Waits().retries)
        assert b"9.0.4" in (index.file(FILE) or b"")
        there.squash()
        server.update()
        assert b"9.0.4" in (refreshed(server.url, folder).file(FILE) or b"")


# -- the way there ----------------------------------------------------------------------------------


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the words of every git that is started."""
    real = shutil.which("git")
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "git"
    wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{tmp_path}/noted"\nexec "{real}" "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "noted"


def test_cargos_proxy_is_taken_and_its_password_is_no_argument(folder: Path, noted: Path) -> None:
    address = "http://registry.invalid/git/info/refs?service=git-upload-pack"
    with Server() as proxy:
        wants = Reply(407, headers={"Proxy-Authenticate": 'Basic realm="proxy"', "Connection": "close"})
        proxy.answer(address, wants, Reply(404))
        way = Network(proxy=proxy.url.replace("//", "//user:secret@"))
        with pytest.raises(EnvironmentProblem) as caught:
            GitIndex("http://registry.invalid/git", folder, way).refresh(Waits().retries)
        assert [request.path for request in proxy.requests] == [address, address]
        given = proxy.requests[1].headers["Proxy-Authorization"]
        assert given == f"Basic {base64.b64encode(b'user:secret').decode()}"
    assert "fetch" in noted.read_text()
    assert "secret" not in noted.read_text()
    assert "secret" not in f"{caught.value}{caught.value.hint}"


def test_the_users_rewriting_is_followed_and_leads_to_no_program(
    there: IndexRepository, folder: Path, tmp_path: Path
) -> None:
    config = Path.home() / ".gitconfig"
    config.write_text(
        f'[url "{there.url}"]\n\tinsteadOf = https://good.invalid/index\n'
        f'[url "ext::touch {tmp_path}/made "]\n\tinsteadOf = https://evil.invalid/\n[protocol]\n\tallow = always\n'
        '[url "http://user:secret@127.0.0.1:9/"]\n\tinsteadOf = https://told.invalid/\n'
    )
    assert refreshed("https://good.invalid/index", folder).file(FILE)
    with pytest.raises(EnvironmentProblem, match="not allowed"):
        refreshed("https://evil.invalid/x", folder)
    assert not (tmp_path / "made").exists()
    with pytest.raises(EnvironmentProblem, match="cannot be reached") as caught:
        refreshed("https://told.invalid/x", folder)
    assert "secret" not in str(caught.value)


def test_whatever_git_says_passwords_are_not_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    words = "echo fatal: no way to http://user:secret@host/x >&2; exit 128"
    fake.write_text(f'#!/bin/sh\ncase $1 in fetch) {words};; *) exec "{shutil.which("git")}" "$@";; esac\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(EnvironmentProblem, match="fatal: no way to http://host/x"):
        refreshed("http://host/x", folder)


# -- damage -----------------------------------------------------------------------------------------


def _objects(clone: Path) -> Iterator[Path]:
    for file in clone.joinpath("objects").rglob("*"):
        if file.is_file() and len(file.parent.name) == 2:
            yield file


def _overwrite(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(b"no zlib")


def _empty(clone: Path) -> None:
    shutil.rmtree(clone)
    clone.mkdir()


def _lose_blobs(clone: Path) -> None:
    _damage_kind(clone, "blob", lambda file: file.unlink())


def _lose_trees(clone: Path) -> None:
    _damage_kind(clone, "tree", lambda file: file.unlink())


def _break_blobs(clone: Path) -> None:
    _damage_kind(clone, "blob", _overwrite)


def _damage_kind(clone: Path, kind: str, damage: Callable[[Path], object]) -> None:
    done = 0
    for file in list(_objects(clone)):
        if git(clone, "cat-file", "-t", f"{file.parent.name}{file.name}") == kind:
            damage(file)
            done += 1
    assert done, "nothing was damaged"


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no HEAD": lambda clone: (clone / "HEAD").unlink(),
    "config": lambda clone: (clone / "config").write_text("[core\n"),
    "no objects": lambda clone: shutil.rmtree(clone / "objects"),
    "no ref": lambda clone: (clone / "refs/remotes/origin/HEAD").unlink(),
    "ref": lambda clone: (clone / "refs/remotes/origin/HEAD").write_text("nothing\n"),
    "ref to nothing": lambda clone: (clone / "refs/remotes/origin/HEAD").write_text(f"{'1' * 40}\n"),
    "shallow": lambda clone: (clone / "shallow").write_text("nothing\n"),
    "empty": _empty,
    "lost blobs": _lose_blobs,
    "lost trees": _lose_trees,
    "broken blobs": _break_blobs,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("moved", [False, True], ids=["unchanged", "changed"])
def test_a_damaged_clone_is_made_anew(
    there: IndexRepository,
    folder: Path,
    damage: Callable[[Path], object],
    moved: bool,  # noqa: FBT001
) -> None:
    refreshed(there.url, folder)
    damage(clone_of(folder))
    if moved:
        there.publish("wasmtime", "9.0.4")
    index = refreshed(there.url, folder)
    assert (b"9.0.4" in (index.file(FILE) or b"")) is moved
    assert index.file("config.json")
    git(clone_of(folder), "fsck", "--connectivity-only")
    assert leftovers(folder) == []


def test_a_lost_file_is_never_taken_for_one_that_is_not_there(there: IndexRepository, folder: Path) -> None:
    refreshed(there.url, folder)
    _lose_blobs(clone_of(folder))
    index = GitIndex(there.url, folder)
    assert index.recall()
    with pytest.raises(RepositoryError, match="has lost wa/sm/wasmtime") as caught:
        index.file(FILE)
    assert caught.value.hint == "run once without --offline"


def test_a_repository_above_a_damaged_clone_is_left_alone(there: IndexRepository, tmp_path: Path) -> None:
    home = Repository(tmp_path / "dotfiles")
    folder = home.folder / "cache"
    refreshed(there.url, folder)
    (clone_of(folder) / "HEAD").unlink()
    refreshed(there.url, folder)
    assert home.git("for-each-ref") == ""


def test_what_killed_runs_leave_does_not_matter(there: IndexRepository, folder: Path) -> None:
    refreshed(there.url, folder)
    clone = clone_of(folder)
    for name in ("shallow.lock", "packed-refs.lock", "config.lock", "refs/remotes/origin/HEAD.lock"):
        (clone / name).write_text("half")
    (clone / "objects" / "pack" / "tmp_pack_abc").write_bytes(b"PACK half")
    half = folder / f".{clone.name}~killed" / "fresh"
    half.mkdir(parents=True)
    there.publish("wasmtime", "9.0.4")
    assert b"9.0.4" in (refreshed(there.url, folder).file(FILE) or b"")
    assert leftovers(folder) == []


_CHILD = (
    "import sys\nfrom pathlib import Path\nfrom patchbot.index.repository import GitIndex, Retries\n"
    "index = GitIndex(sys.argv[1], Path(sys.argv[2]))\nindex.refresh(Retries((), lambda _: False))\n"
    "print(index.file(sys.argv[3]).decode())"
)


def child(url: str, folder: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", _CHILD, url, str(folder), FILE]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("known", [False, True], ids=["the first fetch", "another fetch"])
def test_a_fetch_that_is_killed_leaves_what_was_there(
    there: IndexRepository,
    folder: Path,
    known: bool,  # noqa: FBT001
) -> None:
    with DumbServer(there) as server:
        if known:
            refreshed(server.url, folder)
        there.publish("wasmtime", "9.0.4")
        server.update()
        server.asked.clear()
        server.hangs.set()
        process = child(server.url, folder)
        assert server.asked.wait(20)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = GitIndex(server.url, folder)
        assert left.recall() is known
        if known:
            assert b"9.0.4" not in (left.file(FILE) or b"")
        server.hangs.clear()
        assert b"9.0.4" in (refreshed(server.url, folder).file(FILE) or b"")
        assert leftovers(folder) == []


def test_processes_share_a_clone(there: IndexRepository, folder: Path) -> None:
    children = [child(there.url, folder) for _ in range(4)]
    for process in children:
        out, err = process.communicate(timeout=60)
        assert "8.0.1" in out, err
    assert leftovers(folder) == []


# -- many at once -----------------------------------------------------------------------------------


def test_one_fetch_serves_all_who_wait(
    there: IndexRepository, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = refreshed(there.url, folder)
    real, fetches, begun, go = reach.fetch, [0], threading.Event(), threading.Event()

    def fetch(*args: Any, **way: Any) -> None:  # noqa: ANN401 - as it is given
        fetches[0] += 1
        begun.set()
        assert go.wait(20)
        real(*args, **way)

    def look() -> bytes:
        index.refresh(Waits().retries)
        return index.file(FILE) or b""

    monkeypatch.setattr(git_index, "fetch", fetch)
    with ThreadPoolExecutor(41) as pool:
        pool.submit(look)
        assert begun.wait(20)
        rest = [pool.submit(look) for _ in range(40)]
        until = time.monotonic() + 20
        while len(index._fetches._changed._waiters) < 40:  # type: ignore[attr-defined]
            assert time.monotonic() < until
        there.publish("wasmtime", "9.0.4")
        go.set()
        assert all(b"9.0.4" in future.result() for future in rest)
    assert fetches == [2]
