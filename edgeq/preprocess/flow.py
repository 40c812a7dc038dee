"""What flows between the steps: stage, shape and rate; every rule about order and sizes, told before data is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgeq.preprocess.audio import resample_size
from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.vocabulary import AUDIO, FEATURES, VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Optional

    from edgeq.preprocess.step import Step

    Shape = tuple[Optional[int], ...]
    Rule = Callable[[Mapping[str, Any], "Flow"], "Flow"]


# A chain that asks for more than this of one input is a mistake: half a gigabyte on its way, 32 MB of filter.
_SIZE_MOST = 1 << 26
_FILTER_MOST = 1 << 22


@dataclass(frozen=True)
class Flow:
    """The signal before or after a step. A length of `shape` is None where only the data will tell.

    `fft` is set from the spectrum on; `colour` once an image has an order of its own."""

    stage: str
    shape: Shape
    rate_hz: int = 0
    fft: int = 0
    colour: bool = False


def unknown(stage: str, rate_hz: int) -> Flow:
    """The flow of an input of which nothing has been seen; features are taken to be [time, values]."""
    shape: Shape = {AUDIO: (None,), FEATURES: (None, None)}.get(stage, (None, None, None))
    return Flow(stage, shape, rate_hz)


def flows(steps: Sequence[Step], first: Flow) -> list[Flow]:
    """The flow before each step, and after the last: one more than steps.

    Raises PreprocessError, which names the step."""
    found = [first]
    for number, step in enumerate(steps, 1):
        if found[-1].stage not in VOCABULARY[step.do].turns:
            raise _out_of_order(steps, number, found[-1])
        try:
            found.append(behind(step, found[-1]))
        except PreprocessError as wrong:
            raise PreprocessError(f"Step {number} ({step.do}): {wrong.message}", wrong.hint) from None
    return found


def behind(step: Step, here: Flow) -> Flow:
    """The flow after a step that can take `here`'s stage. Raises PreprocessError where sizes do not go together."""
    after = _RULES.get(step.do, _same)(step.values, here)
    size = math.prod(length or 1 for length in after.shape)
    if size > _SIZE_MOST:
        raise PreprocessError(
            f"it gives {size} numbers for one input; {_SIZE_MOST} are allowed.", "Give smaller inputs, or ask for less."
        )
    return replace(after, stage=VOCABULARY[step.do].turns[here.stage])


def _out_of_order(steps: Sequence[Step], number: int, here: Flow) -> PreprocessError:
    name = steps[number - 1].do
    turns = VOCABULARY[name].turns
    before = f"step {number - 1} ({steps[number - 2].do}) gives" if number > 1 else "the input is"
    message = f"Step {number} ({name}) takes {' or '.join(turns)}, but {before} {here.stage}."
    takers = {do: kind.turns[here.stage] for do, kind in VOCABULARY.items() if here.stage in kind.turns}
    bridges = [do for do, stage in takers.items() if stage in turns]
    if bridges:
        return PreprocessError(message, f"Put {' or '.join(bridges)} before it.")
    return PreprocessError(message, f"What can follow here: {', '.join(takers)}.")


def _same(_values: Mapping[str, Any], flow: Flow) -> Flow:
    return flow


