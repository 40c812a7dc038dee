"""The firmware's service: what only a microcontroller does, on the firmware as a process under sanitizers."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import random
import socket
import struct
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bundles import tiny
from mcu import BOARD, Process, make_image, make_mcu_bundle

from edgeq import emulate
from edgeq.bench import bench
from edgeq.bundle import Bundle, write_bundle
from edgeq.deploy import deploy, push
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.emulate.firmware import VARIABLE
from edgeq.errors import DeviceError
from edgeq.link.proxy import Faults, Noise, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.protocol import contract, smp
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

PROFILE = (smp.WRITE, smp.GROUP_EDGEQ, 14)
SLOTS = (0x2000, 0x801000)
"""Where the slots begin in the flash of memory_flash.c."""
DEPTHWISE_OR_CONV = {1, 2}


@pytest.fixture
def process(firmware_process: Path, tmp_path: Path) -> Iterator[Process]:
    running = Process(firmware_process, tmp_path / "flash.bin")
    yield running
    running.kill()


@pytest.fixture
def device(process: Process) -> Iterator[Device]:
    with open_device(process.address) as opened:
        yield opened


@pytest.fixture
def board_address(firmware_board: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv(VARIABLE, str(firmware_board))
    yield emulate.start(BOARD).address
    emulate.stop(BOARD)


@pytest.fixture
def board(board_address: str) -> Iterator[Device]:
    with open_device(board_address) as opened:
        yield opened


def bundle_for(device: Device, folder: Path, name: str = "tiny", **spoilt: Any) -> Bundle:
    facts = device.describe()
    return make_mcu_bundle(folder / name, name=name, target=facts["target"], arch=facts["arch"], **spoilt)


def chunk(data: bytes, offset: int = 0, size: int | None = None, sha: bytes | None = None) -> dict[str, Any]:
    piece = data[offset:] if size is None else data[offset : offset + size]
    return {"sha": sha or hashlib.sha256(data).digest(), "off": offset, "len": len(data), "data": piece}


def put(device: Device, **chunks: Any) -> int:
    return int(device.client.request(contract.BLOB_PUT, chunk(**chunks))["off"])


def field(offset: int, form: str, value: int | bytes) -> Callable[[bytearray], None]:
    """Sets one field of the envelope."""
    return lambda image: struct.pack_into(form, image, offset, value)


@pytest.mark.parametrize(
    ("edit", "length", "status"),
    [
        (field(56, "32s", b"mps2-an386"), 0, Status.MISMATCH),
        (field(44, "<H", 3), 0, Status.NEWER),
        (field(46, "<H", 2), 0, Status.MISMATCH),
        (field(48, "<I", 5 << 20), 0, Status.NO_SPACE),
        (field(4, "<I", 9 << 20), 9 << 20, Status.NO_SPACE),
        (field(4, "<I", 160), 0, Status.INVALID),
    ],
    ids=["another board", "another ABI", "another packing", "a larger arena", "larger than a slot", "another length"],
)
@pytest.mark.parametrize("size", [2000, 64])
def test_what_cannot_run_is_refused_before_anything_is_erased(
    process: Process, device: Device, tmp_path: Path, edit: Callable[[bytearray], None], length: int, status: Status,
    size: int
) -> None:  # fmt: skip
    deploy(bundle_for(device, tmp_path), device)
    deploy(bundle_for(device, tmp_path, "second"), device)
    before = process.flash.read_bytes()
    image = make_image(target="host", edit=edit)
    image += bytes(max(0, length - len(image)))
    with pytest.raises(DeviceError) as no:
        for offset in range(0, 256, size):
            put(device, data=image, offset=offset, size=size)
    assert no.value.status == status
    assert process.flash.read_bytes() == before


def test_an_image_for_any_board_is_taken(device: Device) -> None:
    image = make_image()
    assert put(device, data=image, size=1000) == 1000


def test_an_older_security_version_is_refused(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path, "new", edit=field(40, "<I", 7)), device)
    deploy(bundle_for(device, tmp_path, "same", edit=field(40, "<I", 7)), device)
    with pytest.raises(DeviceError, match="security version") as no:
        deploy(bundle_for(device, tmp_path, "old", edit=field(40, "<I", 6)), device)
    assert no.value.status == Status.STATE
    assert device.manifest()["name"] == "same"


def test_an_envelope_may_come_in_pieces_and_out_of_turn(device: Device) -> None:
    image, other = make_image(target="host"), make_image(target="host", name="other")
    assert put(device, data=image, offset=64, size=64) == 0
    assert put(device, data=image, size=64) == 64
    assert put(device, data=image, size=64) == 64
    assert put(device, data=image, offset=128, size=64) == 64
    assert put(device, data=other, offset=64, size=64) == 0
    assert put(device, data=image, offset=64, size=300) == 364
    assert put(device, data=image, size=64) == 364
    assert put(device, data=image, offset=364) == len(image)
    assert put(device, data=image) == len(image)
    assert device.missing([hashlib.sha256(image).hexdigest()]) == {}


def test_a_manifest_follows_its_image(device: Device) -> None:
    with pytest.raises(DeviceError, match="follows its image") as no:
        put(device, data=b"{}")
    assert no.value.status == Status.STATE
    with pytest.raises(DeviceError) as no:
        device.stage("0" * 64, [])
    assert no.value.status == Status.NOT_FOUND


@pytest.mark.parametrize("cut", [100, 1000, 2500])
def test_a_power_cut_in_an_upload_costs_two_sectors_at_most(process: Process, tmp_path: Path, cut: int) -> None:
    with open_device(process.address) as device:
        first = deploy(bundle_for(device, tmp_path, "first"), device)
        second = bundle_for(device, tmp_path, "second")
        image = second.path("image.eqi").read_bytes()
        put(device, data=image, size=cut)
    process.kill()
    process.start()
    with open_device(process.address) as device:
        assert device.manifest()["n"] == first.n
        assert list(device.missing([second.device_files["image.eqi"][0]]).values()) == [0]
        assert deploy(second, device).previous == first.n


def test_a_trial_that_fails_is_reverted_by_the_device(device: Device, tmp_path: Path) -> None:
    good = deploy(bundle_for(device, tmp_path, "good"), device)
    bad = bundle_for(device, tmp_path, "bad", outputs=lambda data: bytes(255 - byte for byte in data))
    push(bad, [], device, lambda _: None)
    tried = device.stage(bad.digest, [])
    with pytest.raises(DeviceError) as no:
        device.activate(tried)
    assert no.value.status == Status.SELFTEST
    assert {item.n: (item.state, item.serving) for item in device.releases()} == {
        good.n: ("confirmed", True),
        tried: ("bad", False),
    }
    with pytest.raises(DeviceError) as no:
        device.activate(tried)
    assert no.value.status == Status.STATE
    assert device.activate(good.n)["state"] == "confirmed"


def test_a_power_cut_around_a_trial_leaves_one_of_both(process: Process, tmp_path: Path) -> None:
    outcomes = []
    with open_device(process.address) as device:
        number = deploy(bundle_for(device, tmp_path, "first"), device).n
    for attempt in range(4):
        with open_device(process.address) as device:
            fresh = bundle_for(device, tmp_path, f"attempt{attempt}")
            push(fresh, [], device, lambda _: None)
            tried = device.stage(fresh.digest, [])
            device.client.request(contract.ACTIVATE, {"n": tried})
        process.kill()
        process.start()
        with open_device(process.address) as device:
            found = {item.n: item for item in device.releases()}
            serving = next(item.n for item in found.values() if item.serving)
            outcomes.append((serving in (number, tried), found[tried].state in ("bad", "confirmed", "staged")))
            assert device.selftest()["worst"] == 0
            number = serving
    assert outcomes == [(True, True)] * 4


def flip(flash: Path, offset: int) -> None:
    with flash.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes((byte[0] ^ 1,)))


def test_a_damaged_release_stops_serving_and_is_repaired(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        first, second = bundle_for(device, tmp_path, "first"), bundle_for(device, tmp_path, "second")
        deploy(first, device)
        deploy(second, device)
        flip(process.flash, SLOTS[1] + 600)
        with pytest.raises(DeviceError) as no:
            device.selftest()
        assert no.value.status == Status.DIGEST
        assert device.manifest()["name"] == "first"
        assert deploy(second, device).changed
        flip(process.flash, SLOTS[1] + 600)
        deploy(second, device)
        assert device.manifest()["name"] == "second"
        flip(process.flash, SLOTS[1] + 600)
    process.kill()
    process.start()
    with open_device(process.address) as device:
        assert device.manifest()["name"] == "first"
        assert [item.state for item in device.releases()] == ["confirmed", "bad"]


def test_a_release_comes_back_without_its_bytes(device: Device, tmp_path: Path) -> None:
    first, second = bundle_for(device, tmp_path, "first"), bundle_for(device, tmp_path, "second")
    deploy(first, device)
    deploy(second, device)
    sent = device.client.sent_bytes
    assert deploy(first, device).n == 1
    assert device.client.sent_bytes - sent < 2000
    for name in ("third", "fourth"):
        deploy(bundle_for(device, tmp_path, name), device)
    assert [(item.n, item.name) for item in device.releases()] == [(3, "third"), (4, "fourth")]


def test_the_same_image_under_another_manifest_is_another_release(device: Device, tmp_path: Path) -> None:
    first = bundle_for(device, tmp_path)
    deploy(first, device)
    manifest = {**first.manifest, "evaluation": {}}
    second = write_bundle(tmp_path / "second", {name: first.path(name).read_bytes() for name in first.files}, manifest)
    assert deploy(second, device).n == 2
    assert device.manifest()["evaluation"] == {}


ERASE = (smp.WRITE, smp.GROUP_IMAGE, 5)


def test_erasing_empties_the_slot_that_does_not_serve(process: Process, device: Device, tmp_path: Path) -> None:
    _, _, (inputs, _) = tiny()
    first = deploy(bundle_for(device, tmp_path, "first"), device).n
    deploy(bundle_for(device, tmp_path, "second"), device)
    device.invoke(inputs[0][0], first)
    assert raw(device, ERASE, 1, {"slot": 1}) == {"rc": 6}
    assert device.client.request(contract.OUTPUT, {"off": 0})["len"] > 0
    assert raw(device, ERASE, 2, {"slot": None}) == {"rc": 3}
    for sequence in (3, 3, 4):
        assert raw(device, ERASE, sequence, {}) == {}
    assert not process.flash.read_bytes()[SLOTS[0] : SLOTS[1]].strip(b"\xff")
    assert device.client.request(contract.OUTPUT, {"off": 0}) == {"len": 0, "data": b""}
    assert device.selftest()["worst"] == 0


def test_nothing_is_erased_while_a_job_runs(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path, "first"), device)
    deploy(bundle_for(device, tmp_path, "second"), device)
    frames = device.client._open()
    asked = [Message(*contract.SELFTEST, 7, {}), Message(*ERASE, 8, {})]
    frames.link.send(b"".join(frames.framing.encode(message.encode()) for message in asked), 10)
    while (answer := frames.receive(10)).sequence != 8:
        pass
    assert answer.body == {"rc": 6}
    assert [item.name for item in device.releases()] == ["first", "second"]


def test_an_upload_begins_anew_after_erasing(device: Device, tmp_path: Path) -> None:
    image = make_image(target="host")
    for size in (100, 1000):
        assert put(device, data=image, size=size) == size
        assert raw(device, ERASE, 1, {}) == {}
        assert device.missing([hashlib.sha256(image).hexdigest()]) == {hashlib.sha256(image).hexdigest(): 0}
        assert put(device, data=image, offset=size) == 0
    assert put(device, data=image) == len(image)
    assert raw(device, ERASE, 2, {}) == {}
    assert raw(device, (smp.READ, smp.GROUP_IMAGE, 0), 3, {}) == {"images": []}


def test_a_power_cut_while_erasing_leaves_what_serves(process: Process, tmp_path: Path) -> None:
    with open_device(process.address) as device:
        for name in ("first", "second"):
            serving = deploy(bundle_for(device, tmp_path, name), device).n
        frames = device.client._open()
        frames.send(Message(*ERASE, 9, {}).encode(), 10)
    process.kill()
    process.start()
    with open_device(process.address) as device:
        assert raw(device, ERASE, 10, {}) == {}
        assert [(item.n, item.serving) for item in device.releases()] == [(serving, True)]
        assert device.selftest()["worst"] == 0


def raw(device: Device, command: tuple[int, int, int], sequence: int, body: dict[str, Any]) -> dict[str, Any]:
    """One message with a sequence number of the caller's."""
    frames = device.client._open()
    frames.send(Message(*command, sequence, body).encode(), 10)
    while (answer := frames.receive(10)).sequence != sequence:
        pass
    return answer.body


