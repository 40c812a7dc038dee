"""State files, names and recipes of emulated devices: what can be judged without starting one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq import emulate
from edgeq.emulate.process import ProcessId, identify
from edgeq.emulate.state import Instance, Record, all_running, folder_of, read_record, running, write_record
from edgeq.errors import UsageError
from edgeq.host.lock import locked


def _record(key: str, process: ProcessId) -> Record:
    folder = folder_of(key)
    folder.mkdir(parents=True, exist_ok=True)
    instance = Instance(
        "rpi4",
        "proot",
        "it works",
        "ssh://pi@127.0.0.1:4022",
        folder / "known_hosts",
        folder / "identity",
        process.pid,
        key,
    )
    return Record(instance, process, "c00c1e", 4022)


def _me() -> ProcessId:
    found = identify(os.getpid())
    assert found
    return found


def test_a_record_is_read_as_it_was_written() -> None:
    record = _record("rpi4", _me())
    write_record(folder_of("rpi4"), record)
    assert read_record(folder_of("rpi4")) == record
    assert running("rpi4") == record
    assert [item.key for item in emulate.instances()] == ["rpi4"]


def test_a_recycled_process_number_is_not_our_emulator() -> None:
    me = _me()
    write_record(folder_of("rpi4"), _record("rpi4", ProcessId(me.pid, me.start_ticks + 1, me.boot_id)))
    assert running("rpi4") is None
    write_record(folder_of("rpi4"), _record("rpi4", ProcessId(me.pid, me.start_ticks, "another boot")))
    assert running("rpi4") is None
    assert emulate.stop("rpi4") is False
    assert identify(os.getpid()) == me


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1, "start_ticks": 2, "boot_id": ""}'])
def test_a_damaged_state_file_is_as_none(text: str) -> None:
    folder = folder_of("rpi4")
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(text)
    assert read_record(folder) is None
    assert all_running() == []
    assert emulate.stop("rpi4") is False


def test_unknown_names_get_near_names() -> None:
    for call in (emulate.start, emulate.stop, emulate.probe):
        with pytest.raises(UsageError, match="no emulated device 'rpi5'") as caught:
            call("rpi5")
        assert "rpi4" in caught.value.hint


@pytest.mark.parametrize("key", ["", "..", "a/b", ".x", "a" * 65, "a\nb"])
def test_an_instance_name_cannot_leave_its_folder(key: str) -> None:
    with pytest.raises(UsageError):
        emulate.start("rpi4", instance=key or "/")


def test_an_unknown_recipe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="recipe 'docker'"):
        emulate.start("rpi4", recipe="docker")
    monkeypatch.setenv("EDGEQ_EMULATOR_RECIPE", "podman")
    with pytest.raises(UsageError, match="recipe 'podman'"):
        emulate.start("rpi4")


def test_a_running_instance_is_not_turned_into_another_recipe() -> None:
    write_record(folder_of("rpi4"), _record("rpi4", _me()))
    assert emulate.start("rpi4").recipe == "proot"
    assert emulate.start("rpi4", recipe="proot").pid == os.getpid()
    with pytest.raises(UsageError, match="runs already, by recipe proot"):
        emulate.start("rpi4", recipe="namespaces")


def test_nothing_to_stop() -> None:
    assert emulate.stop("rpi4") is False
    assert emulate.stop("rpi4", instance="test-none") is False


def test_without_any_tool_the_error_names_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("edgeq.emulate.recipe_system.mke2fs", lambda: "")
    with pytest.raises(UsageError) as caught:
        emulate.start("rpi4")
    assert "qemu-aarch64-static is not installed" in caught.value.message
    assert "apt-get install -y" in caught.value.hint
    recipes = emulate.probe("rpi4")
    assert [(recipe.name, recipe.ok) for recipe in recipes] == [
        ("namespaces", False),
        ("proot", False),
        ("system", False),
    ]
    with pytest.raises(UsageError, match="proot and qemu-user-static not installed"):
        emulate.start("rpi4", recipe="proot")


def test_offline_without_a_cache_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_OFFLINE", "1")
    if not any(recipe.ok for recipe in emulate.probe("rpi4")):
        pytest.skip("no recipe works here")
    with pytest.raises(UsageError, match="EDGEQ_OFFLINE"):
        emulate.start("rpi4")


def test_the_lock_excludes_another_process(tmp_path: Path) -> None:
    script = (
        "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "lock"
    waits: list[str] = []
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="Another edgeq process"), locked(path, 0.1, lambda: waits.append("waits")):
            pass
        holder.stdin.close()
    assert waits == ["waits"]
    with locked(path, 1):
        pass


def test_importing_is_cheap() -> None:
    script = "import sys, edgeq.emulate; print({'numpy', 'paramiko', 'tensorflow', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
