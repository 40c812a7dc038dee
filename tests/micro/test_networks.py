"""Networks that nobody has seen: fused or not, their bytes are TFLM's."""

from __future__ import annotations

import numpy as np
import pytest
from networks import Network

from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel

oracles = pytest.importorskip("oracles", reason="TFLM's wheel is not installed (pip install --pre tflite-micro)")
NETWORKS = 150


@pytest.mark.parametrize("group", range(5))
@pytest.mark.parametrize("more", [False, True], ids=["few", "more"])
def test_the_bytes_are_tflms(group: int, more: bool) -> None:
    for seed in range(group, NETWORKS, 5):
        network = Network(seed, more=more)
        steps = [[network.rng.integers(-128, 128, item.shape).astype(np.int8) for item in network.inputs]] * 2
        expected = [[array.tobytes() for array in step] for step in oracles.tflm(network.model, steps)]
        fused, plain = compile_model(network.model), compile_model(network.model, fuse=False)
        for compiled in (fused, plain):
            with NativeModel(compiled.image()) as model:
                found = [model.invoke([array.tobytes() for array in step]) for step in steps]
            assert found == expected, (seed, compiled is fused, [op.name for op in network.ops])
        assert fused.arena.bytes <= plain.arena.bytes
