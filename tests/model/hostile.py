"""What every test of hostile models shares: how to spoil a model, and what may come of it."""

from __future__ import annotations

import random

from edgeq.errors import EdgeqError
from edgeq.model.constants import check_finite
from edgeq.model.custom import check_custom
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import detect_mode
from edgeq.quantize.recipe import MODES, Recipe
from edgeq.quantize.verify import check_mode

RIMS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def spoilt(model: bytes, rng: random.Random) -> bytes:
    """The model with one to four of its numbers changed, or a piece of it cut out or copied elsewhere."""
    data = bytearray(model)
    if len(data) < 16:
        return bytes(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        size = rng.choice((1, 2, 4))
        at = rng.randrange((len(data) - 4) // size) * size
        old = int.from_bytes(data[at : at + size], "little")
        near, bit = old + rng.randint(-4, 4), old ^ 1 << rng.randrange(8 * size)
        value = rng.choice((rng.choice(RIMS), near, bit, rng.getrandbits(8 * size) >> rng.randrange(8 * size)))
        data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
    if rng.random() < 0.05:
        cut = rng.randrange(8, len(data))
        return bytes(data[:cut])
    if rng.random() < 0.1:
        length, source, target = 4 * rng.randrange(1, 16), rng.randrange(len(data)), rng.randrange(len(data))
        data[target : target + length] = data[source : source + length]
    return bytes(data)


def judge(data: bytes) -> str:
    """Everything that edgeq asks of a model before it runs: "ok", or the kind of refusal. Anything else raised is a
    bug, and so is a refusal without words."""
    verdicts = []
    try:
        info = read_model(data)
        info.macs(), info.op_counts(), info.float_tensors(), info.largest_activations_bytes()
        detect_mode(info)
    except EdgeqError as error:
        return _kind(error)
    for ask in (
        lambda: describe(info),
        lambda: check_custom(info),
        lambda: check_finite(data, info),
        *(lambda mode=mode: check_mode(info, Recipe(mode, "tensor", "float32")) for mode in MODES),
    ):
        try:
            ask()
        except EdgeqError as error:
            verdicts.append(_kind(error))
    return "ok" if not verdicts else "judged"


def _kind(error: EdgeqError) -> str:
    assert error.message and error.hint and "\n" not in error.message, repr(error.message)
    return type(error).__name__
