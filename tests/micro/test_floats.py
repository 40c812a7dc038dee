"""What TFLite leaves in float32 between DEQUANTIZE and QUANTIZE becomes a table, with TFLM's bytes."""

from __future__ import annotations

import numpy as np
import pytest
from flat import Op, Tensor, options, write_model

from edgeq.errors import ConvertError
from edgeq.micro.compile import compile_model
from edgeq.micro.luts import FLOATS
from edgeq.micro.native import NativeModel

oracles = pytest.importorskip("oracles", reason="TFLM's wheel is not installed (pip install --pre tflite-micro)")
POSITIVE = ("LOG", "SQRT")


def island(names: tuple[str, ...], source: Tensor, out: Tensor) -> list[Op]:
    real = Tensor(source.shape, "float32")
    ops = [Op("DEQUANTIZE", (source,), (real,))]
    for name in names:
        after = Tensor(source.shape, "float32")
        ops.append(Op(name, (real,), (after,)))
        real = after
    return [*ops, Op("QUANTIZE", (real,), (out,), options("Quantize"))]


@pytest.mark.parametrize("names", [*((name,) for name in FLOATS), ("ABS", "SQRT", "NEG"), ()], ids="-".join)
def test_the_table_has_tflms_bytes(names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(len(names) + sum(map(ord, "".join(names))))
    values = np.arange(-128, 128).astype(np.int8)
    for _ in range(25):
        lowest = -128 if names[:1] and names[0] in POSITIVE else int(rng.integers(-128, 128))
        source = Tensor((256,), "int8", (float(np.float32(2 ** rng.uniform(-9, -4))),), lowest)
        out = Tensor((256,), "int8", (float(np.float32(2 ** rng.uniform(-8, -3))),), int(rng.integers(-128, 128)))
        model = write_model(island(names, source, out), [source], [out])
        given = np.maximum(values, -127) if "LOG" in names else values
        ((wanted,),) = oracles.tflm(model, [[given]])
        compiled = compile_model(model)
        assert [op.name for op in compiled.plan.ops] == ["lut_i8"]
        with NativeModel(compiled.image()) as opened:
            assert opened.invoke([given.tobytes()]) == [wanted.tobytes()], (source, out)


def test_a_float_output_is_dequantized_all_the_same() -> None:
    source, out, real = Tensor((4,), "int8", (0.1,), 3), Tensor((4,), "int8", (0.2,), 5), Tensor((4,), "float32")
    ops = [Op("DEQUANTIZE", (source,), (real,)), Op("QUANTIZE", (real,), (out,), options("Quantize"))]
    compiled = compile_model(write_model(ops, [source], [real, out]))
    assert [op.name for op in compiled.plan.ops] == ["dequantize_f32", "lut_i8"]


def test_a_float_that_is_never_quantized_is_refused_by_name() -> None:
    source, out = Tensor((4,), "int8", (0.1,), 3), Tensor((4,), "int8", (0.2,), 5)
    *ops, last = island(("ELU",), source, out)
    with pytest.raises(ConvertError, match="t2"):
        compile_model(write_model(ops, [source], last.inputs[:1]))
