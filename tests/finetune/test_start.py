"""Where training begins: channels are evened out where that is clearly better, and what is computed stays."""

from __future__ import annotations

import numpy as np
from finetune_cases import made

from edgeq.finetune.imported import unmark
from edgeq.finetune.start import CLEARLY_DB, start
from edgeq.model.tflite import read_model
from edgeq.quantize.outputs import Runner
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.channels import families, scale
from edgeq.quantize.repair.net import Net
from edgeq.quantize.samples import as_samples


def test_unequal_channels_are_evened_out_and_a_healthy_model_is_left_alone() -> None:
    data = (made() / "marked.tflite").read_bytes()
    healthy = unmark(data, read_model(data)).model
    x = as_samples(np.load(made() / "wrapped.npy")[:24])
    net = Net(healthy)
    for family in families(net):
        factors = np.ones(family.size)
        factors[0] = 1 / 300
        scale(net, family, factors)
    spoilt = net.pack()
    left, mended = start(healthy, x, Recipe()), start(spoilt, x, Recipe())
    assert not left.equalized and left.model == healthy
    assert mended.equalized and mended.sqnr_db > left.sqnr_db - 4 * CLEARLY_DB
    wanted = Runner(healthy).answers(x)
    assert np.allclose(Runner(mended.model).answers(x), wanted, atol=1e-3 * np.abs(wanted).max())
    assert set(mended.ranges) == set(left.ranges)
