"""The project file: defaults found from any folder below, and mistakes named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.project import DeviceEntry, Project, load_project, read_project
from edgeq.transaction.confirm import ConfirmPolicy

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


def test_messages_name_files_as_people_would(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder)
    assert (load_project().model, load_project().out) == (Path("digits.keras"), Path("build"))
    monkeypatch.chdir(folder / "deep")
    assert (load_project().model, load_project().out) == (Path("../digits.keras"), Path("../build"))
    assert load_project().data == Path.home() / "data.npz"


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
    with pytest.raises(UsageError, match="No bundle for rpi4 is built") as error:
        project.bundle(project.resolve("pi"))
    assert "edgeq build --target rpi4" in error.value.hint
    assert project.bundle(project.resolve("here")).name == "digits-linux-x86_64"
    built(folder, "digits-rpi4")
    assert project.bundle(project.resolve("pi")).name == "digits-rpi4"
    with pytest.raises(UsageError, match="Which bundle"):
        project.bundle(project.resolve("here"))


LAB = """
[project]
device = "group:lab"
[devices]
pi1 = "ssh://pi@one"
pi2 = { address = "ssh://pi@two", target = "pi4", tags = ["kitchen"] }
here = { address = "local:", bundle = "out/mine", tags = ["kitchen", "desk"] }
[groups]
lab = ["pi1", "group:rest"]
rest = ["pi2", "pi1"]
kitchen = ["tag:kitchen", "ssh://pi@three"]
"""


@pytest.fixture
def lab(tmp_path: Path) -> Project:
    (tmp_path / "edgeq.toml").write_text(LAB)
    return load_project(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ([], "pi1 pi2"),
        (["group:lab"], "pi1 pi2"),
        (["group:rest", "pi1", "here"], "pi2 pi1 here"),
        (["group:all"], "pi1 pi2 here"),
        (["tag:desk"], "here"),
        (["group:kitchen"], "pi2 here ssh://pi@three"),
        (["local:a", "local:b", "local:a"], "local:a local:b"),
    ],
)
def test_groups_tags_names_and_addresses(lab: Project, wanted: list[str], names: str) -> None:
    assert [entry.name for entry in lab.select(wanted)] == names.split()


GROUPS = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.sampled_from(["x", "y", "z", *(f"group:{g}" for g in "abcd")]), min_size=1)
)


@settings(max_examples=150)
@given(GROUPS)
def test_any_groups_end_in_their_devices_or_in_a_named_circle(groups: dict[str, list[str]]) -> None:
    devices = {name: DeviceEntry(name, f"local:{name}") for name in "xyz"}
    project = Project(Path(), devices=devices, groups={name: tuple(members) for name, members in groups.items()})
    reached: dict[str, set[str]] = {f"group:{name}": set(members) for name, members in groups.items()}
    for _ in groups:
        reached = {name: found.union(*(reached.get(each, set()) for each in found)) for name, found in reached.items()}
    for name, found in reached.items():
        circle = any(each in reached.get(each, set()) for each in (name, *found))
        absent = any(each.startswith("group:") and each not in reached for each in found)
        try:
            names = [entry.name for entry in project.select([name])]
        except UsageError as error:
            assert ("circle" in error.message and circle) or ("no group" in error.message and absent)
        else:
            assert not circle and not absent
            assert set(names) == {each for each in found if each in devices} and len(names) == len(set(names))


def test_many_or_one(lab: Project) -> None:
    assert lab.is_many([]) and lab.is_many(["group:rest"]) and lab.is_many(["pi1", "pi2"])
    assert not lab.is_many(["pi1"]) and not lab.is_many(["local:"])
    with pytest.raises(UsageError, match="'group:lab' stands for several devices") as error:
        lab.resolve(None)
    assert error.value.hint == "Give one of them: pi1, pi2."


@pytest.mark.parametrize(
    ("wanted", "message", "hint"),
    [
        ("group:lap", "no group 'lap'", "Did you mean 'group:lab'?"),
        ("group:xyz", "no group 'xyz'", "There are: group:lab, group:rest, group:kitchen, group:all."),
        ("tag:kitchn", "no tag 'kitchn'", "Did you mean 'tag:kitchen'?"),
        ("pi3", "no device 'pi3'", "Did you mean"),
        ("lab", "'lab' is a group", "Write it as group:lab."),
        ("all", "'all' is a group", "Write it as group:all."),
    ],
)
def test_what_is_not_there_is_told_with_near_names(lab: Project, wanted: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        lab.select([wanted])
    assert message in error.value.message
    assert hint in error.value.hint


def test_a_device_s_own_bundle_and_targets_by_another_name(lab: Project) -> None:
    assert lab.bundle(lab.resolve("here")) == lab.root / "out" / "mine"
    built(lab.root, "digits-linux-x86_64", "digits-rpi4")
    assert lab.bundle(lab.resolve("pi2")).name == "digits-rpi4"


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "devices.md").read_text(encoding="utf-8")
    (tmp_path / "edgeq.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    project = load_project(tmp_path)
    assert [entry.name for entry in project.select(["group:lab", "tag:kitchen"])] == ["pi1", "pi2", "board"]
    assert [entry.name for entry in project.select(["group:everything-hot"])][-1] == "ssh://pi@spare.lab"


def test_without_devices_there_is_no_group(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no devices in 'group:all'"):
        load_project(tmp_path).select(["group:all"])


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
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        (path.parent / "manifest.json").write_text("{}")
    interrupted = project.run_path("2026-01-03T00:00:00Z", "pi")
    interrupted.parent.mkdir()
    interrupted.write_text("{}")
    older = project.runs / "20250101T000000Z-ssh-pi-h-22.json"
    older.write_text("{}")
    assert project.latest_runs() == [older, project.runs / "20260102T000000Z.2-pi" / "run.json"]


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
        ("[devices.pi]\naddress = 'local:'\ntags = 'a'", "'devices.pi.tags' must be a list"),
        ("[devices.pi]\naddress = 'local:'\nbundle = 3", "'devices.pi.bundle' must be a text"),
        ("[devices]\n'group:pi' = 'local:'", "'devices.group:pi' cannot be a name"),
        ("[groups]\nlab = 'pi'", "'groups.lab' must be a list"),
        ("[groups]\nlab = ['pi']", "'groups.lab': There is no device 'pi'"),
        ("[groups]\nlab = []", "'groups.lab': There are no devices in 'group:lab'"),
        ("[groups]\nall = []", "'groups.all' always means every device"),
        ("[groups]\na = ['group:b']\nb = ['group:a']", "in a circle: group:a -> group:b -> group:a"),
        ("[groups]\na = ['group:a']", "in a circle: group:a -> group:a"),
        ("[groups]\n'a b' = []", "'groups.a b' cannot be a name"),
        ("[confirm]\nwindow = 3", "unknown key 'confirm.window'"),
        ("[confirm]\nwindow_s = -1", "'confirm.window_s' must be a number from 0 to 604800; it says -1"),
        ("[confirm]\ngood = 1.5", "'confirm.good' must be a number"),
        ("[confirm]\nhealth = 'true'", "'confirm.health' must be a command as a list of texts"),
        ("[confirm]\nmanual = 1", "'confirm.manual' must be true or false; it says 1"),
        ("[project]\nsecurity_version = -1", "'project.security_version' must be a whole number"),
        ("[project]\nsecurity_version = true", "'project.security_version' must be a whole number"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "edgeq.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_project(path)
    assert message in error.value.message
    assert str(path) in error.value.message


def test_what_devices_ask_of_a_trial(tmp_path: Path) -> None:
    (tmp_path / "edgeq.toml").write_text(
        "[project]\nsecurity_version = 3\n[confirm]\nwindow_s = 30\ngood = 5\nhealth = ['/bin/true', '-x']\n"
    )
    project = read_project(tmp_path / "edgeq.toml")
    assert project.confirm == ConfirmPolicy(window_s=30, good=5, health=("/bin/true", "-x"))
    assert project.security_version == 3
    assert Project(tmp_path).confirm.at_once
