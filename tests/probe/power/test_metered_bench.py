"""A whole bench with a meter: the real agent and a real model process, a PPK2 on a pty beside it, or sensors on the
board. Power is high while the device benches, or while the model's process lives."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import make_bundle

from edgeq.agent import rails
from edgeq.agent.connection import Connection
from edgeq.agent.service import Service
from edgeq.bench import bench
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.link.memory import MemoryLink
from edgeq.run import read_run

IDLE_A, BUSY_A, SUPPLY_V = 0.002, 0.014, 3.3
RUNS = 30_000


class Watched(Device):
    """Remembers when it benched, by the host's clock."""

    began = ended = float("inf")

    def bench(self, *args: Any, **more: Any) -> dict[str, Any]:
        self.began = time.monotonic()
        try:
            return super().bench(*args, **more)
        finally:
            self.ended = time.monotonic()


@pytest.fixture
def device(service: Service, tmp_path: Path) -> Iterator[Watched]:
    with Watched(MemoryLink(Connection(service).feed), "memory:") as device:
        deploy(make_bundle(tmp_path / "bundle"), device)
        yield device


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
def test_a_ppk2_watches_a_bench_by_the_devices_own_times(device: Watched, tmp_path: Path) -> None:
    pytest.importorskip("ppk2_api", reason="ppk2-api is not installed: pip install 'edgeq[ppk2]'")
    from ppk2 import EmulatedPpk2

    def load(_: int, t: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        # By the time of each sample, which may be a while ago where the machine is busy.
        busy = (t + kit.began_s > device.began) & (t + kit.began_s < device.ended)
        return np.where(busy, BUSY_A, IDLE_A), np.zeros(t.size, np.uint8)

    with EmulatedPpk2(load) as kit:
        run = bench(device, runs=RUNS, warmup=5, probes=[f"ppk2:{kit.port}?supply_v={SUPPLY_V}"])
    energy = run.energy
    assert energy is not None
    assert (energy["tier"], energy["gate"], energy["inferences"], energy["problem"]) == ("T2", "markers", RUNS, "")
    # Power is the same in the whole bench, so the energy of the gate is known to the length of it.
    exact_uj = (BUSY_A - IDLE_A) * SUPPLY_V * energy["gate_s"] * 1e6 / RUNS
    assert energy["energy_uj"] == pytest.approx(exact_uj, rel=0.01)
    invoke = run.one("invoke")
    assert invoke is not None
    assert energy["gate_s"] == pytest.approx(invoke.t_s[-1] - invoke.t_s[0] + invoke.values[-1] / 1e9, rel=0.01)
    assert energy["budget"]["alignment"] > 0
    run.write(tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == run


def children() -> bool:
    """Whether a process that we started lives."""
    tasks = Path("/proc/self/task")
    return any((task / "children").read_text().split() for task in tasks.iterdir())


def test_sensors_on_the_board_are_read_at_rest_and_at_work(device: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path(f"/proc/self/task/{os.getpid()}/children")
    if not own.exists() or children():
        pytest.skip("the kernel does not list children, or there are others")

    def read() -> dict[str, Any]:
        return {"rails": [{"name": "VDD_IN", "from": "hwmon", "chip": "ina3221", "mw": 5000 if children() else 2000}]}

    monkeypatch.setattr(rails, "_here", lambda: (("hwmon", read),))
    run = bench(device, runs=RUNS, warmup=5)
    energy = run.energy
    assert energy is not None
    assert (energy["tier"], energy["gate"], energy["inferences"], energy["problem"]) == ("T1", "markers", RUNS, "")
    assert energy["idle_mw"] == pytest.approx(2000)
    assert energy["energy_uj"] == pytest.approx(3000 * energy["gate_s"] * 1e3 / RUNS, rel=0.01)
    assert run.one("rail_VDD_IN") is not None
