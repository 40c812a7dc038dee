"""The same bench twice on an emulated microcontroller: the same counts, to the instruction."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import MODEL

from edgeq import emulate
from edgeq.bench import bench
from edgeq.build import build
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.errors import DeviceError, UsageError
from edgeq.target import load_target

TARGET = "mps2-an386"


@pytest.mark.emulated
def test_the_same_bench_twice_gives_identical_ticks(
    tmp_path: Path, lent_home: Path, firmware_board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not any(recipe.ok for recipe in emulate.probe(TARGET)):
        pytest.skip(emulate.probe(TARGET)[0].why)
    monkeypatch.setenv("EDGEQ_FIRMWARE", str(firmware_board))
    (built,) = build(MODEL, [load_target(TARGET)], out=tmp_path)
    try:
        with open_device(f"qemu:{TARGET}") as device:
            deploy(built.bundle, device)
            first, second = (bench(device, runs=40, warmup=3) for _ in range(2))
            with pytest.raises(UsageError, match="counts instructions"):
                bench(device, seconds=1.0)
            with pytest.raises(DeviceError, match="knows nothing of delegates") as no:
                bench(device, delegate="xnnpack")
            assert "agent" not in no.value.hint
            with pytest.raises(UsageError, match="4 threads cannot be measured"):
                bench(device, threads=4)
    finally:
        emulate.stop(TARGET)
    for name in ("instructions", "init_instructions", "first_inference_instructions", "warmup_instructions"):
        one, two = first.one(name), second.one(name)
        assert one and two and one.values == two.values
        assert min(one.values) > 0
    instructions, flash, arena = (first.one(name) for name in ("instructions", "flash", "arena"))
    assert instructions and len(set(instructions.values)) == 1
    assert flash and arena and flash.values[0] > 0 and arena.values[0] > 0
    assert first.verdict == "valid"
    assert [issue.code for issue in first.issues] == ["emulated"]
