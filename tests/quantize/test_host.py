"""What stands in on this machine for the kernels of another."""

from __future__ import annotations

import pytest

from edgeq.quantize.host import stand_in
from edgeq.runtime import KERNELS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "armv7l"])
def test_only_the_builtin_kernels_differ_between_machines(machine: str) -> None:
    expected = {kernels: kernels for kernels in KERNELS}
    if machine == "x86_64":
        expected["builtin"] = "reference"
    assert {kernels: stand_in(kernels, machine) for kernels in KERNELS} == expected
