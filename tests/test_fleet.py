"""Many devices: real agents side by side, on this machine and behind sshd; the broken ones are rows, with reasons."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import make_bundle
from sshd import Sshd, need_sshd

from edgeq import fleet, inventory
from edgeq.bundle import Bundle
from edgeq.device.device import Device, Progress
from edgeq.device.open import open_device
from edgeq.errors import ArtifactError, DeviceError, EdgeqError, LinkError, UsageError
from edgeq.fleet import Row, lead
from edgeq.host.parallel import DONE, FAILED, STOPPED, WAITING
from edgeq.host.paths import home
from edgeq.link.base import Link
from edgeq.project import DeviceEntry, Project, load_project

DEAD = DeviceEntry("dead", "ssh://nobody@127.0.0.1:1")


@pytest.fixture
def local() -> Iterator[list[DeviceEntry]]:
    """Three devices on this machine; their agents end with the test."""
    devices = [DeviceEntry(name, f"local:{name}") for name in ("a", "b", "c")]
    yield devices
    met = [entry for entry in devices if (home() / f"local-{entry.name}").is_dir()]
    fleet.over(met, lambda device, *_: device.reset())


def bundles_for(devices: list[DeviceEntry], bundle: Bundle) -> dict[str, Bundle]:
    return {entry.name: bundle for entry in devices}


def states(rows: list[Row[object]]) -> dict[str, str]:
    return {row.device.name: row.state for row in rows}


def test_the_broken_ones_are_named_and_stop_nobody(tmp_path: Path, local: list[DeviceEntry]) -> None:
    good, spoiled = make_bundle(tmp_path / "good"), make_bundle(tmp_path / "bad", outputs=lambda data: bytes(len(data)))
    devices, heard = [local[0], DEAD, *local[1:]], list[tuple[int, str, str]]()
    bundles = {**bundles_for(devices, good), "b": spoiled}
    rows = fleet.deploy(bundles, devices, watch=lambda *told: heard.append(told))

    assert [(row.device.name, row.state) for row in rows] == [("a", DONE), ("dead", FAILED), ("b", FAILED), ("c", DONE)]
    first, dead, bad, _ = rows
    assert first.result and (first.result.digest, first.result.n, first.error) == (good.digest, 1, None)
    assert first.sent_bytes == first.result.sent_bytes > 1000 and first.seconds > 0
    assert isinstance(dead.error, LinkError) and "127.0.0.1" in dead.error.message and dead.error.hint
    assert isinstance(bad.error, DeviceError) and bad.error.hint and bad.sent_bytes > 1000
    assert fleet.exit_code(rows) == 1
    assert (2, "working", "self-test: vectors 1 of 4") in heard or any("self-test" in note for *_, note in heard)

    again = fleet.deploy(bundles_for(devices, good), devices)
    assert [row.result and row.result.changed for row in again] == [False, None, True, False]
    assert fleet.exit_code(again) == 4

    assert inventory.known("ssh://nobody@127.0.0.1:1") is None
    known = inventory.known("local:a")
    assert known and (known.digest, known.name, known.state) == (good.digest, "tiny", "confirmed")


class Breaking:
    """A link that breaks at its `after`th message."""

    def __init__(self, link: Link, after: int) -> None:
        self.name, self.lossy, self.receive, self.close = link.name, link.lossy, link.receive, link.close
        self._link, self._left = link, after

    def send(self, data: bytes, timeout_s: float) -> None:
        self._left -= 1
        if self._left < 0:
            raise LinkError(f"The connection to {self.name} broke.", "Run the same command again.")
        self._link.send(data, timeout_s)


def test_a_link_that_breaks_in_the_middle_is_one_row_and_the_next_run_converges(
    tmp_path: Path, local: list[DeviceEntry]
) -> None:
    def opener(address: str, progress: Progress) -> Device:
        device = open_device(address, progress)
        if address == "local:b":
            device.client.link = Breaking(device.client.link, 6)
            device.client._frames = None
        return device

    bundles = bundles_for(local, make_bundle(tmp_path / "b"))
    rows = fleet.deploy(bundles, local, opener=opener)
    assert [row.state for row in rows] == [DONE, FAILED, DONE]
    assert rows[1].error and "connection to local:b broke" in rows[1].error.message
    assert fleet.exit_code(rows) == 4
    assert [row.result and row.result.changed for row in fleet.deploy(bundles, local)] == [False, True, False]


def test_releases_bench_and_rollback_over_all(tmp_path: Path, local: list[DeviceEntry]) -> None:
    devices = local[:2]
    for name in ("one", "two"):
        fleet.deploy(bundles_for(devices, make_bundle(tmp_path / name, name=name)), devices)
    assert [[item.name for item in row.result or ()] for row in fleet.releases(devices)] == [["one", "two"]] * 2
    runs = fleet.bench(devices, runs=20, warmup=1)
    assert [(row.result and row.result.device["name"], row.state) for row in runs] == [("a", DONE), ("b", DONE)]
    back = fleet.rollback([*devices, DEAD])
    assert [row.result and row.result.now.name for row in back] == ["one", "one", None]
    assert fleet.exit_code(back) == 4
    assert (seen := inventory.known("local:b")) and seen.name == "one"


PROJECT = """
[devices]
pi = { address = "ssh://pi@one", target = "rpi4" }
board = { address = "serial:/dev/ttyACM7", target = "mps2-an386" }
mine = { address = "local:mine", bundle = "mine" }
twin = { address = "local:mine", bundle = "mine" }
odd = "carrier:pigeon"
bad = "local:/../x"
damaged = { address = "local:d", bundle = "damaged" }
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "edgeq.toml").write_text(PROJECT)
    make_bundle(tmp_path / "mine")
    damaged = make_bundle(tmp_path / "damaged")
    damaged.path("model.tflite").write_bytes(b"x")
    return load_project(tmp_path)


