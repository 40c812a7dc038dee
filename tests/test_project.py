"""The project file: defaults found from any folder below, and mistakes named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.errors import UsageError
from edgeq.project import DeviceEntry, load_project, read_project

TEXT = """
[project]
name = "digits"
model = "digits.keras"
data = "~/data.npz"
targets = ["rpi4"]
device = "pi"

[devices]
here = "local:"

[devices.pi]
address = "ssh://pi@raspberrypi"
target = "rpi4"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "edgeq.toml").write_text(TEXT)
    return tmp_path


def built(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "build" / name).mkdir(parents=True)
        (folder / "build" / name / "manifest.json").write_text("{}")


def test_it_is_found_from_below_and_paths_start_at_its_folder(folder: Path) -> None:
    (folder / "deep" / "down").mkdir(parents=True)
    project = load_project(folder / "deep" / "down")
    assert project.model == folder / "digits.keras"
    assert project.data == Path.home() / "data.npz"
    assert (project.out, project.targets) == (folder / "build", ("rpi4",))


def test_outside_a_project_everything_must_be_said(tmp_path: Path) -> None:
    project = load_project(tmp_path)
    assert project.model is None
    assert project.resolve("local:") == DeviceEntry("local:", "local:")
    with pytest.raises(UsageError, match="No device was given"):
        project.resolve(None)


def test_devices_by_name_address_and_default(folder: Path) -> None:
    project = load_project(folder)
    assert project.resolve(None) == project.resolve("pi") == DeviceEntry("pi", "ssh://pi@raspberrypi", "rpi4")
    assert project.resolve("here").address == "local:"
    with pytest.raises(UsageError, match="no device 'hree'") as error:
        project.resolve("hree")
    assert "Did you mean 'here'?" in error.value.hint


def test_the_bundle_for_a_device(folder: Path) -> None:
    project = load_project(folder)
    with pytest.raises(UsageError, match="there are: none"):
        project.bundle(project.resolve("pi"))
    built(folder, "digits-linux-x86_64")
    assert project.bundle(project.resolve("here")).name == "digits-linux-x86_64"
    built(folder, "digits-rpi4")
    assert project.bundle(project.resolve("pi")).name == "digits-rpi4"
    with pytest.raises(UsageError, match="Which bundle"):
        project.bundle(project.resolve("here"))


def test_runs_get_names_of_their_own_and_the_newest_of_each_device_is_found(folder: Path) -> None:
    project = load_project(folder)
    with pytest.raises(UsageError, match="no runs"):
        project.latest_runs()
    for created, device in (
        ("2026-01-01T00:00:00Z", "pi"),
        ("2026-01-02T00:00:00Z", "pi"),
        ("2026-01-02T00:00:00Z", "pi"),
    ):
        path = project.run_path(created, device)
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    here = project.run_path("2025-01-01T00:00:00Z", "ssh://pi@h:22")
    here.write_text("{}")
    assert project.latest_runs() == [here, project.runs / "20260102T000000Z.2-pi.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project", "cannot be read as TOML"),
        ("[projekt]", "unknown key 'projekt'"),
        ("[project]\nmodle = 'x'", "unknown key 'project.modle'"),
        ("[project]\nmodel = 3", "'project.model' must be a text; it says 3"),
        ("[project]\ntargets = 'rpi4'", "'project.targets' must be a list"),
        ("[devices.pi]\ntarget = 'rpi4'", "'devices.pi' has no address"),
        ("[devices.pi]\naddress = 'local:'\nport = 3", "unknown key 'devices.pi.port'"),
        ("[devices]\npi = 3", "'devices.pi' must be a table"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "edgeq.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_project(path)
    assert message in error.value.message
    assert str(path) in error.value.message
