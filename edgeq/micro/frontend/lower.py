"""A `Preprocess` lowered to what a microcontroller executes: records in order, with every table as integers.

Refused is what cannot be done there, by name, while the model is built.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from edgeq.errors import ConvertError
from edgeq.micro.frontend import program as p
from edgeq.micro.frontend.numbers import lower_features
from edgeq.micro.frontend.pictures import lower_image
from edgeq.micro.frontend.resample import fewest, longest, resampled
from edgeq.micro.frontend.samples import Samples
from edgeq.micro.frontend.spectra import Spectra
from edgeq.micro.frontend.values import Values
from edgeq.micro.graph import Tensor
from edgeq.preprocess import Preprocess
from edgeq.preprocess.micro_tables import LOG_TABLE, tables
from edgeq.preprocess.step import Step
from edgeq.preprocess.vocabulary import AUDIO, FEATURES, IMAGE

MOST_SAMPLES = 1 << 26
FFT_MOST = 8192
EXTERNAL = "Let the application do the preprocessing, and say so: external in [preprocess]."
MAKERS = ("spectrum", "micro")
"""The steps that make values of samples."""


def lower(preprocess: Preprocess, tensor: Tensor) -> p.Program | None:
    """The front end that fills the model's input `tensor`; None where the application does the preprocessing, or there
    is nothing to do. `ConvertError` names a step that a microcontroller cannot do."""
    if preprocess.external is not None or (preprocess.input == FEATURES and not preprocess.steps):
        return None
    lowerings = {IMAGE: lower_image, FEATURES: lower_features, AUDIO: _lower_audio}
    return lowerings[preprocess.input](preprocess, tensor)


def _lower_audio(preprocess: Preprocess, tensor: Tensor) -> p.Program:
    steps = list(preprocess.steps)
    makers = [number for number, step in enumerate(steps) if step.do in MAKERS]
    if not makers:
        raise _refused("[preprocess] has neither a spectrum nor a micro step; on microcontrollers audio needs one.")
    cut = makers[0]
    values = _micro(preprocess, steps[: cut + 1], cut) if steps[cut].do == "micro" else _spectra(preprocess, steps, cut)
    for number, step in enumerate(steps[values.taken :], values.taken):
        values.add(number, step)
    return _program(preprocess, values, tensor)


def _refused(message: str, hint: str = EXTERNAL) -> ConvertError:
    return ConvertError(message, hint)


def _program(preprocess: Preprocess, values: Values, tensor: Tensor) -> p.Program:
    samples, frame = values.samples, values.samples.frame
    if frame is None:
        raise _refused("[preprocess] has no frame step.")
    elements = math.prod(tensor.shape)
    rows = elements // values.width
    if rows * values.width != elements or rows < 1:
        raise ConvertError(
            f"[preprocess] gives rows of {values.width} values; the model's input has {elements}.",
            "Change [preprocess] so that whole rows fill the input.",
        )
    records = (*samples.records, frame, *values.records, values.quantize(tensor))
    least, most = _lengths(values, samples, frame, rows)
    clip = (samples.pad or resampled(samples.resample, most)) if samples.peaks else frame.length + 1
    micro = next((dict(step.values) for step in preprocess.steps if step.do == "micro"), None)
    work = 4 * max(values.fft + 2 + frame.length + 1, values.most_matrix)
    memories = (
        p.Memory("clip", 2 * clip),
        p.Memory("work", work),
        p.Memory("values", values.most_bytes),
        *([samples.resample.history] if samples.resample else ()),
        *values.memories,
    )
    return p.Program(p.AUDIO, preprocess.rate_hz, least, most, samples.lift, rows, memories, records, micro)


def _lengths(values: Values, samples: Samples, frame: p.Frame, rows: int) -> tuple[int, int]:
    """How many samples a clip may have so that it gives exactly `rows`, before a resample."""
    size, step = values.stack or (1, 1)
    few, many = size + (rows - 1) * step, size + rows * step - 1
    least, most = (few - 1) * frame.step + frame.length, (many - 1) * frame.step + frame.length + frame.step - 1
    if samples.pad:
        if not least <= samples.pad <= most:
            raise ConvertError(
                f"[preprocess] pads clips to {samples.pad} samples; the model's input takes {least} to {most}.",
                "Change samples of the pad step.",
            )
        return 1, min(longest(samples.resample, MOST_SAMPLES), MOST_SAMPLES)
    few, many = fewest(samples.resample, least), longest(samples.resample, min(most, MOST_SAMPLES))
    if few > many:
        raise ConvertError(
            f"No clip has {least} to {most} samples once it is resampled, as the model's input takes.",
            f"Put a pad step behind resample, with samples = {least}.",
        )
    return few, min(many, MOST_SAMPLES)


def _spectra(preprocess: Preprocess, steps: list[Step], cut: int) -> Values:
    """Everything up to the numbers behind a spectrum."""
    samples, factor = Samples(preprocess.rate_hz), 1.0
    framed = next(number for number, step in enumerate(steps) if step.do == "frame")
    windowed = next((number for number, step in enumerate(steps[:cut]) if step.do == "window"), cut)
    # What is done to each element of a frame may as well be done to the samples before.
    for number, step in enumerate([*steps[:framed], *steps[framed + 1 : windowed]]):
        samples.add(number + (number >= framed), step)
    samples.add(framed, steps[framed])
    for number in range(windowed + 1, cut):
        factor *= plain_factor(number, steps[number])
    window = steps[windowed] if windowed < cut else None
    spectra = Spectra(samples, cut, steps[cut], window, factor)
    taken = cut + 1
    later = [step.do for step in steps]
    if "mel" in later:
        mel = later.index("mel")
        for number in range(cut + 1, mel):
            spectra.factor *= plain_factor(number, steps[number])
        spectra.mel(steps[mel], samples.rate_hz)
        taken = mel + 1
    else:
        spectra.bins()
    for log in (number for number in range(taken, len(steps)) if steps[number].do in ("log", "pcen")):
        for number in range(taken, log):
            spectra.add(number, steps[number])
        return (spectra.log if steps[log].do == "log" else spectra.pcen)(steps[log], log + 1)
    return spectra.fix(taken)


def plain_factor(number: int, step: Step) -> float:
    """The factor of a step that multiplies magnitudes; `ConvertError` where it does anything else."""
    if step.do == "scale" and not isinstance(step.values["multiply"], tuple) and step.values["add"] in (0.0, (0.0,)):
        return abs(float(step.values["multiply"]))
    raise _refused(
        f"Step {number + 1} ({step.do}) of [preprocess] does not run on microcontrollers at this place: behind a "
        "window or spectrum only a scale by one number does."
    )


def _micro(preprocess: Preprocess, steps: list[Step], cut: int) -> Values:
    samples = Samples(preprocess.rate_hz, lift=0)
    for number, step in enumerate(steps[:cut]):
        if step.do not in ("resample", "pad"):
            raise _refused(
                f"Step {number + 1} ({step.do}) of [preprocess] does not run before micro, which takes raw audio."
            )
        samples.add(number, step)
    v = steps[cut].values
    t = tables(v, samples.rate_hz)
    samples.frame = p.Frame(t.sizes.window, t.sizes.step)
    record = _micro_record(v, t)
    values = Values(samples, cut + 1, v["channels"], 0, 0.0, 65535.0)
    values.fft, values.records, values.memories = t.sizes.fft, [record], [record.estimate]
    return values


def _micro_record(v: Mapping[str, Any], t: Any) -> p.Micro:
    import numpy as np

    pairs: Callable[[Any, Any], Any] = lambda a, b: np.stack([a, b], axis=1)  # noqa: E731
    return p.Micro(
        fft=t.sizes.fft, channels=v["channels"], first_bin=t.first_bin, smoothing_bits=v["smoothing_bits"],
        least_signal=t.least_signal, pcan=v["pcan"], snr_shift=t.snr_shift, log=v["log"], log_shift=v["log_shift"],
        correction_bits=t.sizes.correction_bits, window=t.window, twiddles=t.twiddles, real_twiddles=t.real_twiddles,
        slopes=pairs(t.starts, t.widths).astype(np.uint16), weights=pairs(t.weights, t.unweights),
        smoothing=t.smoothing.astype(np.uint16), gains=t.gains if v["pcan"] else None,
        log_table=np.array(LOG_TABLE, np.uint16) if v["log"] else None,
        estimate=p.Memory("estimate", 4 * v["channels"]),
    )  # fmt: skip
