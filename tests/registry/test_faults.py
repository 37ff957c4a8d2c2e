"""What a registry or the way to it can do to a release: nothing is lost, nothing is there twice."""

from __future__ import annotations

import email.utils
import errno
import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from registry import parcels
from registry.faulty import Fault, Faulty, Scaled, errors

from patchbot import files
from patchbot.errors import EnvironmentProblem, PatchbotError, PublishError
from patchbot.model import IndexEntry
from patchbot.registry.remote import journal, plan, upload
from patchbot.registry.remote.client import Client, Patience
from patchbot.registry.remote.pacing import Pace
from patchbot.registry.remote.plan import Parcel
from patchbot.registry.remote.publish import Done
from patchbot.registry.remote.sending import Stopped

RELEASE = parcels.release()
BY_NAME = {parcel.entry.name: parcel for parcel in RELEASE}


@pytest.fixture
def registry() -> Iterator[Faulty]:
    with Faulty(clock=Scaled()) as running:
        yield running


def survives(registry: Faulty, folder: Path) -> Done:
    done = parcels.run(registry, folder, RELEASE)
    parcels.everything_once(registry, RELEASE)
    parcels.nothing_the_second_time(registry, folder, RELEASE)
    return done


def goes_on(registry: Faulty, folder: Path, release: list[Parcel] = RELEASE) -> None:
    """A run after one that failed."""
    parcels.run(registry, folder, release)
    parcels.everything_once(registry, release)
    parcels.nothing_the_second_time(registry, folder, release)


def waits(registry: Faulty) -> list[float]:
    assert isinstance(registry.clock, Scaled)
    return registry.clock.waits


# -- no fault ---------------------------------------------------------------------------------------


def test_a_release_is_published_dependencies_first_and_compared(registry: Faulty, tmp_path: Path) -> None:
    done = survives(registry, tmp_path)
    assert (done.sent, done.kept, done.verified) == (5, 0, 5)
    order = registry.order
    assert order.index("base") < min(order.index("left"), order.index("right"))
    assert order.index("top") > max(order.index("left"), order.index("right"))
    assert registry.puts == registry.stored


def test_several_are_in_flight_where_the_order_allows_and_never_more(
    registry: Faulty, tmp_path: Path
) -> None:
    registry.delay = 0.05
    many = [parcels.parcel(f"leaf-{n}") for n in range(9)]
    parcels.run(registry, tmp_path, many, in_flight=3)
    assert registry.most_at_once == 3
    parcels.everything_once(registry, many)


# -- told to wait -----------------------------------------------------------------------------------


