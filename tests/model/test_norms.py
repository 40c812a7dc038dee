"""What the first batch norm of a real Keras model says, of Keras 3 and of tf_keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.model.norms import Norm

_SCRIPT = """
import json, sys
import numpy as np
if sys.argv[1] == "keras":
    import keras
else:
    import tf_keras as keras
from edgeq.model.norms import first_norm
L = keras.layers

def model(*layers):
    x = keras.Input((8, 8, 3))
    y = x
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)

norm = L.BatchNormalization()
right = model(L.Conv2D(2, 3), norm, L.ReLU(), L.Conv2D(4, 1), L.BatchNormalization())
norm.gamma.assign([2.0, -3.0])
norm.beta.assign([0.5, 0.0])
norm.moving_mean.assign([0.1, 0.0])
last = L.BatchNormalization(scale=False, center=False)
plain = model(L.Flatten(), L.Dense(3), last)
last.moving_variance.assign([1.0, 2.0, 3.0])
shared = L.Conv2D(3, 1)
follows = L.BatchNormalization(scale=False, center=False, moving_variance_initializer="zeros")

def saved(*layers):
    keras.Sequential([L.Input((8, 8, 3)), *layers]).save(sys.argv[2])
    return keras.models.load_model(sys.argv[2], compile=False)

told = [
    first_norm(each) and first_norm(each).to_json()
    for each in (
        right,
        plain,
        model(L.Conv2D(2, 3, activation="relu"), L.BatchNormalization()),
        model(L.Conv2D(2, 3), L.ReLU(), L.BatchNormalization()),
        model(L.Conv2D(2, 3)),
        model(L.Conv2D(2, 3), L.BatchNormalization()),
        model(shared, shared, L.BatchNormalization()),
        saved(L.Conv2D(2, 3), L.ReLU(), follows),
        saved(L.Conv2D(2, 3), follows, L.ReLU()),
        saved(L.Rescaling(255.0), L.Conv2D(2, 3)),
        saved(L.Rescaling(0.25, offset=-1), L.Conv2D(2, 3)),
        saved(L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 16.0]), L.Conv2D(2, 3)),
    )
]
print(json.dumps(told))
"""


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_the_first_norm_of_a_model(tmp_path: Path, library: str) -> None:
    pytest.importorskip("tensorflow")
    if library == "tf_keras":
        pytest.importorskip("tf_keras")
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, library, str(tmp_path / "model.keras")]
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    right, plain, *others, sequential, larger, rescaled, normalized = json.loads(done.stdout.splitlines()[-1])
    assert Norm.from_json(right) == Norm((0.5, 0.0), (2.0, 3.0))
    assert Norm.from_json(plain) == Norm((0.0,) * 3, (1.0,) * 3)
    assert [*others, larger] == [None] * 7
    assert (rescaled["multiply"], rescaled["add"], rescaled["means"]) == ([0.25], [-1.0], [])
    assert normalized["multiply"] == pytest.approx([0.5, 0.5, 0.25]) and rescaled["scaling"].startswith("rescaling")
    assert normalized["add"] == pytest.approx([-0.5, -1, -0.75]) and Norm.from_json(normalized).to_json()["means"] == ()
    assert Norm.from_json(sequential) == Norm((0.0,) * 2, (1.0,) * 2)