def test_a_repeated_request_begins_no_second_job(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path), device)
    job = raw(device, contract.SELFTEST, 7, {})["job"]
    assert raw(device, contract.SELFTEST, 7, {})["job"] == job
    for _ in range(2):
        assert raw(device, contract.RELEASES, 9, {})["current"] == 1
    while raw(device, contract.JOB, 8, {"job": job, "from": 0})["state"] == "running":
        pass
    assert raw(device, contract.SELFTEST, 7, {})["job"] == job + 1


def test_one_inference_runs_once_and_a_new_run_begins_anew(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path), device)
    _, _, (inputs, _) = tiny()
    data = inputs[0][0]
    body = {"len": len(data), "run": 5}
    ask = lambda offset, run, piece: device.client.request(  # noqa: E731
        contract.INVOKE, {**body, "run": run, "off": offset, "data": piece}
    )
    assert ask(4, 5, data[4:]) == {"off": 0}
    assert ask(0, 5, data[:4]) == {"off": 4}
    assert ask(0, 6, data[:3]) == {"off": 3}
    assert ask(4, 6, data[4:]) == {"off": 3}
    done = ask(3, 6, data[3:])
    assert done["off"] == len(data)
    output = device.client.request(contract.OUTPUT, {"off": 0})
    assert len(output["data"]) == output["len"] == done["out"]
    assert ask(3, 6, data[3:]) == done
    assert output["data"] == device.invoke(data)
    with pytest.raises(DeviceError, match="not whole samples"):
        device.client.request(contract.INVOKE, {"off": 0, "len": len(data) + 1, "data": data, "run": 7})


