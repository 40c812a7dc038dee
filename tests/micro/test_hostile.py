"""Models that somebody spoilt: the compiler refuses them in words of its own, or what it makes of them is an image."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import single_ops
from draws import Case
from hypothesis import HealthCheck, Phase, given, seed, settings

from edgeq.errors import ArtifactError, ConvertError
from edgeq.micro.compile import compile_model

PER_OPERATOR = 20
RIMS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def drawn(name: str) -> list[bytes]:
    """Some models of one operator: always the same."""
    found: list[bytes] = []

    @seed(0)
    @settings(
        max_examples=5, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(single_ops.cases(name))
    def draw(case: Case) -> None:
        found.append(case.model)

    draw()
    return found


def spoilt(model: bytes, rng: random.Random) -> bytes:
    """The model with one to three of its numbers changed."""
    data = bytearray(model)
    for _ in range(rng.choice((1, 1, 2, 3))):
        size = rng.choice((1, 2, 4))
        at = rng.randrange((len(data) - 4) // size) * size
        old = int.from_bytes(data[at : at + size], "little")
        near, bit = old + rng.randint(-4, 4), old ^ 1 << rng.randrange(8 * size)
        value = rng.choice((rng.choice(RIMS), near, bit, rng.getrandbits(8 * size) >> rng.randrange(8 * size)))
        data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(data)


def outcome(model: bytes) -> str:
    """`ok`, or the kind of refusal; anything else that is raised is a bug."""
    try:
        compile_model(model).image()
    except (ArtifactError, ConvertError) as error:
        assert error.message and error.hint
        return type(error).__name__
    return "ok"


@pytest.mark.parametrize("name", single_ops.OPS)
def test_a_spoilt_model_is_refused_or_compiled(name: str) -> None:
    models, rng = drawn(name), random.Random(name)
    outcomes = Counter(outcome(spoilt(rng.choice(models), rng)) for _ in range(PER_OPERATOR))
    assert outcomes.total() == PER_OPERATOR