def test_429_with_seconds(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("upload", "left", Fault(429, headers={"Retry-After": "37"}))
    survives(registry, tmp_path)
    assert max(waits(registry)) == pytest.approx(37, abs=1)
    assert registry.puts["left 1.2.3"] == 2


def test_429_with_a_date(registry: Faulty, tmp_path: Path) -> None:
    after = email.utils.formatdate(registry.clock.now() + 500, usegmt=True)
    registry.fault("upload", "base", Fault(429, headers={"Retry-After": after}))
    survives(registry, tmp_path)
    assert 400 < max(waits(registry)) <= 500


def test_429_with_a_date_in_its_words(registry: Faulty, tmp_path: Path) -> None:
    date = email.utils.formatdate(registry.clock.now() + 500, usegmt=True)
    words = f"You have published too many crates. Please try again after {date} or email us"
    registry.fault("upload", "base", Fault(429, errors(words)))
    survives(registry, tmp_path)
    assert 400 < max(waits(registry)) <= 500


@pytest.mark.parametrize("status", [429, 503])
def test_come_later_without_a_time(registry: Faulty, tmp_path: Path, status: int) -> None:
    registry.fault("upload", "top", *[Fault(status)] * 9)
    survives(registry, tmp_path)
    assert registry.puts["top 1.2.3"] == 10
    assert max(waits(registry)) <= 60


def test_a_wait_that_is_too_long_ends_the_run(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("upload", "base", Fault(429, headers={"Retry-After": "86400"}))
    with pytest.raises(PublishError, match="asks to wait 86400 s") as caught:
        parcels.run(registry, tmp_path, RELEASE)
    assert "goes on" in (caught.value.hint or "")
    goes_on(registry, tmp_path)


def test_a_registry_that_never_takes_it_ends_the_run(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("upload", "base", *[Fault(429)] * 40)
    with pytest.raises(PublishError, match="puts it off for more than 600 s"):
        parcels.run(registry, tmp_path, [BY_NAME["base"]])
    assert registry.puts["base 1.2.3"] < 30


def test_what_one_upload_is_told_holds_for_all(registry: Faulty, tmp_path: Path) -> None:
    many = [parcels.parcel(f"leaf-{n}") for n in range(6)]
    registry.fault("upload", "leaf-0", Fault(429, headers={"Retry-After": "100"}))
    parcels.run(registry, tmp_path, many, in_flight=1)
    assert registry.order[0] != "never"
    assert sum(registry.puts.values()) == 7
    parcels.everything_once(registry, many)


def test_uploads_keep_to_their_rate(registry: Faulty, tmp_path: Path) -> None:
    many = [parcels.parcel(f"leaf-{n}") for n in range(5)]
    started = registry.clock.now()
    pace = Pace(registry.clock, per_minute=6, burst=2)
    parcels.run(registry, tmp_path, many, pace=pace)
    assert registry.clock.now() - started >= 30  # two at once, and three with ten seconds before each


# -- nobody knows what became of it -----------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(500), id="500 before it was stored"),
        pytest.param(Fault(500, stored=True), id="500 after it was stored"),
        pytest.param(Fault(503, stored=True), id="503 after it was stored"),
        pytest.param(Fault(504, stored=True), id="504 of a proxy after it was stored"),
        pytest.param(Fault(stored=True, reply=False), id="reply lost"),
        pytest.param(Fault(reply=False), id="closed without a reply"),
        pytest.param(Fault(read=50), id="reset in the middle of the body"),
        pytest.param(Fault(200, b"<html>please log in</html>"), id="something else answers"),
        pytest.param(Fault(200, b"<html>", stored=True), id="something else answers after it was stored"),
    ],
)
@pytest.mark.parametrize("name", ["base", "top"])
def test_an_unknown_outcome_is_asked_before_anything_is_sent_again(
    registry: Faulty, tmp_path: Path, fault: Fault, name: str
) -> None:
    registry.fault("upload", name, fault)
    done = survives(registry, tmp_path)
    assert done.sent == 5
    assert registry.puts[f"{name} 1.2.3"] == (1 if fault.stored else 2)


def test_an_unknown_outcome_behind_an_index_that_lags(registry: Faulty, tmp_path: Path) -> None:
    registry.lag = 30
    registry.fault("upload", "base", Fault(stored=True, reply=False))
    survives(registry, tmp_path)
    assert registry.puts["base 1.2.3"] == 1, "the store has it, whatever the index says"


def test_a_registry_that_fails_for_good_ends_the_run_and_the_next_goes_on(
    registry: Faulty, tmp_path: Path
) -> None:
    registry.fault("upload", "left", *[Fault(500)] * 6)
    with pytest.raises(PublishError, match=r"left 1\.2\.3: 6 attempts have failed \(500") as caught:
        parcels.run(registry, tmp_path, RELEASE)
    assert "goes on" in (caught.value.hint or "")
    assert "top" not in registry.order
    goes_on(registry, tmp_path)


def test_no_registry_at_all(tmp_path: Path) -> None:
    with Faulty(clock=Scaled()) as gone:
        to = parcels.client(gone, clock=gone.clock)
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        parcels.run(gone, tmp_path, RELEASE, to=to)


# -- an index that lags -----------------------------------------------------------------------------


def test_an_index_that_lags_is_waited_for(registry: Faulty, tmp_path: Path) -> None:
    registry.lag = 30
    survives(registry, tmp_path)
    assert registry.puts == registry.stored


def test_an_index_that_never_shows_what_was_accepted(registry: Faulty, tmp_path: Path) -> None:
    registry.lag = 1e9
    with pytest.raises(PublishError, match="was accepted, but the index does not show it after 600 s"):
        parcels.run(registry, tmp_path, [BY_NAME["base"]])
    registry.lag = 0
    goes_on(registry, tmp_path, [BY_NAME["base"]])
    assert registry.puts["base 1.2.3"] == 1


def test_an_upload_that_was_accepted_and_lost_is_sent_again(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("upload", "base", Fault(200, b"{}"))
    to = parcels.client(registry, clock=registry.clock, patience=Patience(visible=60))
    with pytest.raises(PublishError, match="was accepted, but"):
        parcels.run(registry, tmp_path, RELEASE, to=to)
    goes_on(registry, tmp_path)


@pytest.mark.parametrize("state", [journal.State.UPLOADING, journal.State.UPLOADED])
def test_what_a_killed_run_has_sent_is_not_sent_again_though_the_index_lags(
    registry: Faulty, tmp_path: Path, state: journal.State
) -> None:
    base = BY_NAME["base"]
    to = parcels.client(registry, clock=registry.clock)
    made = plan.make([base], {})
    journal.Journal(journal.folder(tmp_path, to.target), to.target, made, to.clock).add(state, base)
    registry.lag = 30
    registry.store(upload.metadata(base.data, own=()), base.data)
    parcels.run(registry, tmp_path, [base], to=to)
    assert registry.puts["base 1.2.3"] == 0
    parcels.nothing_the_second_time(registry, tmp_path, [base])


# kellnr 6.6.0 lets go of an upload whose connection ends between its storage and its database
HALF = Fault(half=True, reply=False)


def test_what_is_stored_and_not_listed_is_sent_again(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("upload", "left", HALF)
    survives(registry, tmp_path)
    assert registry.puts["left 1.2.3"] == 2
    assert sum(waits(registry)) >= 60, "an index that lags would show it by then"


def test_what_a_killed_run_has_left_half_is_sent_again(registry: Faulty, tmp_path: Path) -> None:
    base = BY_NAME["base"]
    to = parcels.client(registry, clock=registry.clock)
    made = plan.make([base], {})
    journal.Journal(journal.folder(tmp_path, to.target), to.target, made, to.clock).add(
        journal.State.UPLOADING, base
    )
    registry.store_half(upload.metadata(base.data, own=()), base.data)
    told: list[str] = []
    parcels.run(registry, tmp_path, [base], to=to, told=told)
    parcels.everything_once(registry, [base])
    assert told == ["base 1.2.3 is stored, but not in the index after 60 s: it is sent again"]
    parcels.nothing_the_second_time(registry, tmp_path, [base])


def test_a_registry_that_never_lists_what_it_has_stored_is_told_with_what_helps(
    registry: Faulty, tmp_path: Path
) -> None:
    registry.keeps_halves = True
    registry.fault("upload", "left", HALF)
    with pytest.raises(PublishError, match=r"left 1.2.3 is stored, but the index does not show it") as caught:
        parcels.run(registry, tmp_path, RELEASE)
    assert "have what is stored of it removed" in (caught.value.hint or "")
    registry.keeps_halves = False  # whoever runs it has removed it
    goes_on(registry, tmp_path)


def test_a_registry_that_was_emptied_is_filled_again(tmp_path: Path) -> None:
    told: list[str] = []
    with Faulty(clock=Scaled()) as registry:
        parcels.run(registry, tmp_path, RELEASE)
        registry.forget()
        done = parcels.run(registry, tmp_path, RELEASE, told=told)
        assert (done.sent, done.verified) == (5, 5)
        assert max(waits(registry), default=0) < 60, "nothing to wait for"
        parcels.everything_once(registry, RELEASE)
        parcels.nothing_the_second_time(registry, tmp_path, RELEASE)
    assert "base 1.2.3 was in test-registry before, and is gone from its index" in told


# -- it says no -------------------------------------------------------------------------------------


def test_200_with_an_error_is_an_error(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("upload", "left", Fault(200, errors("missing field `license`", "and more")))
    with pytest.raises(PublishError, match=r"refuses left.*missing field `license`; and more"):
        parcels.run(registry, tmp_path, RELEASE)
    goes_on(registry, tmp_path)


def test_a_refusal_starts_nothing_new(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("upload", "base", Fault(413, errors("max upload size is 10 bytes")))
    with pytest.raises(PublishError, match="413: max upload size"):
        parcels.run(registry, tmp_path, RELEASE, in_flight=1)
    assert set(registry.order) <= {"alone"}
    goes_on(registry, tmp_path)


def test_warnings_are_handed_on(registry: Faulty, tmp_path: Path) -> None:
    body = b'{"warnings": {"invalid_categories": ["zz"], "invalid_badges": [], "other": ["slow down"]}}'
    registry.fault("upload", "base", Fault(200, body, stored=True))
    done = survives(registry, tmp_path)
    assert done.warnings == ("base 1.2.3: no such category: zz", "base 1.2.3: slow down")


# -- it is there already ----------------------------------------------------------------------------


def test_the_same_bytes_are_left_alone(registry: Faulty, tmp_path: Path) -> None:
    base = BY_NAME["base"]
    registry.add(base.entry, base.data)
    done = parcels.run(registry, tmp_path, RELEASE)
    assert (done.sent, done.kept, done.verified) == (4, 1, 5)
    assert registry.puts["base 1.2.3"] == 0


def test_the_same_bytes_that_somebody_else_sends_meanwhile(registry: Faulty, tmp_path: Path) -> None:
    base = BY_NAME["base"]
    # Between our look at the index and our upload: the server says that it has the version.
    registry.fault("index", "base", Fault(404))
    registry.add(base.entry, base.data)
    done = parcels.run(registry, tmp_path, RELEASE)
    assert registry.stored["base 1.2.3"] == 0
    assert (done.sent, done.kept) == (4, 1)
    parcels.nothing_the_second_time(registry, tmp_path, RELEASE)


def test_other_bytes_stop_the_run_before_anything_is_sent(registry: Faulty, tmp_path: Path) -> None:
    other = parcels.parcel("top", ("left", "right"), text="other")
    registry.add(other.entry, other.data)
    with pytest.raises(PublishError, match=f"{other.entry.sha256}.*{BY_NAME['top'].entry.sha256}") as caught:
        parcels.run(registry, tmp_path, RELEASE)
    assert "fork.revisions" in (caught.value.hint or "")
    assert sum(registry.puts.values()) == 0


def test_other_bytes_that_somebody_else_sends_meanwhile(registry: Faulty, tmp_path: Path) -> None:
    other = parcels.parcel("base", text="other")
    registry.fault("index", "base", Fault(404))
    registry.add(other.entry, other.data)
    with pytest.raises(PublishError, match=f"is published as {other.entry.sha256}"):
        parcels.run(registry, tmp_path, RELEASE)
    assert registry.stored["base 1.2.3"] == 0
    assert registry.download("base", "1.2.3") == other.data


def test_other_bytes_that_the_index_does_not_show_yet(registry: Faulty, tmp_path: Path) -> None:
    other = parcels.parcel("base", text="other")
    registry.lag = 30
    registry.store(upload.metadata(other.data, own=()), other.data)
    registry.fault("upload", "base", Fault(500))
    with pytest.raises(PublishError, match=f"is published as {other.entry.sha256}"):
        parcels.run(registry, tmp_path, RELEASE)
    assert registry.puts["base 1.2.3"] == 1


def test_a_registry_that_would_overwrite_is_not_made_to(registry: Faulty, tmp_path: Path) -> None:
    registry.overwrites = True
    survives(registry, tmp_path)


# -- what it serves ---------------------------------------------------------------------------------


def test_a_truncated_download_is_asked_for_again(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("download", "left", Fault(cut=100))
    survives(registry, tmp_path)


def test_wrong_bytes_once_are_a_cache_at_fault(registry: Faulty, tmp_path: Path) -> None:
    registry.fault("download", "left", Fault(change=lambda data: data[:-1]))
    survives(registry, tmp_path)


def test_wrong_bytes_for_good_are_told_with_both_digests(registry: Faulty, tmp_path: Path) -> None:
    wrong = hashlib.sha256(BY_NAME["left"].data[:-1]).hexdigest()
    registry.fault("download", "left", *[Fault(change=lambda data: data[:-1])] * 6)
    with pytest.raises(PublishError, match=f"serves {wrong} as left.*{BY_NAME['left'].entry.sha256}"):
        parcels.run(registry, tmp_path, RELEASE)
    known = journal.recall(next((tmp_path / "publish").iterdir()))
    states = {name: state for ((name, _), _), state in known.items()}
    assert states.pop("left") is journal.State.VISIBLE
    assert set(states.values()) == {journal.State.VERIFIED}
    parcels.everything_once(registry, RELEASE)


def test_a_wrong_checksum_in_the_index_is_other_bytes(registry: Faulty, tmp_path: Path) -> None:
    base = BY_NAME["base"]
    registry.add(base.entry, base.data, cksum="0" * 64)
    with pytest.raises(PublishError, match="is published as 0000"):
        parcels.run(registry, tmp_path, RELEASE)
    assert sum(registry.puts.values()) == 0


# -- tokens -----------------------------------------------------------------------------------------


def test_an_expired_token_ends_the_run_and_a_new_one_goes_on(registry: Faulty, tmp_path: Path) -> None:
    def expire(step: str) -> None:
        if step == "stored" and len(registry.order) == 3:
            registry.token = "another-secret-of-the-test"  # noqa: S105 - a test's

    registry.on_step = expire
    with pytest.raises(PublishError, match="does not take the token") as caught:
        parcels.run(registry, tmp_path, RELEASE, in_flight=1)
    assert "TEST_REGISTRY_TOKEN" in (caught.value.hint or "")
    assert sum(registry.stored.values()) == 3
    goes_on(registry, tmp_path)


@pytest.mark.parametrize("private", [False, True])
def test_a_provider_that_has_a_fresh_token_is_asked_for_it(
    registry: Faulty,
    tmp_path: Path,
    private: bool,  # noqa: FBT001
) -> None:
    variable = "CARGO_REGISTRIES_TEST_REGISTRY_TOKEN"
    environ = {variable: registry.token or ""}
    registry.auth_required = private

    def expire(step: str) -> None:
        if step == "stored" and len(registry.order) == 2:
            registry.token = environ[variable] = "another-secret-of-the-test"  # noqa: S105 - a test's

    registry.on_step = expire
    to = parcels.client(registry, clock=registry.clock, environ=environ)
    assert parcels.run(registry, tmp_path, RELEASE, to=to).sent == 5
    parcels.everything_once(registry, RELEASE)


def test_a_registry_that_wants_a_token_for_everything(registry: Faulty, tmp_path: Path) -> None:
    registry.auth_required = True
    survives(registry, tmp_path)


@pytest.mark.parametrize("environ", [{}, {"CARGO_REGISTRIES_TEST_REGISTRY_TOKEN": "wrong"}])
def test_without_a_token_that_does_nothing_happens(
    registry: Faulty, tmp_path: Path, environ: Mapping[str, str]
) -> None:
    to = parcels.client(registry, clock=registry.clock, environ=environ)
    with pytest.raises(PublishError, match="token"):
        parcels.run(registry, tmp_path, RELEASE, to=to)
    assert not registry.stored


def test_no_token_is_ever_shown(registry: Faulty, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = registry.token
    assert secret is not None
    told: list[str] = []
    shown: list[str] = []
    registry.fault("upload", "base", Fault(429, headers={"Retry-After": "2"}), Fault(500), Fault(read=10))
    parcels.run(registry, tmp_path, RELEASE, told=told)
    faults = [Fault(403, errors("no")), Fault(413), Fault(418), Fault(301), *[Fault(500)] * 6]
    for number, fault in enumerate(faults[:5]):
        registry.fault("upload", f"more-{number}", *[fault] * (6 if fault.status == 500 else 1))
        with pytest.raises(PatchbotError) as caught:
            parcels.run(registry, tmp_path, [parcels.parcel(f"more-{number}")], told=told)
        shown += [
            repr(caught.value),
            str(caught.value),
            str(caught.value.hint),
            str(caught.getrepr()),
        ]
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"uploading" in written
    out = capfd.readouterr()
    assert secret not in "\n".join([*told, *shown, written.decode(), out.out, out.err])
    assert all(h.get("Authorization") == secret for m, _, h in registry.requests if m == "PUT")
    assert not any("Authorization" in h for m, _, h in registry.requests if m == "GET"), (
        "nobody asked for one"
    )


# -- the machine ------------------------------------------------------------------------------------


def no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("survived", range(12))
def test_a_full_disk_ends_the_run_and_the_next_goes_on(
    registry: Faulty, tmp_path: Path, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's n-th line finds no room."""
    count = 0
    lock = threading.Lock()
    real = files.append

    def full(file: Path, data: bytes, *, durable: bool = True) -> None:
        nonlocal count
        with lock, monkeypatch.context() as patch:
            count += 1
            if count > survived:
                patch.setattr("os.fsync", no_room)
            real(file, data, durable=durable or count > survived)

    with monkeypatch.context() as patch:
        patch.setattr(files, "append", full)
        with pytest.raises(EnvironmentProblem, match="No space left") as caught:
            parcels.run(registry, tmp_path, RELEASE)
        assert "full" in (caught.value.hint or "")
    goes_on(registry, tmp_path)


def test_ctrl_c_while_it_waits_ends_at_once(tmp_path: Path) -> None:
    with Faulty() as registry:  # real time
        registry.fault("upload", "base", Fault(429, headers={"Retry-After": "300"}))
        to = parcels.client(registry, clock=registry.clock)
        threading.Timer(0.3, to.stop.set).start()
        started = time.monotonic()
        with pytest.raises(Stopped):
            parcels.run(registry, tmp_path, RELEASE, to=to)
        assert time.monotonic() - started < 5
        goes_on(registry, tmp_path)


def test_a_failure_ends_what_others_wait_for(tmp_path: Path) -> None:
    with Faulty() as registry:  # real time
        registry.fault("upload", "alone", Fault(429, headers={"Retry-After": "300"}))
        registry.fault("upload", "base", Fault(413))
        registry.delay = 0.3  # so that alone waits by then
        started = time.monotonic()
        with pytest.raises(PublishError, match="refuses base"):
            parcels.run(registry, tmp_path, [BY_NAME["alone"], BY_NAME["base"]])
        assert time.monotonic() - started < 20
        goes_on(registry, tmp_path)


def test_patience_is_what_the_client_was_given() -> None:
    with Faulty(clock=Scaled()) as registry:
        patience = Patience(attempts=2)
        to: Client = parcels.client(registry, clock=registry.clock, patience=patience)
        registry.fault("index", "*", Fault(502), Fault(502))
        with pytest.raises(EnvironmentProblem, match="it answers 502"):
            to.entries("base")
        assert to.entries("base") == {}
        to.close()


def test_an_entry_is_read_as_the_index_has_it() -> None:
    with Faulty(clock=Scaled()) as registry:
        registry.add(BY_NAME["top"].entry, BY_NAME["top"].data)
        to = parcels.client(registry, clock=registry.clock)
        found: IndexEntry = to.entries("top")["1.2.3"]
        assert found.dependencies == BY_NAME["top"].entry.dependencies
        to.close()