def test_an_output_is_gone_with_the_image_it_came_from(device: Device, tmp_path: Path) -> None:
    assert device.client.request(contract.OUTPUT, {"off": 0}) == {"len": 0, "data": b""}
    first = deploy(bundle_for(device, tmp_path, "first"), device).n
    deploy(bundle_for(device, tmp_path, "second"), device)
    _, _, (inputs, _) = tiny()
    assert device.invoke(inputs[0][0], first) == device.invoke(inputs[0][0])
    device.invoke(inputs[0][0], first)
    put(device, data=make_image(target="host", name="third"), size=1000)
    assert device.client.request(contract.OUTPUT, {"off": 0}) == {"len": 0, "data": b""}
    assert [item.name for item in device.releases()] == ["second"]


def test_what_firmware_cannot_do_it_says(device: Device) -> None:
    for command, status in ((contract.LINE, Status.UNSUPPORTED), ((smp.READ, 64, 99), Status.UNSUPPORTED)):
        with pytest.raises(DeviceError) as no:
            device.client.request(command, {"baud": 9600})
        assert no.value.status == status
    with pytest.raises(DeviceError, match="no such job"):
        device.client.request(contract.JOB, {"job": 3, "from": 0})


def test_a_bench_that_nobody_watches_gives_way(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path), device)
    job = device.client.request(contract.BENCH, {"runs": 100_000, "warmup": 0, "threads": 0})["job"]
    while not device.client.request(contract.JOB, {"job": job, "from": 0})["samples"]:
        pass
    for _ in range(100):
        with contextlib.suppress(DeviceError):
            device.selftest()
            break
    with pytest.raises(DeviceError, match="no such job"):
        device.client.request(contract.JOB, {"job": job, "from": 0})
    assert len(device.bench(1000, 10, 0)["invoke_ns"]) == 1000


