"""Raw inputs of a labelled set, as the device's own preprocessing takes them, and what is made of them there.

Where they go through the device as they are, the whole chain is judged and not the model alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgeq.dataset import Dataset
from edgeq.device.device import Device
from edgeq.errors import UsageError
from edgeq.interface import Interface
from edgeq.micro.compile import compile_model
from edgeq.micro.frontend.reference import quantized
from edgeq.preprocess import Preprocess, PreprocessError, Raw
from edgeq.preprocess.audio import at_rate
from edgeq.preprocess.fill import check_fills
from edgeq.quantize.prepare import raw_input
from edgeq.quantize.samples import sentence


@dataclass(frozen=True)
class Raws:
    """`read(place)` gives one raw input as the device takes it; `steps` are what it goes through."""

    steps: Preprocess
    count: int
    read: Callable[[int], Raw]

    def __len__(self) -> int:
        return self.count

    def choose(self, places: Sequence[int]) -> Raws:
        """Those at `places`, in that order."""
        return Raws(self.steps, len(places), lambda index: self.read(places[index]))


def raws_of(data: Dataset, steps: Preprocess | None, interface: Interface, device: Device) -> Raws | None:
    """The raw inputs of `data`; None where there are none, or the device says that it takes none.

    Where its front end hears one rate alone, a clip of another is brought to that here.
    """
    facts = device.describe()
    own = facts.get("frontend") if facts.get("kind") == "mcu" else True
    if steps is None or not own or len(interface.inputs) != 1 or not len(data):
        return None
    if raw_input(data.read(0)[0], steps) is None:
        return None
    rate_hz = device.heard_rate_hz()

    def read(place: int) -> Raw:
        title = f"{data.name(place)} of '{data.spec}'"
        raw = raw_input(data.read(place)[0], steps)
        if raw is None:
            raise UsageError(
                f"{sentence(title)} is no raw input, and the first of them is.", "Give data of one kind of samples."
            )
        try:
            check_fills(steps, raw, interface.inputs[0].shape)
        except PreprocessError as error:
            raise UsageError(f"{sentence(title)}: {error.message}", error.hint) from error
        return at_rate(raw, rate_hz)

    return Raws(steps, len(data), read)


def integer_inputs(raws: Raws, model: bytes) -> Iterator[list[bytes]]:
    """The input that edgeq-micro's front end makes of each raw one for `model`, in integers, bit by bit."""
    program = compile_model(model).preprocessed(raws.steps).frontend
    assert program is not None
    for place in range(len(raws)):
        yield [quantized(program, raws.read(place))]
