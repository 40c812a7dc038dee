from __future__ import annotations

import hashlib
import json

import numpy as np
import tinymodel

from edgeq.model.tflite import read_model
from edgeq.passport.tensors import tensors


def test_every_tensor_is_told_with_its_type_and_scales() -> None:
    info = read_model(tinymodel.converted().model)
    told = tensors(info)
    own = info.subgraphs[0].tensors
    assert [each["name"] for each in told] == [tensor.name for tensor in own]
    assert [each["dtype"] for each in told] == [tensor.dtype for tensor in own]
    single = next(each for each in told if "scale" in each)
    assert single["scale"] > 0
    channels = next(each for each in told if "channels" in each)
    scales = np.asarray(own[told.index(channels)].scales, "<f4")
    assert channels["constant"]
    assert channels["channels"]["sha256"] == hashlib.sha256(scales.tobytes()).hexdigest()
    assert channels["channels"]["count"] == len(scales)
    json.dumps(told, allow_nan=False)


def test_a_float_model_has_no_scales() -> None:
    assert not [each for each in tensors(read_model(tinymodel.converted().float_model)) if "scale" in each]