def test_each_device_gets_the_bundle_of_its_target(project: Project) -> None:
    for target in ("rpi4", "mps2-an386"):
        make_bundle(project.out / f"tiny-{target}", target=target)
    devices = project.select(["pi", "board", "mine"])
    assert {name: bundle.folder.name for name, bundle in fleet.plan(project, devices).items()} == {
        "pi": "tiny-rpi4",
        "board": "tiny-mps2-an386",
        "mine": "mine",
    }
    given = fleet.plan(project, devices, project.root / "mine")
    assert {bundle.folder.name for bundle in given.values()} == {"mine"}


@pytest.mark.parametrize(
    ("wanted", "kind", "words"),
    [
        ("pi", UsageError, ["pi: No bundle for rpi4 is built"]),
        ("pi board", UsageError, ["pi: No bundle for rpi4", "board: No bundle for mps2-an386"]),
        ("mine twin", UsageError, ["twin: it has the address of 'mine', local:mine."]),
        ("odd bad", UsageError, ["odd: 'carrier:pigeon' is not a device address", "bad: 'local:/../x' cannot name"]),
        ("mine damaged", ArtifactError, ["damaged: 'model.tflite' of the bundle"]),
        ("pi damaged", UsageError, ["pi: No bundle", "damaged: 'model.tflite'"]),
    ],
)
def test_every_mistake_is_told_before_a_device_is_touched(
    project: Project, wanted: str, kind: type[EdgeqError], words: list[str]
) -> None:
    with pytest.raises(EdgeqError) as error:
        fleet.plan(project, project.select(wanted.split()))
    assert type(error.value) is kind and error.value.hint
    assert error.value.message.startswith("No device was touched. ")
    assert all(text in error.value.message for text in words)
    assert not list(home().glob("local*"))


ROW: Row[object] = Row(DeviceEntry("x", "local:"), DONE)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], 0),
        ([ROW, ROW], 0),
        ([ROW, replace(ROW, state=FAILED, error=DeviceError("no"))], 5),
        ([replace(ROW, state=FAILED, error=LinkError("no"))] * 2, 4),
        ([replace(ROW, state=FAILED, error=LinkError("no")), replace(ROW, state=FAILED, error=DeviceError("no"))], 1),
        ([ROW, replace(ROW, state=WAITING)], 130),
        ([replace(ROW, state=FAILED, error=LinkError("no")), replace(ROW, state=STOPPED)], 130),
    ],
)
def test_the_exit_code_of_many(rows: list[Row[object]], code: int) -> None:
    assert fleet.exit_code(rows) == code


