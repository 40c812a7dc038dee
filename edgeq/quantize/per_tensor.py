"""Gives the weights of a static model one scale per tensor, where TensorFlow's 16-bit quantizer cannot.

That quantizer, asked for it, fails on every depthwise convolution. Runs in the conversion worker alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.objects import operator_name, pack_tflite, store, symmetric, unpack_tflite, values
from edgeq.quantize.detect import WEIGHTED


def per_tensor(model: bytes, float_model: bytes) -> bytes:
    """`model` with the int8 weights of its layers, and the biases with them, quantized anew with one scale each.

    `float_model` is what it was made of: weights are found there by the names of their tensors.
    """
    unpacked, source = unpack_tflite(model), unpack_tflite(float_model)
    floats = {tensor.name: values(source, tensor) for graph in source.subgraphs for tensor in graph.tensors}
    for graph in unpacked.subgraphs:
        for operator in graph.operators:
            place = WEIGHTED.get(operator_name(unpacked, operator), (-1, 0))[0]
            if place >= 0 and _channels(weights := graph.tensors[operator.inputs[place]]) > 1:
                biases = [graph.tensors[index] for index in operator.inputs[place + 1 :] if index >= 0]
                _merge(unpacked, weights, biases, floats.get(weights.name))
    return pack_tflite(unpacked)


def _merge(model: Any, weights: Any, biases: list[Any], real: NDArray[Any] | None) -> None:
    scales = np.asarray(weights.quantization.scale, np.float32)
    if real is None or real.size != np.prod(weights.shape):
        shape = [1] * len(weights.shape)
        shape[weights.quantization.quantizedDimension] = len(scales)
        stored = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8)
        real = (stored.reshape(weights.shape) * scales.reshape(shape)).ravel()
    scale = scales.max()
    store(model, weights, np.clip(np.rint(real / scale), -127, 127).astype(np.int8), "int8")
    weights.quantization = symmetric(np.array([scale]), 0)
    for bias in biases:
        if _channels(bias) == len(scales):
            _merge_bias(model, bias, scales, scale)


def _merge_bias(model: Any, bias: Any, scales: NDArray[np.float32], scale: np.float32) -> None:
    """A bias counts in steps of input scale x weight scale; `scales` are those that the weights had."""
    dtype = {4: "int64", 2: "int32"}[bias.type]
    steps = np.frombuffer(bytes(model.buffers[bias.buffer].data), dtype)
    merged = np.rint(steps * (scales.astype(np.float64) / scale)).astype(dtype)
    input_scale = np.asarray(bias.quantization.scale, np.float64)[0] / scales[0]
    store(model, bias, merged, dtype)
    bias.quantization = symmetric(np.array([input_scale * scale], np.float32), 0)


def _channels(tensor: Any) -> int:
    quantization = tensor.quantization
    return 0 if quantization is None or quantization.scale is None else len(quantization.scale)
