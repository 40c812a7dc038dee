from __future__ import annotations

import os
import signal
import time
from itertools import pairwise

import flat
import numpy as np
import pytest
import tinymodel

from edgeq.errors import ConvertError, EdgeqError, UsageError
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize import sandbox as module
from edgeq.quantize.golden import from_seed
from edgeq.quantize.host import invoke_all
from edgeq.quantize.sandbox import Sandbox
from edgeq.runtime import Model


def _inputs() -> list[list[bytes]]:
    return from_seed(describe(read_model(tinymodel.converted().model)))


@pytest.mark.parametrize("kernels", ["xnnpack", "reference"])
def test_outputs_are_those_of_the_runtime_in_this_process(kernels: str) -> None:
    model = tinymodel.converted().model
    here = Model(model, kernels=kernels)
    assert list(invoke_all(model, kernels, _inputs())) == [here.invoke(item) for item in _inputs()]


def _child(sandbox: Sandbox) -> int:
    return sandbox._child.pid


def test_a_crash_is_a_sentence_and_leaves_nothing_behind() -> None:
    with Sandbox(tinymodel.converted().model, "xnnpack") as sandbox:
        pid = _child(sandbox)
        sandbox.invoke(_inputs()[0])
        os.kill(pid, signal.SIGSEGV)
        with pytest.raises(ConvertError, match=r"The runtime crashed \(SIGSEGV\) while running it") as caught:
            sandbox.invoke(_inputs()[0])
    assert caught.value.hint
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_fails_otherwise_leaves_its_last_words() -> None:
    with pytest.raises(ConvertError, match=r"crashed \(exit code 1\) while loading it: .*Error"):
        Sandbox(tinymodel.converted().model, "xnnpack", memory_bytes=1 << 20)


def test_a_model_that_hangs_is_ended() -> None:
    with Sandbox(tinymodel.converted().model, "xnnpack", timeout_s=30) as sandbox:
        sandbox.invoke(_inputs()[0])
        os.kill(_child(sandbox), signal.SIGSTOP)
        sandbox._timeout_s = 0.5
        start = time.monotonic()
        with pytest.raises(ConvertError, match=r"did not end within 0\.5 s of running it"):
            sandbox.invoke(_inputs()[0])
        assert time.monotonic() - start < 30


def test_a_model_that_takes_all_memory_is_refused() -> None:
    x = flat.Tensor((1, 450_000_000), "float32")
    chain = [x, *(flat.Tensor(x.shape, "float32") for _ in range(3))]
    ops = [flat.Op("ADD", [first, first], [second]) for first, second in pairwise(chain)]
    model = flat.write_model(ops, [x], [chain[-1]])
    with pytest.raises(ConvertError):
        Sandbox(model, "reference", memory_bytes=2 << 30)


def test_a_convolution_without_weights_does_not_take_this_process_with_it() -> None:
    """LiteRT 2.3 with XNNPACK follows the missing tensor (SIGSEGV); found by mutating models."""
    x, bias = flat.Tensor((1, 4, 4, 2), "float32"), flat.Tensor((3,), "float32", data=np.zeros(3, np.float32))
    weights = flat.Tensor((3, 1, 1, 2), "float32", data=np.ones((3, 1, 1, 2), np.float32))
    y = flat.Tensor((1, 4, 4, 3), "float32")
    options = flat.schema.Conv2DOptionsT()
    options.strideW = options.strideH = 1
    for given in (weights, None):
        model = flat.write_model([flat.Op("CONV_2D", [x, given, bias], [y], options)], [x], [y])
        if given is not None:
            Sandbox(model, "xnnpack").close()
            continue
        with pytest.raises(EdgeqError) as caught:
            Sandbox(model, "xnnpack")
        assert isinstance(caught.value, ConvertError)
        with pytest.raises(EdgeqError, match="a CONV_2D lacks its input 1"):
            next(invoke_all(model, "xnnpack", [[b""]]))


def test_wrong_inputs_and_a_missing_runtime_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(tinymodel.converted().model, "xnnpack") as sandbox:
        with pytest.raises(ConvertError, match="The input 'image' has 64 bytes; 1 were given"):
            sandbox.invoke([b"x"])
        assert sandbox.invoke(_inputs()[0])
    error = module._refusal(b"unavailable", "No runtime is installed.")
    assert isinstance(error, UsageError) and "edgeq[runtime]" in error.hint


def test_a_model_starts_quickly() -> None:
    """Well under a second of processor time: most of it is Python, numpy and the runtime itself."""
    before = os.times()
    next(invoke_all(tinymodel.converted().model, "xnnpack", _inputs()))
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1