def test_a_profile_tells_each_op(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path), device)
    samples: list[int] = []
    device._job(PROFILE, {}, lambda _: None, samples.extend)
    kinds, spent = samples[::2], samples[1::2]
    assert len(kinds) == len(spent) > 1
    assert set(kinds) <= set(range(1, 18))
    assert kinds[0] in DEPTHWISE_OR_CONV
    assert all(value >= 0 for value in spent)


def test_an_emulated_board_counts_instructions_and_tells_no_time(board: Device, tmp_path: Path) -> None:
    deploy(bundle_for(board, tmp_path), board)
    runs = [bench(board, runs=30, warmup=2) for _ in range(2)]
    for run in runs:
        series = {item.name: item for item in run.series}
        assert set(series) == {
            "instructions", "init_instructions", "first_inference_instructions", "warmup_instructions",
            "arena", "static", "stack", "ram",
        }  # fmt: skip
        assert (len(series["instructions"].values), series["instructions"].how) == (30, "emulated")
        assert 100 < series["stack"].values[0] < 2000
        assert run.verdict == "valid"
    first, second = (sorted(run.one("instructions").values)[15] for run in runs)  # type: ignore[union-attr]
    assert abs(first - second) <= 8


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_line_changes_nothing_but_the_time(process: Process, tmp_path: Path, seed: int) -> None:
    faults = {"corrupt": 2e-4, "drop": 2e-4, "duplicate": 2e-4}
    up, down = Noise(seed, **faults), Noise(seed + 50, **faults)
    _, _, (inputs, _) = tiny()
    port = int(process.address.rpartition(":")[2])
    with (
        Proxy("127.0.0.1", port, up=Faults(noise=up), down=Faults(noise=down)) as proxy,
        Device(TcpLink(f"tcp://127.0.0.1:{proxy.port}"), "noisy") as device,
    ):
        done = deploy(bundle_for(device, tmp_path), device)
        assert (done.n, done.golden["worst"]) == (1, 0)
        noisy = [device.invoke(item[0]) for item in inputs]
    assert up.hits + down.hits > 0
    with open_device(process.address) as device:
        assert [device.invoke(item[0]) for item in inputs] == noisy


