"""The store keeps what it acknowledged, refuses what it should, and heals what was damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from bundles import make_bundle

from edgeq.agent.errors import Refused
from edgeq.agent.golden import difference, limit
from edgeq.agent.staging import stage
from edgeq.agent.store import State, Store
from edgeq.bundle import Bundle
from edgeq.protocol.status import Status


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fill(store: Store, bundle: Bundle) -> None:
    for name in (*bundle.files, "manifest.json"):
        data = bundle.path(name).read_bytes()
        store.blobs.put(sha(data), 0, len(data), data)


def silent(_text: str) -> None:
    pass


def test_staging_the_same_bundle_twice_is_one_release(tmp_path: Path) -> None:
    store, bundle = Store(tmp_path / "store"), make_bundle(tmp_path / "bundle")
    fill(store, bundle)
    assert (
        stage(store, bundle.digest, [], silent)
        == stage(store, bundle.digest, [], silent)
        == {"n": 1, "state": "staged"}
    )
    assert json.loads((tmp_path / "store/releases/1/interface.json").read_text())["labels"] == ["left", "right", "none"]


def test_a_damaged_blob_is_found_and_dropped(tmp_path: Path) -> None:
    store, bundle = Store(tmp_path / "store"), make_bundle(tmp_path / "bundle")
    fill(store, bundle)
    model = store.blobs.path(bundle.files["model.tflite"][0])
    model.write_bytes(b"\0" + model.read_bytes()[1:])
    with pytest.raises(Refused) as no:
        stage(store, bundle.digest, [], silent)
    assert no.value.status == Status.DIGEST
    assert store.blobs.wanted(bundle.files["model.tflite"][0]) == 0
    fill(store, bundle)
    assert stage(store, bundle.digest, [], silent)["n"] == 1


def test_what_a_later_agent_wrote_is_kept(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store/state").write_text(json.dumps({**State(next=7).to_json(), "later": [1]}))
    store = Store(tmp_path / "store")
    assert store.state.next == 7
    store.save()
    assert json.loads((tmp_path / "store/state").read_text())["later"] == [1]


def test_a_save_that_failed_is_taken_back_from_the_file_and_settled(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.save()
    (tmp_path / "store/state.part").mkdir()  # in the way of the next save
    store.state.next = 9
    with pytest.raises(OSError, match="directory"):
        store.save()
    store.reload()
    assert store.state.next == 1
    with pytest.raises(OSError, match="directory"):
        store.settle()
    (tmp_path / "store/state.part").rmdir()
    store.settle()
    store.settle()


@pytest.mark.parametrize(
    ("variable", "settings", "keep"),
    [
        ("", "", 5),
        ("2", "", 2),
        ("", '{"keep": 3}', 3),
        ("0", '{"keep": 3}', 1),
        ("many", '{"keep": 3}', 5),
        ("", '{"keep": "x"}', 5),
        ("", "[", 5),
    ],
)
def test_how_many_releases_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, settings: str, keep: int
) -> None:
    store = Store(tmp_path / "store")
    monkeypatch.setenv("EDGEQ_KEEP", variable)
    if settings:
        (tmp_path / "store/settings.json").write_text(settings)
    assert store.keep == keep


def test_what_serves_what_served_before_and_a_trial_are_never_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEQ_KEEP", "1")
    store = Store(tmp_path / "store")
    for index in range(6):
        bundle = make_bundle(tmp_path / f"bundle-{index}", name=f"m{index}")
        fill(store, bundle)
        n = stage(store, bundle.digest, [], silent)["n"]
        if n in (1, 2, 3):
            setattr(store.state, ("previous", "current", "trial")[n - 1], n)
    assert sorted(store.state.releases) == [1, 2, 3, 6]


def test_what_a_crash_left_half_done_is_put_away(tmp_path: Path) -> None:
    store, bundle = Store(tmp_path / "store"), make_bundle(tmp_path / "bundle")
    fill(store, bundle)
    stage(store, bundle.digest, [], silent)
    for left in ("releases/2.part", "releases/9", "runtimes/abc.part"):
        (tmp_path / "store" / left).mkdir()
    Store(tmp_path / "store").recover()
    assert [path.name for path in (tmp_path / "store/releases").iterdir()] == ["1"]
    assert list((tmp_path / "store/runtimes").iterdir()) == []


def test_old_releases_and_their_blobs_go(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for index in range(8):
        bundle = make_bundle(tmp_path / f"bundle-{index}", name=f"m{index}")
        fill(store, bundle)
        n = stage(store, bundle.digest, [], silent)["n"]
        if index == 0:
            store.state.current = n
    assert sorted(store.state.releases) == [1, 4, 5, 6, 7, 8]
    assert len(list((tmp_path / "store/blobs").iterdir())) == 3 + 6
    store.check_release(1)


@pytest.mark.parametrize("damage", ["", "{", "null", "[]", '{"schema": 1, "releases": []}'])
def test_a_damaged_state_is_told_by_name(tmp_path: Path, damage: str) -> None:
    Store(tmp_path).save()
    (tmp_path / "state").write_text(damage)
    with pytest.raises(Refused, match="state is damaged") as no:
        Store(tmp_path)
    assert no.value.status == Status.IO


def test_damaged_facts_of_a_release_keep_no_store_from_opening(tmp_path: Path) -> None:
    store, bundle = Store(tmp_path / "store"), make_bundle(tmp_path / "bundle")
    fill(store, bundle)
    stage(store, bundle.digest, [], silent)
    with store.change() as state:
        state.current = 1
    for damage in ("{", "[]", '{"wheels": 3}'):
        (tmp_path / "store/releases/1/release.json").write_text(damage)
        again = Store(tmp_path / "store")
        again.recover()
        again.prune()
        assert (again.current, again.state.current) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"kind": "other"},
        {"files": {"../x": {"sha256": "a" * 64}}},
        {"files": {"release.json": {"sha256": "a" * 64}}},
        {"files": {"signature.json": {"sha256": "a" * 64}}},
        {"confirm": []},
        {"confirm": {"later": 1}},
        {"confirm": {"window_s": -1}},
        {"security_version": "1"},
        {"files": {"a": {"sha256": "../x"}}},
        {"files": 3},
        {"files": ["a"]},
        {"name": None},
        {"arch": 3},
        {"runtime": {}},
        {"runtime": {"name": "x", "version": None, "wheels": []}},
    ],
    ids=str,
)
def test_hostile_manifests_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    store, bundle = Store(tmp_path / "store"), make_bundle(tmp_path / "bundle")
    data = json.dumps({**bundle.manifest, **change}).encode()
    store.blobs.put(sha(data), 0, len(data), data)
    with pytest.raises(Refused) as no:
        stage(store, sha(data), [], silent)
    assert no.value.status in (Status.INVALID, Status.NEWER)


@pytest.mark.parametrize(
    ("dtype", "got", "want", "off"),
    [
        ("int8", b"\x7f\x00", b"\x80\x00", 255),
        ("uint8", b"\xff", b"\x00", 255),
        ("int16", b"\x00\x01", b"\x00\x00", 256),
        ("float32", b"\x00\x00\xc0\x7f", b"\x00\x00\x00\x00", float("inf")),
        ("float32", b"\x00\x00\x80\x3f", b"\x00\x00\x00\x00", 1.0),
        ("int8", b"\x00", b"\x00\x00", float("inf")),
        ("int8", b"", b"", 0),
    ],
)
def test_difference_of_tensors(dtype: str, got: bytes, want: bytes, off: float) -> None:
    assert difference(dtype, got, want) == off


def test_the_tolerance_is_in_steps() -> None:
    assert (limit("int8", 2), limit("float32", 1)) == (2, 1e-3)
