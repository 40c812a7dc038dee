"""FAKE_QUANT operators, as converters wrote them before they wrote pairs of QUANTIZE and DEQUANTIZE."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq.model.info import TensorInfo
from edgeq.model.objects import pack_tflite, unpack_tflite
from edgeq.model.tflite import read_model


def with_fake_quant(model: bytes, narrow: bool, weights_too: bool) -> bytes:
    """`model` with one FAKE_QUANT in the place of each pair; the grids of weights are `narrow`, and left out unless
    `weights_too`."""
    unpacked, facts = unpack_tflite(model), read_model(model).subgraphs[0]
    graph = unpacked.subgraphs[0]
    code = schema.OperatorCodeT()
    code.deprecatedBuiltinCode = code.builtinCode = schema.BuiltinOperator.FAKE_QUANT
    unpacked.operatorCodes.append(code)
    kept: list[Any] = []
    same: dict[int, int] = {}
    for place, (operator, told) in enumerate(zip(graph.operators, facts.operators, strict=True)):
        operator.inputs = np.array([same.get(int(index), int(index)) for index in operator.inputs], np.int32)
        if told.name == "QUANTIZE":
            constant = facts.tensors[told.inputs[0]].data_bytes > 0
            behind = graph.operators[place + 1].outputs
            if constant and not weights_too:
                same[int(behind[0])] = int(operator.inputs[0])
            else:
                options = _options(facts.tensors[told.outputs[0]], narrow and constant)
                kept.append(_fake(len(unpacked.operatorCodes) - 1, operator.inputs, behind, options))
        elif told.name != "DEQUANTIZE":
            kept.append(operator)
    graph.operators = kept
    return pack_tflite(unpacked)


def _options(grid: TensorInfo, narrow: bool) -> Any:
    options = schema.FakeQuantOptionsT()
    options.min = (int(narrow) - grid.zero_points[0]) * grid.scales[0]
    options.max = (255 - grid.zero_points[0]) * grid.scales[0]
    options.numBits, options.narrowRange = 8, narrow
    return options


def _fake(code: int, inputs: Any, outputs: Any, options: Any) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.FakeQuantOptions, options
    return operator
