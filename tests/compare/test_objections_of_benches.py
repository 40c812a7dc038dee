"""Real benches against each other: each way in which two of them are not alike is seen in what a bench writes.

What one machine cannot be (another board, emulated) is put into what the device says of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import make_bundle, tiny
from inmemory import device_at

from edgeq.bench import bench
from edgeq.bundle import write_bundle
from edgeq.compare.baseline import read_side, write_baseline
from edgeq.compare.metrics import METRICS
from edgeq.compare.objections import CODES, object_to
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.preprocess import Raw, parse
from edgeq.preprocess.wire import encode_raw
from edgeq.run import Run
from edgeq.runtime import Model

ALLOWED: dict[str, Any] = {"allow_interface_change": True}
LOOPS = {"macs": 1234, "ops": {"CONV_2D": 1, "WHILE": 1}, "weights_bytes": 100, "float_sha256": "0" * 64}
EVALUATION = {"value": 0.9, "title": "accuracy", "unit": "fraction", "better": "higher", "samples": 100}
IMAGE = parse({"input": "image", "steps": [{"do": "scale", "multiply": 0.02, "add": -2.5}]})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benches")


@pytest.fixture(scope="module")
def device(home: Path) -> Iterator[Device]:
    with device_at(home / "store") as found:
        yield found


class Bench:
    """Benches of one device, each made once. `told` is the manifest's, but for what `make_bundle` takes."""

    def __init__(self, device: Device, home: Path) -> None:
        self._device, self._home, self._serves = device, home, ""
        self._made: dict[str, Run] = {}

    def __call__(self, told: dict[str, Any] | None = None, facts: dict[str, Any] | None = None, **how: Any) -> Run:
        key = repr((told, facts, how))
        if key not in self._made:
            self._serve(told or {})
            own = dict(self._device.describe())
            self._device.describe().update(facts or {})
            self._made[key] = bench(self._device, **{"runs": 30, "warmup": 2, "probes": (), **how})
            self._device.describe().clear()
            self._device.describe().update(own)
        return self._made[key]

    def _serve(self, told: dict[str, Any]) -> None:
        if repr(told) == self._serves:
            return
        folder = self._home / f"bundle-{len(self._made)}"
        plain = make_bundle(folder, **{key: told[key] for key in told if key not in ("model", "golden")})
        members = {name: plain.path(name).read_bytes() for name in plain.files}
        deploy(write_bundle(folder, members, {**plain.manifest, **_manifest(told)}), self._device, **ALLOWED)
        self._serves = repr(told)

    def metered(self, **options: Any) -> Run:
        """A bench beside a meter that took 1 W while 60 inferences ran, of which these are the options."""
        path = self._home / "meter.csv"
        rows = [f"{i / 100},{1000 if 20 <= i < 80 else 400},{int(20 <= i < 80)}" for i in range(100)]
        path.write_text("\n".join(["t_s,power_mw,gate", *rows]), encoding="utf-8")
        given = {"inferences": 60, "tier": "T2", "supply_v": 3.3, **options}
        return self(probes=[f"replay:{path}?{'&'.join(f'{key}={value}' for key, value in given.items())}"])


@pytest.fixture(scope="module")
def made(device: Device, home: Path) -> Bench:
    return Bench(device, home)


def _manifest(told: dict[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in ("model", "golden") if key in told}


def golden(**more: Any) -> dict[str, Any]:
    return {"vectors": 4, "kernels": "xnnpack", "tolerance": 1, "runtime": "ai-edge-litert 2", **more}


def with_raw() -> dict[str, Any]:
    """An interface with preprocessing, and a golden vector from raw input."""
    data, interface, _ = tiny()
    model, shape = Model(data), interface.inputs[0].shape
    pixels = Raw(np.zeros(shape[1:], np.uint8))
    outputs = model.invoke([model.inputs[0].encode(IMAGE.apply(pixels).reshape(shape))])
    preprocessing = replace(interface, preprocess=IMAGE.to_json())
    return {"interface": preprocessing, "raw": [{**encode_raw(pixels), "outputs": outputs}]}


PAIRS: dict[str, Callable[[Bench], tuple[Run, Run]]] = {
    "invalid_run": lambda made: (made(), made(stopped=lambda: True, runs=1_000_000, warmup=1_000_000)),
    "degraded_run": lambda made: (made(), made(runs=3)),
    "emulated_real": lambda made: (made(), made(facts={"emulated": True, "emulator": "qemu-user 8"})),
    "other_emulator": lambda made: (
        made(facts={"emulated": True, "emulator": "qemu-user 7"}),
        made(facts={"emulated": True, "emulator": "qemu-user 8"}),
    ),
    "other_model": lambda made: (made(), made({"name": "other", "model": {**LOOPS, "float_sha256": "1" * 64}})),
    "other_lineage": lambda made: (made(), made({"model": {**LOOPS, "float_sha256": "1" * 64}})),
    "other_device": lambda made: (made(), made(facts={"cpu": "Cortex-A76", "cores": 64})),
    "other_threads": lambda made: (made(), made(threads=2)),
    "other_delegate": lambda made: (made(), made(delegate="reference")),
    "other_preprocess": lambda made: (made({"preprocess_sha256": "a" * 64}), made({"preprocess_sha256": None})),
    "other_span": lambda made: (made(with_raw()), made(with_raw(), end_to_end=True)),
    "other_length": lambda made: (made(), made(runs=1_000_000, seconds=0.3, sustained=True)),
    "other_input": lambda made: (
        made({"model": LOOPS, "golden": golden(input_sha256="a" * 64)}),
        made({"model": LOOPS, "golden": golden(input_sha256="b" * 64)}),
    ),
    "other_data": lambda made: (
        made({"evaluation": {**EVALUATION, "data_sha256": "a" * 64}}),
        made({"evaluation": {**EVALUATION, "data_sha256": "b" * 64}}),
    ),
    "other_supply": lambda made: (made.metered(), made.metered(supply_v=1.8)),
    "other_tier": lambda made: (made.metered(), made.metered(tier="T3")),
    "other_gate": lambda made: (made.metered(), made.metered(t_start=0.2, t_end=0.8)),
}


RECORDED = ("other_governor", "other_runtime", "other_scope")
"""What takes another board, runtime or meter; `test_what_a_bench_writes_of_them` has the keys that are compared."""


def codes(one: Run, other: Run) -> set[str]:
    return {objection.code for objection in object_to([one], [other], tuple(METRICS), ())}


def test_every_code_is_here() -> None:
    assert {*PAIRS, *RECORDED, "same_run"} == set(CODES)


@pytest.mark.parametrize("code", PAIRS)
def test_real_benches_raise_it_and_so_do_their_baselines(code: str, made: Bench, tmp_path: Path) -> None:
    one, other = PAIRS[code](made)
    assert code in codes(one, other)
    assert code == "degraded_run" or code not in codes(one, one)  # A busy machine degrades every bench.
    write_baseline(tmp_path / "baseline.json", [one])
    (kept,) = read_side([tmp_path / "baseline.json"])
    assert code in codes(kept, other) and "same_run" in codes(kept, one)


def test_what_a_bench_writes_of_them(made: Bench) -> None:
    run = made.metered()
    assert run.device["runtime"] and run.device["runtime_version"] and run.energy and run.energy["scope"]
    assert "before" in run.environment  # a governor where this machine has one: tests/agent/test_sensors.py
    worded = replace(run, created="later", energy={**run.energy, "scope": "the PMIC's rails"})
    assert "other_scope" in codes(run, worded)
