"""How right the model is: where it was evaluated, and on the device where a labelled set went through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.errors import ArtifactError
from edgeq.report.figures import Figure, mapping, number
from edgeq.run import Run
from edgeq.units import format_percent, three_digits

MATCH = "golden vectors match"


@dataclass(frozen=True)
class Accuracy:
    """Float and quantized model on the same samples, and the loss in between, with its interval. `title` names the
    metric; `fraction` says whether it lies between 0 and 1, and losses are told in points.

    Of a model that came quantized there is only its own figure.
    """

    samples: int
    float_accuracy: Figure | None
    accuracy: Figure
    agreement: Figure | None
    drop: Figure | None
    confidence: float
    method: str
    evaluated_on: str
    title: str = "accuracy"
    fraction: bool = True
    better: str = "higher"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Those that there are, in the order in which they are told."""
        every = (self.float_accuracy, self.accuracy, self.agreement, self.drop)
        return tuple(figure for figure in every if figure)


@dataclass(frozen=True)
class Slice:
    """A part of the evaluation set: what it is by, its name, size, and both models' figures."""

    by: str
    name: str
    samples: int
    figures: tuple[Figure, ...]


def accuracy(run: Run) -> Accuracy | None:
    """What the bundle's evaluation says, None where there was none."""
    data = run.release.get("evaluation")
    if data is None:
        return None
    try:
        return _read(data)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{run.path}: the evaluation in the run is damaged: {error!r}.", "Bench again.") from error


def _read(data: Mapping[str, Any]) -> Accuracy:
    at, title, unit = f"evaluated on {data['evaluated_on']}", str(data.get("title", "accuracy")), data.get("unit")
    unit = "fraction" if unit is None else str(unit)
    value = data.get("value", data.get("accuracy"))
    before = data.get("float_value", data.get("float_accuracy"))

    def figure(name: str, label: str, value: Any, unit: str, *bounds: float) -> Figure:
        low, high = bounds or (None, None)
        return Figure(name, label, float(value), unit, "measured", low, high, at=at)

    bounds = (float(data["drop_low"]), float(data["drop_high"])) if before is not None else ()
    agreement = data.get("agreement")
    return Accuracy(
        samples=int(data["samples"]),
        float_accuracy=None if before is None else figure("float_accuracy", f"Float {title}", before, unit),
        accuracy=figure("accuracy", f"Quantized {title}", value, unit),
        agreement=None if agreement is None else figure("agreement", "Agreement of both", agreement, "fraction"),
        drop=figure("drop", f"{named(title)} loss", data["drop"], unit, *bounds) if before is not None else None,
        confidence=float(data["confidence"]),
        method=str(data["method"]),
        evaluated_on=str(data["evaluated_on"]),
        title=title,
        fraction=unit == "fraction",
        better=str(data.get("better", "higher")),
    )


def slices(run: Run) -> Iterator[Slice]:
    """Parts of the evaluation set that are large enough to be judged, those that lost most first."""
    data = mapping(run.release.get("evaluation"))
    at, unit = f"evaluated on {data.get('evaluated_on', 'host')}", str(data.get("unit") or "fraction")
    found = []
    for item in data.get("slices") or ():
        value, before, drop = (number(mapping(item).get(key)) for key in ("value", "float_value", "drop"))
        if value is None or not item.get("judged"):
            continue
        figures = [Figure("accuracy", "Quantized", value, unit, "measured", at=at)]
        if before is not None and drop is not None:
            low, high = number(item.get("drop_low")), number(item.get("drop_high"))
            figures.insert(0, Figure("float_accuracy", "Float", before, unit, "measured", at=at))
            figures.append(Figure("drop", "Loss", drop, unit, "measured", low, high, at=at))
        told = Slice(str(item.get("by", "")), str(item.get("slice", "")), int(item.get("samples") or 0), tuple(figures))
        found.append((drop or 0.0, told))
    yield from (told for _, told in sorted(found, key=lambda pair: -pair[0]))


