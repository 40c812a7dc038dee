"""Ops of a delegate against ops of the model: told where names and order say so, left open elsewhere."""

from __future__ import annotations

import pytest

from edgeq.profile.delegate import Wanted, assign

CONV, DENSE = "Convolution (NHWC, QC8) IGEMM", "Fully Connected (NC, QS8, QC8W) GEMM"
RESHAPE, CLAMP = "Static Reshape (NC)", "Clamp (NC)"


def model(*ops: str) -> list[Wanted]:
    return [
        Wanted(index, op, op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")) for index, op in enumerate(ops)
    ]


@pytest.mark.parametrize(
    ("names", "ops", "found"),
    [
        ([CONV, DENSE], ["CONV_2D", "CONV_2D"], [0, 1]),  # a 1x1 convolution is a product
        ([CONV, "Add (ND)", CLAMP, CONV], ["CONV_2D", "ADD", "CONV_2D"], [0, 1, 1, 2]),  # its activation
        ([RESHAPE, RESHAPE, DENSE], ["RESHAPE", "FULLY_CONNECTED"], [0, 1, 1]),  # as LiteRT 2.3.0 ends kws
        ([CONV], ["PAD", "CONV_2D"], [1]),  # the pad went into the convolution
        (["Mean (ND) Reduce", RESHAPE, DENSE], ["MEAN", "FULLY_CONNECTED"], [0, 1, 1]),
        ([CLAMP], ["RELU6"], [0]),
        (["Invalid Unary Op", "Multiply (ND)"], ["LOGISTIC", "MUL"], [0, 1]),  # a table: it has no name
        # As LiteRT 2.3.0 names them: a concatenation is one copy, whatever it joins.
        ([CONV, "LeakyReLU (NC)", CONV, "TanH (NC)"], ["CONV_2D", "LEAKY_RELU", "CONV_2D", "TANH"], [0, 1, 2, 3]),
        (["Copy (NC, X8)", CONV], ["CONCATENATION", "CONV_2D"], [0, 1]),
        (["Reduce Max (ND) Reduce", RESHAPE, DENSE], ["REDUCE_MAX", "FULLY_CONNECTED"], [0, 1, 1]),
        ([], [], []),
    ],
)
def test_what_names_and_order_say(names: list[str], ops: list[str], found: list[int]) -> None:
    assert assign(names, model(*ops)) == found


@pytest.mark.parametrize(
    ("names", "ops"),
    [
        ([CONV, "Somersault (NC)"], ["CONV_2D", "SOFTMAX"]),  # a name that nobody knows
        ([CONV], ["CONV_2D", "CONV_2D"]),  # a product that no op of the delegate does
        ([CONV, CONV], ["CONV_2D"]),  # one too many
        ([CONV, "Add (ND)"], ["ADD", "CONV_2D"]),  # another order
        ([CONV], []),
    ],
)
def test_nothing_is_guessed(names: list[str], ops: list[str]) -> None:
    assert assign(names, model(*ops)) == [None] * len(names)


def test_products_come_before_helpers_in_a_long_list() -> None:
    names = [RESHAPE, CONV] * 40
    found = assign(names, model(*["CONV_2D", "RESHAPE"] * 40))
    assert found[1::2] == list(range(0, 80, 2))