def _resample(values: Mapping[str, Any], flow: Flow) -> Flow:
    (samples,) = flow.shape
    rate_hz = values["rate_hz"]
    phases, taps = resample_size(flow.rate_hz, rate_hz)
    if phases * taps > _FILTER_MOST:
        raise PreprocessError(
            f"from {flow.rate_hz} to {rate_hz} Hz takes {phases} x {taps} filter taps; {_FILTER_MOST} are allowed.",
            "Choose rates that have a large common divisor.",
        )
    longer = None if samples is None else -(-samples * rate_hz // flow.rate_hz)
    return replace(flow, shape=(longer,), rate_hz=rate_hz)


def _pad(values: Mapping[str, Any], flow: Flow) -> Flow:
    return replace(flow, shape=(values["samples"],))


def _windows(total: int | None, length: int, step: int, noun: str) -> int | None:
    """How many windows of `length` fit into `total`, each `step` after the one before."""
    if total is None:
        return None
    if total < length:
        raise PreprocessError(
            f"it needs {length} {noun}, but there are {total}.",
            "Give more, or put a pad step before it." if noun == "samples" else "Give more, or ask for fewer.",
        )
    return 1 + (total - length) // step


def _frame(values: Mapping[str, Any], flow: Flow) -> Flow:
    frames = _windows(flow.shape[0], values["length"], values["step"], "samples")
    return replace(flow, shape=(frames, values["length"]))


def _spectrum(values: Mapping[str, Any], flow: Flow) -> Flow:
    frames, length = flow.shape
    fft = values["fft"]
    if fft % 2:
        raise PreprocessError(f"fft is {fft}; expected an even number.", "Powers of two are what devices compute best.")
    if length is not None and fft < length:
        raise PreprocessError(
            f"fft is {fft}, but a frame has {length} samples.",
            f"Choose {1 << (length - 1).bit_length()} or a shorter frame.",
        )
    return replace(flow, shape=(frames, fft // 2 + 1), fft=fft)


def _mel(values: Mapping[str, Any], flow: Flow) -> Flow:
    _band(values["low_hz"], values["high_hz"], flow.rate_hz)
    return replace(flow, shape=(flow.shape[0], values["bins"]))


def _band(low_hz: float, high_hz: float, rate_hz: int) -> None:
    if not low_hz < high_hz:
        raise PreprocessError(f"low_hz is {low_hz:g}, which is not below high_hz, {high_hz:g}.")
    if high_hz * 2 > rate_hz:
        raise PreprocessError(
            f"high_hz is {high_hz:g}, but audio of {rate_hz} Hz ends at {rate_hz / 2:g} Hz.", "Lower high_hz."
        )


def _log(values: Mapping[str, Any], flow: Flow) -> Flow:
    if values["floor"] + values["offset"] <= 0:
        raise PreprocessError("offset and floor are 0, and silence has no logarithm.", "Set one of them above 0.")
    return flow


def _mfcc(values: Mapping[str, Any], flow: Flow) -> Flow:
    frames, bins = flow.shape
    if bins is not None and values["count"] > bins:
        raise PreprocessError(f"count is {values['count']}, but there are {bins} mel bands.")
    return replace(flow, shape=(frames, values["count"]))


def _micro(values: Mapping[str, Any], flow: Flow) -> Flow:
    from edgeq.preprocess.micro_tables import tables

    _band(values["low_hz"], values["high_hz"], flow.rate_hz)
    found = tables(values, flow.rate_hz).sizes
    frames = _windows(flow.shape[0], found.window, found.step, "samples")
    return replace(flow, shape=(frames, values["channels"]))


def _stack(values: Mapping[str, Any], flow: Flow) -> Flow:
    if len(flow.shape) != 2:
        raise PreprocessError(
            f"it takes rows of feature vectors [time, values], but the data has {len(flow.shape)} axes.",
            "Give data of shape [time, values].",
        )
    rows = _windows(flow.shape[0], values["frames"], values["step"], "frames")
    width = flow.shape[1]
    return replace(flow, shape=(rows, None if width is None else width * values["frames"]))


def _resize(values: Mapping[str, Any], flow: Flow) -> Flow:
    return replace(flow, shape=(values["height"], values["width"], flow.shape[2]))


def _crop(values: Mapping[str, Any], flow: Flow) -> Flow:
    height, width, channels = flow.shape
    if (height is not None and height < values["height"]) or (width is not None and width < values["width"]):
        raise PreprocessError(
            f"the image is {height} x {width}, smaller than {values['height']} x {values['width']}.",
            'Put a resize step with fit = "cover" before it.',
        )
    return replace(flow, shape=(values["height"], values["width"], channels))


def _colour(values: Mapping[str, Any], flow: Flow) -> Flow:
    if flow.colour:
        raise PreprocessError("the colour order was chosen before.", "Keep one colour step.")
    return replace(flow, shape=(*flow.shape[:2], 1 if values["order"] == "gray" else 3), colour=True)


def _scale(values: Mapping[str, Any], flow: Flow) -> Flow:
    last = flow.shape[-1] if flow.shape else 1
    for key in ("multiply", "add"):
        value = values[key]
        if not isinstance(value, tuple):
            continue
        if flow.stage == AUDIO:
            raise PreprocessError(f"{key} is a list, but audio has one number for all samples.", "Give one number.")
        if last is not None and last != len(value):
            raise PreprocessError(f"{key} has {len(value)} numbers, but the last axis has {last}.")
    return flow


def _clip(values: Mapping[str, Any], flow: Flow) -> Flow:
    if not values["low"] < values["high"]:
        raise PreprocessError(f"low is {values['low']:g}, which is not below high, {values['high']:g}.")
    return flow


_RULES: Mapping[str, Rule] = {
    "resample": _resample,
    "pad": _pad,
    "frame": _frame,
    "spectrum": _spectrum,
    "mel": _mel,
    "log": _log,
    "mfcc": _mfcc,
    "micro": _micro,
    "stack": _stack,
    "resize": _resize,
    "crop": _crop,
    "colour": _colour,
    "scale": _scale,
    "clip": _clip,
}
