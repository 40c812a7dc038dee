"""A profile of one's own is a copy that claims nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeq.errors import TargetError
from edgeq.host.paths import shipped
from edgeq.target import load_target, new_target

NAMES = sorted(path.stem for path in shipped("targets").glob("*.toml"))


@pytest.mark.parametrize("like", NAMES)
def test_a_copy_differs_in_who_it_is_and_in_nothing_else(
    tmp_path: Path, like: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = new_target("my-board", like)
    assert path == Path("targets/my-board.toml")
    copy, model = load_target("my-board"), load_target(like)
    assert (copy.title, copy.aliases, copy.evidence) == (f"my-board (a copy of {like})", (), "documented")
    assert replace(copy, name=like, title=model.title, aliases=model.aliases, evidence=model.evidence) == replace(
        model, path=copy.path
    )
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith(f"# Copied from {like}. ")
    assert "checked" in first
    assert len(rest) == len(model.path.read_text(encoding="utf-8").splitlines())


def test_a_list_over_several_lines_and_quotes_are_copied_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_TARGET_PATH", str(tmp_path))
    text = load_target("rpi4").path.read_text(encoding="utf-8").replace('name = "rpi4"', 'name = "one"')
    text = text.replace('["raspberry-pi-4", "raspberrypi4", "pi4"]', '[\n  "first", # [of two\n  "second",\n]')
    (tmp_path / "one.toml").write_text(text, encoding="utf-8")
    assert load_target("SECOND").name == "one"
    new_target("two", "first", tmp_path)
    assert load_target("two").aliases == ()
    assert load_target("second").name == "one"


@pytest.mark.parametrize("name", ["rpi4", "PI5", "no such/place", "My Board", "", "-x"])
def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TargetError, match="already" if name == "rpi4" else "cannot name a target"):
        new_target(name, "rpi4", tmp_path / "targets")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TargetError, match=r"mine\.toml' cannot be written") as error:
        new_target("mine", "pi4", tmp_path / "file")
    assert "--output-dir" in error.value.hint


def test_nothing_is_overwritten_and_the_model_must_exist(tmp_path: Path) -> None:
    path = new_target("mine", "pi4", tmp_path)
    before = path.read_bytes()
    with pytest.raises(TargetError, match="There is a target 'mine' already"):
        new_target("mine", "rpi5", tmp_path)
    with pytest.raises(TargetError, match="There is a target 'pico' already"):
        new_target("pico", "rpi5", tmp_path)
    with pytest.raises(TargetError, match="no target 'pi99'"):
        new_target("other", "pi99", tmp_path)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [before]
