"""Target profiles: every shipped file is sound, every mistake is named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.errors import TargetError
from edgeq.paths import shipped
from edgeq.target import all_targets, load_target, read_target

SHIPPED = sorted(shipped("targets").glob("*.toml"))
RPI4 = (shipped("targets") / "rpi4.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_profiles_are_sound(path: Path) -> None:
    profile = read_target(path)
    assert profile.name == path.stem
    assert profile.ram_free_bytes > 0
    for source in (profile.cpu.source, profile.memory.source, profile.runtime.source):
        assert len(source) > 20


def test_no_two_profiles_answer_to_one_name() -> None:
    names = [name.lower() for profile in all_targets() for name in (profile.name, *profile.aliases)]
    assert len(names) == len(set(names))


def test_names_and_aliases_are_found_whatever_their_case() -> None:
    assert load_target("rpi4").name == load_target("PI4").name == "rpi4"


def test_near_names_are_offered() -> None:
    with pytest.raises(TargetError, match="no target 'rpi44'") as error:
        load_target("rpi44")
    assert "Did you mean 'rpi4'?" in error.value.hint
    with pytest.raises(TargetError):
        load_target("../targets/rpi4")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", "schema 2 is newer"),
        ('name = "rpi4"', 'name = "other"', "'name' must be the file's stem, 'mine'; it says 'other'"),
        ('kind = "linux"', 'kind = "plan9"', "'kind' must be one of linux, android, mcu; it says 'plan9'"),
        ("cores = 4", 'cores = "4"', "'cpu.cores' must be a whole number from 1 to 1024; it says '4'"),
        ("cores = 4", "", "'cpu.cores' must be a whole number from 1 to 1024; it is missing"),
        ("cores = 4", "cores = 4\ncorse = 1", "unknown key 'cpu.corse'"),
        (
            "ram_reserved_bytes = 268_435_456",
            "ram_reserved_bytes = 1_073_741_824",
            "'memory.ram_reserved_bytes' must be",
        ),
        ('modes = ["static_wi8_ai8"]', 'modes = ["int3"]', "'runtime.modes' must be made of static_wi8_ai8"),
        ("[power]", "[power", "cannot be read as TOML"),
        ("error_pct = 50", "error_pct = -1", "'power.error_pct' must be a number from 0 to 1000"),
        ('kind = "linux"', 'kind = "mcu"', "'memory.flash_bytes' must be given for a microcontroller"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    text = RPI4.replace('name = "rpi4"', 'name = "mine"') if "name =" not in old else RPI4
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TargetError) as error:
        read_target(path)
    assert message in error.value.message
    assert str(path) in error.value.message


def test_folders_of_the_user_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "board9.toml").write_text(RPI4.replace('"rpi4"', '"board9"').replace("aliases", "#"), encoding="utf-8")
    monkeypatch.setenv("EDGEQ_TARGET_PATH", str(tmp_path))
    assert load_target("board9").path.parent == tmp_path
    assert "board9" in [profile.name for profile in all_targets()]
