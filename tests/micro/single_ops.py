"""Every operator that the microcontroller runtime takes, each with a strategy of single-operator models.

`cases(name)` draws `Case(op, model, inputs, about, real)`: shapes, windows, zero points at the rims, extreme
multipliers; stateful operators run several steps.
"""

from __future__ import annotations

import extreme_ops
import linear_ops
import moving_ops
import picking_ops
import pointwise_ops
import recurrent_ops
import table_ops
from draws import Case
from hypothesis import strategies as st

OPS: dict[str, st.SearchStrategy[Case]] = {
    "CONV_2D": linear_ops.conv_2d(),
    "DEPTHWISE_CONV_2D": linear_ops.depthwise_conv_2d(),
    "FULLY_CONNECTED": linear_ops.fully_connected(),
    "AVERAGE_POOL_2D": pointwise_ops.average_pool_2d,
    "MAX_POOL_2D": pointwise_ops.max_pool_2d,
    "MEAN": pointwise_ops.mean(),
    "ADD": pointwise_ops.add,
    "SUB": pointwise_ops.sub,
    "MUL": pointwise_ops.mul,
    "RELU": pointwise_ops.relu,
    "RELU6": pointwise_ops.relu6,
    "LOGISTIC": pointwise_ops.logistic,
    "TANH": pointwise_ops.tanh,
    "HARD_SWISH": pointwise_ops.hard_swish,
    "SOFTMAX": pointwise_ops.softmax(),
    "RESHAPE": moving_ops.reshape(),
    "SQUEEZE": moving_ops.squeeze(),
    "EXPAND_DIMS": moving_ops.expand_dims(),
    "PAD": moving_ops.pad(),
    "PADV2": moving_ops.padv2(),
    "CONCATENATION": moving_ops.concatenation(),
    "SPLIT": moving_ops.split(),
    "STRIDED_SLICE": moving_ops.strided_slice(),
    "TRANSPOSE": moving_ops.transpose(),
    "QUANTIZE": pointwise_ops.quantize(),
    "DEQUANTIZE": pointwise_ops.dequantize_op(),
    "SVDF": recurrent_ops.svdf(),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent_ops.unidirectional_sequence_lstm(),
    "REDUCE_MAX": extreme_ops.reduce_max,
    "REDUCE_MIN": extreme_ops.reduce_min,
    "SUM": extreme_ops.total,
    "MAXIMUM": extreme_ops.maximum,
    "MINIMUM": extreme_ops.minimum,
    "ABS": table_ops.absolute,
    "RELU_N1_TO_1": table_ops.relu_n1_to_1,
    "RELU_0_TO_1": table_ops.relu_0_to_1,
    "ELU": table_ops.elu,
    "EXP": table_ops.exp,
    "LOG": table_ops.log,
    "GELU": table_ops.gelu,
    "LEAKY_RELU": table_ops.leaky_relu(),
    "PRELU": table_ops.prelu(),
    "SLICE": picking_ops.slice_op(),
    "GATHER": picking_ops.gather(),
    "TILE": picking_ops.tile(),
    "BROADCAST_TO": picking_ops.broadcast_to(),
    "REVERSE_V2": picking_ops.reverse_v2(),
    "MIRROR_PAD": picking_ops.mirror_pad(),
    "RESIZE_NEAREST_NEIGHBOR": picking_ops.resize_nearest_neighbor(),
    "SPLIT_V": picking_ops.split_v(),
    "UNPACK": picking_ops.unpack(),
    "PACK": picking_ops.pack(),
    "SPACE_TO_DEPTH": picking_ops.space_to_depth(),
    "DEPTH_TO_SPACE": picking_ops.depth_to_space(),
    "SPACE_TO_BATCH_ND": picking_ops.space_to_batch_nd(),
    "BATCH_TO_SPACE_ND": picking_ops.batch_to_space_nd(),
    "TRANSPOSE_CONV": linear_ops.transpose_conv(),
    "VARIABLES": moving_ops.variables(),
}
"""VARIABLES is VAR_HANDLE, READ_VARIABLE and ASSIGN_VARIABLE together."""


def cases(name: str) -> st.SearchStrategy[Case]:
    """The strategy of one operator."""
    return OPS[name]
