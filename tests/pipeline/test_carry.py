"""Hand-written patches in a project: the forms on disk, and what becomes of them in a release's series."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.errors import ConfigError, ConflictError, RepositoryError
from patchbot.git.commits import CommitText
from patchbot.model import Release, TreeFile, Verdict
from patchbot.pipeline import closures, forks, imports, many
from patchbot.pipeline import sync as stage
from patchbot.pipeline.work import Change, Workspace, workspace
from patchbot.report import screens
from patchbot.report.terminal import Reporter
from patchbot.series import lock as locks

FIRST, NEXT, LAST = Release(8, 0, 1), Release(9, 0, 4), Release(10, 0, 2)
FILE = "crates/runtime/src/traps.rs"
TEXT = "".join(f"pub fn trap_{n}() -> u32 {{\n    let code = {n};\n    code\n}}\n\n" for n in range(6))
ADDED = '#[no_mangle]\npub extern "C" fn carried_hook() {}\n\n'
WORDS = CommitText(
    message="trap-code: traps of a fork say so\n\nA reason.\n\nUpstream: never\n",
    author="A Maintainer <m@invalid>",
    date="1700000000 +0000",
)


def patched(text: str) -> str:
    return text.replace("let code = 3;", "let code = 300;")


@pytest.fixture
def work(project: Path, upstream: Upstream) -> Iterator[Workspace]:
    upstream.publish("8.0.1", change={FILE: TEXT})
    upstream.publish("9.0.4", change={FILE: TEXT.replace("let code = 2;", "let code = 22;")})
    upstream.publish("10.0.2", change={FILE: TEXT.replace("let code = 3;", "let code = 33;")})
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


def says(work: Workspace, *, name: str = "trap-code", **more: str) -> None:
    """Add a carried patch to the policy, and let the workspace read it again."""
    file = work.config.patches / "policy.toml"
    lines = [f'name = "{name}"', 'kind = "carried"', 'upstream = "never"', 'why = "Says so."']
    lines += [f'{key} = "{value}"' for key, value in more.items()]
    file.write_text(file.read_text() + "\n[[patch]]\n" + "\n".join(lines) + "\n")
    for cached in ("policy", "policy_digest"):
        work.__dict__.pop(cached, None)


def form(work: Workspace, release: Release, new: str, *, name: str = "trap-code", path: str = FILE) -> Path:
    """Write a form as a maintainer would: a commit on the release, and stock git's mail of it."""
    imports.import_release(work, release)
    base = work.store.resolve(f"refs/patchbot/upstream/{release}")
    assert base is not None
    (commit,) = work.store.commit_series(base, [([TreeFile(path, new.encode())], WORDS)])
    (mail,) = work.store.mails(base, commit)
    file = work.config.patches / "carried" / name / f"{release}.patch"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(mail)
    return file


def order(work: Workspace, release: Release) -> list[str]:
    return (work.config.patches / str(release) / "series").read_text().split()


def verdicts(lock: locks.Lock) -> dict[str, Verdict]:
    return {p.name: p.verdict for p in lock.patches if p.kind == "carried"}


def source(work: Workspace, tree: str, path: str = FILE) -> str:
    (entry,) = (entry for entry in work.store.list_tree(tree) if entry.path == path)
    return work.store.read_blob(entry.oid).decode()


def test_a_carried_patch_stands_before_the_generated_ones(work: Workspace) -> None:
    file = form(work, FIRST, patched(TEXT))
    says(work)
    synced = stage.sync(work, FIRST)
    assert order(work, FIRST)[:2] == ["trap-code.patch", "suffix-c.patch"]
    assert (work.config.patches / "8.0.1" / "trap-code.patch").read_bytes() == file.read_bytes()
    assert verdicts(synced.lock) == {"trap-code": Verdict.UNCHANGED}
    assert "let code = 300;" in source(work, synced.lock.result_tree)


