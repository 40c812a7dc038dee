from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeq.errors import UsageError
from edgeq.finding import Finding
from edgeq.passport.origin import Specs, model_sha256, spec_of, specs_of, target_sha256, untold
from edgeq.target import load_target


def test_names_are_relative_to_the_project_and_never_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    assert spec_of(root, root / "data" / "x.npz") == "data/x.npz"
    assert spec_of(root, tmp_path / "other" / "x.npz") == "x.npz", "of what lies outside only its name"
    monkeypatch.chdir(root / "data")
    assert spec_of(Path(".."), "x.npz") == "data/x.npz"
    assert spec_of(root, "loader:samples") == "loader:samples"
    assert specs_of(root, root / "m.keras", None, "loader:f", ["a"]) == Specs("m.keras", None, "loader:f", None)
    assert specs_of(root, root / "m.keras", None, None, root / "labels.txt").labels == "labels.txt"


def test_links_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "far.npz").write_bytes(b"1")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "near.npz").symlink_to(tmp_path / "far.npz")
    assert spec_of(tmp_path / "project", tmp_path / "project" / "near.npz") == "near.npz"


def test_findings_do_not_tell_where_data_lies(tmp_path: Path) -> None:
    given = tmp_path / "images"
    finding = Finding("data", "warning", f"3 other files skipped in '{given}'; '{given / 'x'}' too.", f"See '{given}'.")
    (found,) = untold([finding], [(given, "images"), (None, None)])
    assert found.message == "3 other files skipped in 'images'; 'images/x' too."
    assert found.hint == "See 'images'."


def test_any_byte_of_a_model_counts(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "data").write_bytes(b"weights")
    before = model_sha256(folder)
    (folder / "variables" / "data").write_bytes(b"weightz")
    changed = model_sha256(folder)
    (folder / "variables" / "data").write_bytes(b"weights")
    assert before != changed
    assert model_sha256(folder) == before
    (folder / "variables" / "data").rename(folder / "data")
    assert model_sha256(folder) != before
    with pytest.raises(UsageError, match="cannot be read"):
        model_sha256(tmp_path / "none")


def test_the_digest_of_a_target_is_of_its_hardware() -> None:
    target = load_target("rpi4")
    assert target_sha256(replace(target, path=Path("elsewhere"), title="Pi")) == target_sha256(target)
    memory = replace(target.memory, source="somebody said so")
    assert target_sha256(replace(target, memory=memory)) == target_sha256(target)
    assert target_sha256(replace(target, memory=replace(memory, ram_bytes=1))) != target_sha256(target)
