from __future__ import annotations

import numpy as np
from floatnets import FloatNet, answers, samples

from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import as_samples


def test_the_mean_of_the_answers_comes_back() -> None:
    off = {(): 0.0, ("correct-biases",): 0.0}
    for seed in range(4):
        model, x = FloatNet(seed, "cdc").model, samples(40)
        wanted = answers(model, x)
        for repairs in off:
            made = quantize(model, as_samples(x), Recipe("static_wi4_ai8", repairs=repairs))
            off[repairs] += float(np.abs((answers(made, x) - wanted).mean(axis=0)).sum())
    assert off["correct-biases",] < off[()] / 3