def on_device(run: Run) -> Iterator[Figure]:
    """What a labelled set gave on the device itself, beside the host's figure for the same samples."""
    data = mapping(run.correctness)
    value = number(data.get("value"))
    if value is None:
        return
    how = "emulated" if run.device.get("emulated") else "measured"
    metric = str(data.get("title") or data.get("metric") or "accuracy")
    unit = "fraction" if data.get("unit") is None else str(data["unit"])
    where = {"device": ", preprocessed there", "host": ", preprocessed on the host"}.get(
        str(data.get("preprocessed")), ""
    )
    source = f"{data.get('samples')} samples of {data.get('data') or 'a labelled set'}"
    low, high = number(data.get("low")), number(data.get("high"))
    # The host's own figures stand beside these, and there "there" would be the host.
    ours = f"{source}{where}"
    yield Figure("device_accuracy", f"{named(metric)} on the device", value, unit, how, low, high, source=ours)
    for name, label, at, its in (
        ("reference", "The same on the host", "host", unit),
        ("agreement", "Agreement of device and host", "", "fraction"),
        ("identical", "Outputs equal bit by bit", "", "fraction"),
    ):
        other = number(data.get(name))
        if other is not None:
            obtained = "measured" if at else how
            yield Figure(f"device_{name}", label, other, its, obtained, source=source if at else ours, at=at)
    here = number(mapping(data.get("steps_here")).get("value"))
    if here is not None:
        yield Figure(
            "device_steps_here", "Behind the host's own preprocessing", here, unit, "measured", source=source, at="host"
        )


def golden_words(golden: Mapping[str, Any]) -> str:
    """Whether the golden vectors matched, in words; `worst` and `tolerance` count output steps (LSB)."""
    worst, tolerance = golden.get("worst"), golden.get("tolerance", 0)
    if not golden.get("vectors") or not isinstance(worst, (int, float)) or not isinstance(tolerance, (int, float)):
        return "golden vectors were not checked"
    steps = f"worst difference {worst:g} step{'' if worst == 1 else 's'}, {tolerance} allowed"
    return f"{MATCH if worst <= tolerance else 'golden vectors do not match'} ({golden['vectors']} vectors, {steps})"


def loss_words(accuracy: Accuracy, mode: str) -> str:
    """What quantization cost, in percentage points with its interval; of a model that came quantized what it has."""
    drop, rest = accuracy.drop, f"{accuracy.accuracy.at}, {accuracy.samples} samples"
    if drop is None:
        value = accuracy.accuracy.value
        right = (
            format_percent(value) if accuracy.fraction else f"{three_digits(value)} {accuracy.accuracy.unit}".strip()
        )
        return f"{mode} reaches {right} {accuracy.title} ({rest})"

    def told(value: float) -> str:
        return points(value) if accuracy.fraction else three_digits(value)

    unit = "points" if accuracy.fraction else f"{drop.unit} of {accuracy.title}".strip()
    words = unit if accuracy.title == "accuracy" or not accuracy.fraction else f"{unit} of {accuracy.title}"
    interval = f"{accuracy.confidence * 100:g} % interval {told(drop.low or 0)} .. {told(drop.high or 0)}"
    if drop.value < 0:
        return f"{mode} gains {told(-drop.value)} {words} (as a loss: {interval}, {rest})"
    return f"{mode} loses {told(drop.value)} {words} ({interval}, {rest})"


def points(fraction: float) -> str:
    """A difference of fractions in percentage points: one decimal, two where one would show nothing."""
    value = fraction * 100
    return f"{value:.2f}" if 0 < abs(value) < 0.1 else f"{value + 0.0:.1f}".replace("-0.0", "0.0")


def named(title: str) -> str:
    """A name that begins with a capital."""
    return title[:1].upper() + title[1:]