def test_the_inventory_asks_and_remembers_and_one_that_hangs_does_not_hold_it(
    tmp_path: Path, local: list[DeviceEntry]
) -> None:
    bundle = make_bundle(tmp_path / "b")
    fleet.deploy(bundles_for(local[:1], bundle), local[:1])
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections and never says a word
        hangs = DeviceEntry("hangs", f"tcp://127.0.0.1:{mute.getsockname()[1]}")
        off = DeviceEntry("off", "qemu:rpi4#nobody-started-this")
        began = time.monotonic()
        found = fleet.survey([*local[:2], hangs, DEAD, off], deadline_s=12)
        assert time.monotonic() - began < 40
    assert [(item.device.name, item.reachable) for item in found] == [
        ("a", True),
        ("b", True),
        ("hangs", False),
        ("dead", False),
        ("off", False),
    ]
    assert [item.seen and (item.seen.digest, item.seen.state) for item in found[:2]] == [
        (bundle.digest, "confirmed"),
        ("", "empty"),
    ]
    assert all(item.error and item.error.hint for item in found[2:])
    assert found[4].error and "does not run" in found[4].error.message
    offline = fleet.survey([*local, DEAD], offline=True)
    assert [(item.reachable, item.seen is not None) for item in offline] == [
        (None, True),
        (None, True),
        *[(None, False)] * 2,
    ]


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[DeviceEntry]]:
    """Two sshds, each with a store of its own, known by ~/.ssh/config."""
    need_sshd()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    # The devices' python3 is the one of these tests.
    python = shlex.quote(str(Path(sys.executable).parent))
    force = f'ForceCommand PATH={python}:"$PATH" exec sh -c "$SSH_ORIGINAL_COMMAND"'
    servers, config = [], ""
    try:
        for name in ("one", "two"):
            server = Sshd(tmp_path / name, env={"XDG_DATA_HOME": str(tmp_path / name / "data")}, extra=(force,))
            servers.append(server)
            config += (
                f"Host {name}\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
                f"  IdentityFile {server.identity}\n  IdentitiesOnly yes\n  UserKnownHostsFile {server.known_hosts}\n"
            )
        (tmp_path / ".ssh" / "config").write_text(config)
        yield [DeviceEntry(name, f"ssh://{name}") for name in ("one", "two")]
    finally:
        for server in servers:
            server.close()


def test_over_ssh(tmp_path: Path, boards: list[DeviceEntry]) -> None:
    bundle = make_bundle(tmp_path / "b")
    rows = fleet.deploy(bundles_for(boards, bundle), boards)
    assert [(row.state, row.error) for row in rows] == [(DONE, None)] * 2
    assert all((tmp_path / entry.name / "data" / "edgeq" / "store").is_dir() for entry in boards)
    assert [row.state for row in fleet.over(boards, lambda device, *_: device.reset())] == [DONE, DONE]


DEVICES, BYTES_EACH = 24, 200_000
"""Several times as many as are worked on at once, and the most that each may leave behind."""
MANY = r"""
import json, re, sys
from pathlib import Path
from edgeq import fleet
from edgeq.bundle import read_bundle
from edgeq.project import DeviceEntry

bundle, count = read_bundle(Path(sys.argv[1])), int(sys.argv[2])
devices = [DeviceEntry(f"d{n}", f"local:d{n}") for n in range(count)]
rows = fleet.deploy({entry.name: bundle for entry in devices}, devices)
# Not ru_maxrss, which begins with what the process that started this one had.
peak_bytes = 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])
failed = {row.device.name: row.error.message for row in rows if row.error}
print(json.dumps({"peak_bytes": peak_bytes, "failed": failed, "done": sum(row.state == "done" for row in rows)}))
"""


@pytest.mark.slow
def test_many_devices_take_no_more_memory_than_one_and_the_broken_one_is_named(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    broken = home() / "local-d17"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text("no folder")

    def peak(count: int, done: int) -> int:
        command = [sys.executable, "-c", MANY, str(bundle.folder), str(count)]
        result = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=300).stdout)
        assert (result["done"], list(result["failed"])) == (done, ["d17"] if done < count else []), result
        return int(result["peak_bytes"])

    one, many = peak(1, 1), peak(DEVICES, DEVICES - 1)
    assert many - one < DEVICES * BYTES_EACH, (one, many)


def test_an_address_that_ends_with_a_colon_leads_a_sentence_as_it_is() -> None:
    assert (lead("pi"), lead("local:"), lead("local:a")) == ("pi:", "local:", "local:a:")