KEYS = (
    "sha",
    "off",
    "len",
    "data",
    "n",
    "run",
    "job",
    "from",
    "name",
    "runs",
    "warmup",
    "threads",
    "baud",
    "hash",
    "d",
)


def test_no_request_harms_it(device: Device, tmp_path: Path) -> None:
    deploy(bundle_for(device, tmp_path), device)
    draw, image = random.Random(1), make_image(target="host")
    numbers = [0, 1, 2, 255, 256, 5000, 2**31, 2**32 - 1, 2**32, 2**63, -1, None, True, 0.5]
    texts = ["", "manifest.json", "interface.json", b"", bytes(32), hashlib.sha256(image).digest(), image[:500]]
    values: list[Any] = [*numbers, *texts, [], [bytes(32)] * 3, {}]
    for sequence in range(5000):
        op, group, command = draw.choice((smp.READ, smp.WRITE)), draw.choice((0, 1, 64, 64, 64)), draw.randrange(18)
        if (group, command) == (0, 5):
            continue
        body = {key: draw.choice(values) for key in draw.sample(KEYS, draw.randrange(8))}
        answer = raw(device, (op, group, command), sequence % 256, body)
        assert isinstance(answer, dict)
    assert any(item.serving for item in device.releases())


@contextlib.contextmanager
def terminal(address: str) -> Iterator[str]:
    """A pseudo-terminal that leads to a TCP address."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    line = socket.create_connection((host, int(port)))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours, theirs = pty.openpty()
    tty.setraw(theirs)

    def up() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(ours, 4096):
                line.sendall(data)

    def down() -> None:
        with contextlib.suppress(OSError):
            while data := line.recv(4096):
                os.write(ours, data)

    threads = [threading.Thread(target=work) for work in (up, down)]
    for thread in threads:
        thread.start()
    yield os.ttyname(theirs)
    line.shutdown(socket.SHUT_RDWR)
    os.close(theirs)
    for thread in threads:
        thread.join(10)
    os.close(ours)
    line.close()


def stock_tool(address: str, *words: str) -> str:
    """What `smpmgr` prints, at the other end of a serial line."""
    with terminal(address) as port:
        command = [Path(sys.executable).parent / "smpmgr", "--port", port, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def smpmgr() -> Callable[..., str]:
    pytest.importorskip("smpmgr")
    return stock_tool


@pytest.mark.parametrize("where", ["process", "board"])
def test_stock_tools_upload_an_image_and_let_it_serve(
    where: str, request: pytest.FixtureRequest, tmp_path: Path, smpmgr: Callable[..., str]
) -> None:
    found = request.getfixturevalue("process" if where == "process" else "board_address")
    address, target = (found.address, "host") if where == "process" else (found, BOARD)
    image = tmp_path / "tiny.eqi"
    image.write_bytes(make_image(target=target))
    digest = hashlib.sha256(image.read_bytes()).hexdigest().upper()

    assert "r='hello'" in smpmgr(address, "os", "echo", "hello")
    assert "No images" in smpmgr(address, "image", "state-read")
    smpmgr(address, "image", "upload", "--format", "any", str(image))
    assert digest in smpmgr(address, "image", "state-read")
    smpmgr(address, "image", "state-write", digest)
    smpmgr(address, "os", "reset")
    told = smpmgr(address, "image", "state-read")
    assert digest in told
    assert "active=True" in told
    assert "version='1.0.0'" in told


@pytest.mark.parametrize("where", ["process", "board"])
def test_stock_tools_erase_what_does_not_serve(
    where: str, request: pytest.FixtureRequest, tmp_path: Path, smpmgr: Callable[..., str]
) -> None:
    found = request.getfixturevalue("process" if where == "process" else "board_address")
    address = found.address if where == "process" else found
    with open_device(address) as device:
        first = deploy(bundle_for(device, tmp_path, "first"), device)
        second = deploy(bundle_for(device, tmp_path, "second"), device)
    assert "rc=<MGMT_ERR.EBADSTATE: 6>" in smpmgr(address, "image", "erase", "1")
    assert "rc=<MGMT_ERR.EINVAL: 3>" in smpmgr(address, "image", "erase", "2")
    assert smpmgr(address, "image", "state-read").count("version=") == 2
    assert "rc=" not in smpmgr(address, "image", "erase", "0")
    told = smpmgr(address, "image", "state-read")
    assert "version='2.0.0'" in told
    assert told.count("version=") == 1
    with open_device(address) as device:
        assert [(item.n, item.serving) for item in device.releases()] == [(second.n, True)]
        with pytest.raises(DeviceError, match="no earlier release to go back to") as no:
            device.rollback()
        assert no.value.status == Status.STATE
        assert device.selftest()["worst"] == 0
        with pytest.raises(DeviceError, match="no such release"):
            device.selftest(first.n)
        assert deploy(bundle_for(device, tmp_path, "first"), device).n == 3
        assert device.rollback() == second.n
