"""Every operator that the microcontroller runtime takes, each with a strategy of single-operator models.

`cases(name)` draws `Case(op, model, inputs, about, real)`: shapes, windows, zero points at the rims, extreme
multipliers; stateful operators run several steps.
"""

from __future__ import annotations

import linear_ops
import moving_ops
import pointwise_ops
import recurrent_ops
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
    "VARIABLES": moving_ops.variables(),
}
"""VARIABLES is VAR_HANDLE, READ_VARIABLE and ASSIGN_VARIABLE together."""


def cases(name: str) -> st.SearchStrategy[Case]:
    """The strategy of one operator."""
    return OPS[name]
