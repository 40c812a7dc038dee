"""Finding a profile: by name or alias, the user's folders first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeq.errors import TargetError
from edgeq.host.paths import shipped
from edgeq.target import all_targets, broken_targets, load_target, target_folders

RPI4 = (shipped("targets") / "rpi4.toml").read_text(encoding="utf-8")
PLACES = ("./targets", "EDGEQ_TARGET_PATH", "EDGEQ_TARGET_PATH, second", "~/.config/edgeq/targets")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Folders of the user's, made when asked for, searched in the order of PLACES."""
    names = ("work/targets", "one", "two", "home/.config/edgeq/targets")
    folders = dict(zip(PLACES, (tmp_path / name for name in names), strict=True))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EDGEQ_TARGET_PATH", os.pathsep.join(str(folders[place]) for place in PLACES[1:3]))

    def make(name: str) -> Path:
        folders[name].mkdir(parents=True, exist_ok=True)
        return folders[name]

    return make


def put(folder: Path, name: str, *aliases: str) -> None:
    text = RPI4.replace('name = "rpi4"', f'name = "{name}"')
    (folder / f"{name}.toml").write_text(
        text.replace('"raspberry-pi-4", "raspberrypi4", "pi4"', ", ".join(f'"{alias}"' for alias in aliases)),
        encoding="utf-8",
    )


@pytest.mark.parametrize("name", PLACES)
def test_a_folder_of_the_user_comes_before_what_ships(place: Callable[[str], Path], name: str) -> None:
    folder = place(name)
    put(folder, "board9", "b9")
    put(folder, "rpi4")
    assert load_target("board9").path.resolve().parent == load_target("B9").path.resolve().parent == folder
    assert load_target("rpi4").path.resolve().parent == folder
    found = [profile.name for profile in all_targets()]
    assert found == sorted(found)
    assert found.count("rpi4") == found.count("board9") == 1


def test_an_earlier_folder_hides_a_later_one(place: Callable[[str], Path]) -> None:
    folders = [place(name) for name in PLACES]
    assert [folder.resolve() for folder in target_folders()] == [*folders, shipped("targets").resolve()]
    while folders:
        put(folders[-1], "zz-board", "pi4")
        assert load_target("zz-board").path.resolve().parent == folders[-1]
        assert load_target("Pi4").path.resolve().parent == folders[-1]
        folders.pop()


def test_a_broken_profile_is_told_and_stops_nobody_else(place: Callable[[str], Path]) -> None:
    folder = place(PLACES[3])
    put(folder, "board9", "b9")
    names = [profile.name for profile in all_targets()]
    assert broken_targets() == []
    (folder / "aa-bad.toml").write_text("schema = ", encoding="utf-8")
    put(folder, "older")
    (folder / "newer.toml").write_bytes((folder / "older.toml").read_bytes())
    assert [profile.name for profile in all_targets()] == sorted([*names, "older"])
    bad, named = broken_targets()
    assert "aa-bad.toml: cannot be read as TOML" in bad.message and "newer.toml" in named.message
    assert load_target("B9").name == load_target("board9").name == "board9"
    with pytest.raises(TargetError, match=r"newer\.toml"):
        load_target("newer")
    with pytest.raises(TargetError, match="no target 'rpi44'") as error:
        load_target("rpi44")
    assert "'rpi4'" in error.value.hint and "Passed over:" in error.value.hint and "aa-bad.toml" in error.value.hint


def test_a_folder_that_does_not_exist_is_passed_over(place: Callable[[str], Path]) -> None:
    assert target_folders() == [shipped("targets")]


def test_names_and_aliases_are_found_whatever_their_case() -> None:
    assert load_target("rpi4").name == load_target("RPI4").name == load_target("PI4").name == "rpi4"
    assert load_target("Raspberry-Pi-5").name == load_target("pi5").name == "rpi5"


def test_near_names_are_offered() -> None:
    with pytest.raises(TargetError, match="no target 'rpi44'") as error:
        load_target("rpi44")
    assert "Did you mean 'rpi4'?" in error.value.hint
    with pytest.raises(TargetError, match="no target"):
        load_target("../targets/rpi4")
