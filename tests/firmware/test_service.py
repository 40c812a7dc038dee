"""The firmware's service: what only a microcontroller does, on the firmware as a process under sanitizers."""

from __future__ import annotations

import contextlib
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from bundles import tiny
from mcu import Process, make_image
from service import SLOTS, bundle_for, put, raw, send

from edgeq.bench import bench
from edgeq.bundle import write_bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.device.open import open_device
from edgeq.errors import DeviceError
from edgeq.link.proxy import Faults, Noise, Proxy
from edgeq.link.tcp import TcpLink
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status

PROFILE = (smp.WRITE, smp.GROUP_EDGEQ, 14)
DEPTHWISE_OR_CONV = {1, 2}


def test_a_trial_that_fails_is_reverted_by_the_device(device: Device, tmp_path: Path) -> None:
    good = deploy(bundle_for(device, tmp_path, "good"), device)
    bad = bundle_for(device, tmp_path, "bad", outputs=lambda data: bytes(255 - byte for byte in data))
    tried = send(device, bad)
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
            tried = send(device, fresh)
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
            "arena", "static", "stack", "ram", "flash",
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
