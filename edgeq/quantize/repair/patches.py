"""What a layer multiplies its weights with, as matrices: (groups, places, inputs), and the weights to match.

A convolution is one group, a depthwise one has a group for each channel that it reads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.repair.net import SAME, Layer, Net

Floats = NDArray[np.float32]

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def patches(net: Net, layer: Layer, source: Floats) -> Floats:
    """(groups, places, inputs) of one inference, from the tensor that the layer reads."""
    shape = net.shape(layer.weights)
    if layer.kind == "FULLY_CONNECTED":
        return np.asarray(source.reshape(1, -1, shape[-1]), np.float32)
    windows = _windows(layer, source[0], shape[1], shape[2])
    rows = windows.reshape(-1, *windows.shape[2:])  # (places, channels, kernel height, kernel width)
    if layer.kind == "DEPTHWISE_CONV_2D":
        return np.ascontiguousarray(rows.transpose(1, 0, 2, 3).reshape(rows.shape[1], len(rows), -1))
    return np.ascontiguousarray(rows.transpose(0, 2, 3, 1).reshape(1, len(rows), -1))


def grouped(net: Net, layer: Layer, weights: Floats) -> Floats:
    """Weights in the layer's shape as (groups, outputs of a group, inputs)."""
    if layer.kind != "DEPTHWISE_CONV_2D":
        return np.asarray(weights.reshape(1, len(weights), -1))
    channels = net.shape(layer.source)[-1]
    return np.ascontiguousarray(weights.reshape(-1, channels, weights.shape[-1] // channels).transpose(1, 2, 0))


def ungrouped(net: Net, layer: Layer, rows: Floats) -> Floats:
    """The reverse of `grouped`."""
    shape = net.shape(layer.weights)
    if layer.kind != "DEPTHWISE_CONV_2D":
        return np.asarray(rows.reshape(shape))
    return np.ascontiguousarray(rows.transpose(2, 0, 1).reshape(shape))


def _windows(layer: Layer, image: Floats, height: int, width: int) -> Floats:
    """(rows, columns, channels, kernel height, kernel width)."""
    options = layer.options
    steps = (int(options.strideH), int(options.strideW))
    spread = (int(options.dilationHFactor), int(options.dilationWFactor))
    reach = ((height - 1) * spread[0] + 1, (width - 1) * spread[1] + 1)
    if options.padding == SAME:
        pads = []
        for size, step, far in zip(image.shape, steps, reach, strict=False):
            missing = max((-(-size // step) - 1) * step + far - size, 0)
            pads.append((missing // 2, missing - missing // 2))
        image = np.pad(image, (*pads, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(image, reach, axis=(0, 1))
    return np.asarray(windows[:: steps[0], :: steps[1], :, :: spread[0], :: spread[1]])
