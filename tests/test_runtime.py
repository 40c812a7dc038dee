from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tinymodel

from edgeq import runtime
from edgeq.model.tflite import read_model


def test_available_names_what_is_installed() -> None:
    found = runtime.available()
    assert found is not None
    assert found[0] in ("ai-edge-litert", "tflite-runtime")
    assert found[1][0].isdigit()


def test_it_travels_alone() -> None:
    """Loads without the rest of edgeq and without numpy, as the agent does on a device."""
    source = Path(runtime.__file__)
    code = (
        "import sys, importlib.util as u\n"
        f"spec = u.spec_from_file_location('edgeq_runtime', {str(source)!r})\n"
        "module = u.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "assert not {'numpy', 'edgeq', 'ai_edge_litert'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("kernels", runtime.KERNELS)
def test_interface_is_that_of_the_file(kernels: str) -> None:
    data = tinymodel.converted().model
    model, info = runtime.Model(data, kernels=kernels), read_model(data)
    for got, want in zip([*model.inputs, *model.outputs], [*info.inputs, *info.outputs], strict=True):
        assert (got.name, got.shape, got.dtype, got.size_bytes) == (want.name, want.shape, want.dtype, want.size_bytes)
        assert (got.scale, got.zero_point) == (pytest.approx(want.scales[0]), want.zero_points[0])


def test_load_run_read_is_invoke_and_outputs_are_copies(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tinymodel.converted().model)
    model = runtime.Model(str(path))
    one, other = (np.full(64, value, np.int8).tobytes() for value in (100, -100))
    first = model.invoke([one])
    model.load([other])
    model.run()
    second = model.read()
    assert first != second
    assert model.invoke([one]) == first
    assert len(first[0]) == 3


def test_float_and_quantized_agree() -> None:
    both = tinymodel.converted()
    model, reference = runtime.Model(both.model), runtime.Model(both.float_model)
    source, result = model.inputs[0], model.outputs[0]
    for sample in tinymodel.samples(10):
        expected = np.frombuffer(reference.invoke([sample.tobytes()])[0], np.float32)
        raw = np.clip(np.rint(sample / source.scale) + source.zero_point, -128, 127).astype(np.int8)
        got = np.frombuffer(model.invoke([raw.tobytes()])[0], np.int8)
        assert np.abs((got.astype(float) - result.zero_point) * result.scale - expected).max() < 0.05


def test_wrong_arguments_are_told() -> None:
    data = tinymodel.converted().model
    with pytest.raises(ValueError, match="'fast'"):
        runtime.Model(data, kernels="fast")
    with pytest.raises(ValueError, match="at least one thread"):
        runtime.Model(data, threads=0)
    with pytest.raises(RuntimeError, match="refuses the model"):
        runtime.Model(data[:100])
    with pytest.raises(RuntimeError, match="refuses the model"):
        runtime.Model("/nonexistent/model.tflite")
    model = runtime.Model(data)
    with pytest.raises(ValueError, match="1 inputs; 2 were given"):
        model.load([b"", b""])
    with pytest.raises(ValueError, match="'image' has 64 bytes; 3 were given"):
        model.load([b"123"])


def test_without_a_runtime_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_MODULES", (("ai-edge-litert", "no_such_module"),))
    assert runtime.available() is None
    with pytest.raises(runtime.RuntimeUnavailable, match="No runtime"):
        runtime.Model(b"")
