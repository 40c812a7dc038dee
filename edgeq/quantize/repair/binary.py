"""Binary weights, an experiment: a layer's weights become -a and a, with one a for each output.

Rastegari et al., "XNOR-Net", 2016, its weights alone. As with ternary weights they are stored and run as int8.
"""

from __future__ import annotations

import numpy as np

from edgeq.quantize.repair.net import Floats
from edgeq.quantize.repair.ternary import coarse
from edgeq.quantize.repair.work import Work


def binary(work: Work) -> Work:
    """The weights of all layers but the first and the last with two values for each output."""
    return coarse(work, _two)


def _two(rows: Floats) -> Floats:
    return np.asarray(np.where(rows < 0, -1, 1) * np.abs(rows).mean(axis=1, keepdims=True), np.float32)