def test_a_later_release_takes_the_form_merged_with_what_upstream_did(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    says(work)
    synced = stage.sync(work, NEXT)
    assert verdicts(synced.lock) == {"trap-code": Verdict.SHIFTED}
    text = source(work, synced.lock.result_tree)
    assert "let code = 22;" in text
    assert "let code = 300;" in text
    (row,) = (patch for patch in synced.lock.patches if patch.kind == "carried")
    assert row.rule.startswith("form 8.0.1 ")


def test_names_that_a_carried_patch_adds_get_the_suffix(work: Workspace) -> None:
    form(work, FIRST, ADDED + TEXT)
    says(work)
    synced = stage.sync(work, FIRST)
    assert "carried_hook" in {s.name for s in synced.inventory.symbols}
    assert 'export_name = "carried_hook_8_0_1_pb"' in source(work, synced.lock.result_tree)


def test_a_scan_speaks_of_upstream_alone(work: Workspace) -> None:
    form(work, FIRST, ADDED + TEXT)
    says(work)
    stage.sync(work, FIRST)
    _, inventory = stage.scan(work, FIRST)
    assert "carried_hook" not in {s.name for s in inventory.symbols}


def test_a_release_that_has_the_change_says_so_and_does_without(work: Workspace, upstream: Upstream) -> None:
    form(work, FIRST, patched(TEXT))
    says(work)
    upstream.publish("11.0.2", change={FILE: patched(TEXT)})
    work.__dict__.pop("known", None)
    synced = stage.sync(work, Release(11, 0, 2))
    assert verdicts(synced.lock) == {"trap-code": Verdict.UPSTREAMED}
    assert "trap-code.patch" not in order(work, Release(11, 0, 2))


def test_from_the_release_that_the_policy_names_a_patch_is_dropped_by_name(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    says(work, until="9.0.0")
    assert verdicts(stage.sync(work, FIRST).lock) == {"trap-code": Verdict.UNCHANGED}
    later = stage.sync(work, NEXT).lock
    assert verdicts(later) == {"trap-code": Verdict.DROPPED_BY_POLICY}
    (row,) = (patch for patch in later.patches if patch.kind == "carried")
    assert (row.rule, row.sha256, row.files) == ("until 9.0.0", "", ())
    assert locks.parse(locks.render(later), where="lock") == later


def test_a_patch_is_for_the_releases_that_the_policy_names(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    says(work, last="8.0.1")
    assert verdicts(stage.sync(work, NEXT).lock) == {}


def test_a_conflict_names_every_place_and_nothing_is_written(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    says(work)
    with pytest.raises(ConflictError) as caught:
        stage.sync(work, LAST)
    assert "trap-code, conflict (its form for 8.0.1)" in str(caught.value)
    assert f"{FILE}:17: both sides changed the same lines" in str(caught.value)
    assert "`patchbot resolve 10.0.2`" in str(caught.value.hint)
    assert not (work.config.patches / "10.0.2").exists()


def test_a_form_of_its_own_ends_a_conflict(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    form(work, LAST, TEXT.replace("let code = 3;", "let code = 3300;"))
    says(work)
    assert verdicts(stage.sync(work, LAST).lock) == {"trap-code": Verdict.UNCHANGED}
    assert verdicts(stage.sync(work, NEXT).lock) == {"trap-code": Verdict.SHIFTED}, "the older form serves it"


def test_one_release_in_conflict_does_not_keep_the_others(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    says(work)
    done = dict(many.sync_all(work, [FIRST, NEXT, LAST], jobs=2))
    assert isinstance(done[LAST], ConflictError)
    assert order(work, FIRST)[0] == order(work, NEXT)[0] == "trap-code.patch"


def test_the_table_says_how_far_each_form_reaches(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    form(work, LAST, TEXT.replace("let code = 3;", "let code = 3300;"))
    says(work)
    done = many.sync_all(work, [FIRST, NEXT, LAST], jobs=1)
    text = screens.synced([many.outcome_to_json(release, outcome) for release, outcome in done])
    assert "trap-code (shifted), suffix-c" in text
    assert text.splitlines()[-2:] == [
        "trap-code  form 8.0.1   8.0.1 to 9.0.4  1 unchanged, 1 shifted",
        "trap-code  form 10.0.2  10.0.2          1 unchanged",
    ]


def test_what_rests_on_a_conflict_is_named_too(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    form(work, FIRST, TEXT.replace("let code = 5;", "let code = 500;"), name="trap-five")
    says(work)
    says(work, name="trap-five")
    with pytest.raises(ConflictError, match=r"trap-five, tainted .*\n    rests on trap-code"):
        stage.sync(work, LAST)


def test_two_patches_of_one_file_are_put_together(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    form(work, FIRST, TEXT.replace("let code = 5;", "let code = 500;"), name="trap-five")
    says(work)
    says(work, name="trap-five")
    text = source(work, stage.sync(work, NEXT).lock.result_tree)
    assert "let code = 300;" in text
    assert "let code = 500;" in text


def test_a_form_for_a_yanked_release_still_serves(work: Workspace, upstream: Upstream) -> None:
    form(work, FIRST, patched(TEXT))
    says(work)
    for file in (upstream.folder / "index").rglob("wasmtime*"):
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
        if rows:
            rows = [{**row, "yanked": row["vers"] == "8.0.1"} for row in rows]
            file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for cached in ("known", "source"):
        work.__dict__.pop(cached, None)
    assert verdicts(stage.sync(work, NEXT).lock) == {"trap-code": Verdict.SHIFTED}


def test_an_edited_form_makes_the_series_anew(work: Workspace) -> None:
    form(work, FIRST, patched(TEXT))
    says(work)
    stage.sync(work, FIRST)
    assert stage.sync(work, FIRST).change is Change.UNCHANGED
    form(work, FIRST, TEXT.replace("let code = 3;", "let code = 301;"))
    assert "trap-code.patch" in many.check_all(work, [FIRST], jobs=1)["8.0.1"]
    assert stage.sync(work, FIRST).change is Change.CHANGED
    assert many.check_all(work, [FIRST], jobs=1) == {}


def test_a_crate_that_a_carried_patch_changes_is_forked_for_it(work: Workspace) -> None:
    path = "crates/wasmtime/src/lib.rs"
    imports.import_release(work, FIRST)
    old = source(work, f"refs/patchbot/upstream/{FIRST}", path)
    form(work, FIRST, old + "\npub const FORK: bool = true;\n", path=path)
    says(work)
    synced = stage.sync(work, FIRST)
    (row,) = closures.close(work, [synced])
    assert row.closure.reasons["wasmtime"] == "is changed by trap-code"
    for twin in (False, True):  # a twin lacks the suffix, nothing else
        forked = forks.fork(work, row, twin=twin)
        (crate,) = (c for c in forked.crates if c.upstream.name == "wasmtime")
        assert b"FORK" in _unpacked(crate.data)["src/lib.rs"]


def _unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        out = {}
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                out[member.name.partition("/")[2]] = content.read()
    return out


# -- what is wrong on disk ----------------------------------------------------------------------------


def test_a_carried_patch_without_a_form_is_told(work: Workspace) -> None:
    says(work)
    with pytest.raises(ConfigError, match="the carried patch trap-code has no form"):
        stage.sync(work, FIRST)


def test_a_release_before_the_first_form_is_told(work: Workspace) -> None:
    form(work, NEXT, patched(TEXT.replace("let code = 2;", "let code = 22;")))
    says(work)
    with pytest.raises(ConfigError, match=r"has no form for 8\.0\.1; its first is for 9\.0\.4"):
        stage.sync(work, FIRST)


def test_a_form_must_be_named_by_a_release(work: Workspace) -> None:
    file = form(work, FIRST, patched(TEXT))
    says(work)
    file.rename(file.with_name("newest.patch"))
    with pytest.raises(ConfigError, match="is not named by a release"):
        stage.sync(work, FIRST)


def test_a_form_for_another_text_is_refused_with_its_line(work: Workspace) -> None:
    file = form(work, FIRST, patched(TEXT))
    says(work)
    lines = [line for line in file.read_bytes().splitlines() if not line.startswith(b"index ")]
    file.write_bytes(b"\n".join(lines).replace(b"let code = 3;", b"let code = 4;") + b"\n")
    with pytest.raises(RepositoryError, match=r"8\.0\.1\.patch:13: this hunk is not for line 14 of "):
        stage.sync(work, FIRST)


def test_a_form_must_say_who_wrote_it(work: Workspace) -> None:
    file = form(work, FIRST, patched(TEXT))
    says(work)
    data = file.read_bytes()
    file.write_bytes(data[data.index(b"diff --git") :])
    with pytest.raises(RepositoryError, match="does not say who wrote it and when"):
        stage.sync(work, FIRST)


def test_check_names_what_does_not_belong_to_a_carried_patch(work: Workspace) -> None:
    file = form(work, FIRST, patched(TEXT))
    says(work)
    stage.sync(work, FIRST)
    file.with_name("notes.txt").write_text("x")
    (work.config.patches / "carried" / "forgotten").mkdir()
    (work.config.patches / "carried" / "forgotten" / "8.0.1.patch").write_text("x")
    assert many.check_all(work, [FIRST], jobs=1) == {
        "carried/forgotten/8.0.1.patch": {"": "does not belong here"},
        "carried/trap-code/notes.txt": {"": "does not belong here"},
    }


def test_until_is_no_word_for_a_rule(work: Workspace) -> None:
    file = work.config.patches / "policy.toml"
    file.write_text(file.read_text().replace('kind = "generated"', 'kind = "generated"\nuntil = "9.0.0"', 1))
    work.__dict__.pop("policy", None)
    with pytest.raises(ConfigError, match="until is for carried patches"):
        stage.sync(work, FIRST)
