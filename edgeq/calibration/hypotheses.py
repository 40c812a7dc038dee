"""What else the samples could have been meant to be: other scales, other orders of channels and axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SCALE, CHANNELS, ORIENTATION, POLARITY = "scale", "channels", "orientation", "polarity"
_SIDE = 8
_TORCH_MEAN, _TORCH_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_CAFFE_MEAN = np.array([103.939, 116.779, 123.68])


@dataclass(frozen=True)
class Facts:
    """Of all samples: the extremes, and the shape of one as the model sees it, without the batch."""

    low: float
    high: float
    shape: tuple[int, ...]

    @property
    def image(self) -> bool:
        """Whether it looks like a picture with 1 or 3 channels."""
        return len(self.shape) == 3 and self.shape[2] in (1, 3) and min(self.shape[:2]) >= _SIDE

    def within(self, low: float, high: float) -> bool:
        """Whether all values lie there, and use a good part of it."""
        slack = 0.02 * (high - low)
        used = self.high - self.low >= 0.4 * (high - low)
        return self.low >= low - slack and self.high <= high + slack and used


@dataclass(frozen=True)
class Hypothesis:
    """`change` makes of one sample (1, ...) what the model may have been trained on; `title` says how."""

    title: str
    kind: str
    change: Callable[[Array], Array]
    fits: Callable[[Facts], bool]


def hypotheses(facts: Facts) -> list[Hypothesis]:
    """Those that samples like these allow."""
    return [each for each in _ALL if each.fits(facts)]


def _unit(facts: Facts) -> bool:
    return facts.within(0, 1)


def _signed(facts: Facts) -> bool:
    return facts.within(-1, 1) and facts.low < -0.2


def _bytes(facts: Facts) -> bool:
    return facts.within(0, 255) and facts.high > 2


def _centred(facts: Facts) -> bool:
    return facts.within(-128, 127) and facts.low < -20


def _small(facts: Facts) -> bool:
    return max(-facts.low, facts.high) <= 4


def _large(facts: Facts) -> bool:
    return max(-facts.low, facts.high) > 4


def _coloured(facts: Facts) -> bool:
    return facts.image and facts.shape[2] == 3


def _pictured(what: Callable[[Facts], bool]) -> Callable[[Facts], bool]:
    return lambda facts: _coloured(facts) and what(facts)


def _torch_like(facts: Facts) -> bool:
    return _coloured(facts) and -2.3 <= facts.low < -1.3 and 1.3 < facts.high <= 2.8


def _caffe_like(facts: Facts) -> bool:
    return _coloured(facts) and -124 <= facts.low < -60 and 60 < facts.high <= 152


def _times(factor: float) -> Callable[[Array], Array]:
    return lambda x: x * factor


_ALL = (
    Hypothesis("multiplied by 255", SCALE, _times(255), _small),
    Hypothesis("divided by 255", SCALE, _times(1 / 255), _large),
    Hypothesis("multiplied by 127.5, plus 127.5", SCALE, lambda x: x * 127.5 + 127.5, _signed),
    Hypothesis("divided by 127.5, minus 1", SCALE, lambda x: x / 127.5 - 1, _bytes),
    Hypothesis("multiplied by 2, minus 1", SCALE, lambda x: x * 2 - 1, _unit),
    Hypothesis("multiplied by 0.5, plus 0.5", SCALE, lambda x: x * 0.5 + 0.5, _signed),
    Hypothesis("plus 128", SCALE, lambda x: x + 128, _centred),
    Hypothesis("minus 128", SCALE, lambda x: x - 128, _bytes),
    Hypothesis("multiplied by 32768", SCALE, _times(32768), _small),
    Hypothesis("divided by 32768", SCALE, _times(1 / 32768), lambda facts: max(-facts.low, facts.high) > 300),
    Hypothesis("multiplied by 10 (or a logarithm to another base)", SCALE, _times(10), lambda _: True),
    Hypothesis("divided by 10 (or a logarithm to another base)", SCALE, _times(0.1), lambda _: True),
    Hypothesis("multiplied by 2", SCALE, _times(2), lambda _: True),
    Hypothesis("divided by 2", SCALE, _times(0.5), lambda _: True),
    Hypothesis(
        "normalized with the mean and deviation of ImageNet (of 0..255)",
        SCALE,
        lambda x: (x / 255 - _TORCH_MEAN) / _TORCH_STD,
        _pictured(_bytes),
    ),
    Hypothesis(
        "normalized with the mean and deviation of ImageNet (of 0..1)",
        SCALE,
        lambda x: (x - _TORCH_MEAN) / _TORCH_STD,
        _pictured(_unit),
    ),
    Hypothesis(
        "brought back to 0..1 from the mean and deviation of ImageNet",
        SCALE,
        lambda x: x * _TORCH_STD + _TORCH_MEAN,
        _torch_like,
    ),
    Hypothesis(
        "brought back to 0..255 from the mean and deviation of ImageNet",
        SCALE,
        lambda x: (x * _TORCH_STD + _TORCH_MEAN) * 255,
        _torch_like,
    ),
    Hypothesis("in BGR, less the mean of ImageNet", SCALE, lambda x: x[..., ::-1] - _CAFFE_MEAN, _pictured(_bytes)),
    Hypothesis("in RGB, plus the mean of ImageNet", SCALE, lambda x: (x + _CAFFE_MEAN)[..., ::-1], _caffe_like),
    Hypothesis("with red and blue exchanged", CHANNELS, lambda x: x[..., ::-1], _coloured),
    Hypothesis(
        "with rows and columns exchanged",
        ORIENTATION,
        lambda x: np.swapaxes(x, 1, 2),
        lambda facts: facts.image and facts.shape[0] == facts.shape[1],
    ),
    Hypothesis("turned upside down", ORIENTATION, lambda x: x[:, ::-1], lambda facts: facts.image),
    Hypothesis("inverted (1 - x)", POLARITY, lambda x: 1 - x, lambda facts: facts.image and _unit(facts)),
    Hypothesis("inverted (-x)", POLARITY, lambda x: -x, lambda facts: facts.image and _signed(facts)),
    Hypothesis("inverted (255 - x)", POLARITY, lambda x: 255 - x, lambda facts: facts.image and _bytes(facts)),
)
