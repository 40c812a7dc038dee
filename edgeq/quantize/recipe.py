"""How to quantize, as data. Mode names follow LiteRT: `w` weights, `a` activations, `i8` 8-bit integers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from edgeq.errors import UsageError
from edgeq.quantize.trained import Trained
from edgeq.target import MODES

STATIC = MODES[:4]
"""Integers throughout; their ranges are calibrated on representative data."""

GRANULARITIES = ("channel", "tensor")
IO_TYPES = ("int8", "int16", "float32", "auto")
METHODS = ("min-max", "robust", "extrapolated", "per-sample", "percentile", "mse", "entropy")
HEADROOM_16 = 4.0
"""16 bits are fine enough; what hurts them is a value beyond the range. Measured with 10 samples: 21 dB without it, 41
with."""
REPAIRS = ("equalize", "equalize-activations", "ternary", "binary", "clip-weights", "round-weights", "correct-biases")
"""What may be done to the float model before its weights become integers, in the order in which it is done
(`edgeq.quantize.repair`)."""
ALONE = ("ternary", "binary")
"""Repairs that decide what every weight becomes: neither goes with the other, nor with what rounds or clips weights."""

_WORDS = {"str": "text", "float": "number"}
_MODE = re.compile(r"(static|dynamic|weight_only)_wi(\d+)_a(i8|i16|fp32)")


@dataclass(frozen=True)
class Ranging:
    """How ranges follow from what was seen (`edgeq.quantize.engine.ranges`). `headroom` widens them all; 0 leaves it to
    the type: 1 for 8-bit activations, `HEADROOM_16` for 16-bit ones. `quantile` belongs to methods that have one."""

    method: str = "min-max"
    headroom: float = 0.0
    quantile: float = 0.0

    def __post_init__(self) -> None:
        _one_of("method for ranges", self.method, METHODS)
        if self.headroom:
            _between("headroom", self.headroom, 0.5, 16)
        _between("quantile", self.quantile, 0, 0.5)


@dataclass(frozen=True)
class Override:
    """Some operators get another `mode`: those of the type `op` (any where empty) of which an output's name matches the
    regular expression `tensor` or has `layer` as one of its parts (any where both are empty). Later ones win."""

    mode: str
    op: str = ""
    tensor: str = ""
    layer: str = ""
    granularity: str = "channel"

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, MODES)
        _one_of("granularity of the weights", self.granularity, GRANULARITIES)
        if self.mode == "float16":
            raise UsageError("float16 is a mode of whole models.", "Give these operators float32 instead.")
        if self.tensor and self.layer:
            raise UsageError("An override goes by 'tensor' or by 'layer', not by both.", "Write two overrides.")
        if not (self.op or self.tensor or self.layer):
            raise UsageError("An override says which operators it is for.", "Give it 'op', 'tensor' or 'layer'.")
        try:
            re.compile(self.tensor)
        except re.error as error:
            raise UsageError(
                f"'{self.tensor}' is no regular expression: {error}.", "Quote what has a meaning, as \\. for a dot."
            ) from error

    @property
    def pattern(self) -> str:
        """The regular expression that an output's name must match."""
        return rf"(^|[/;]){re.escape(self.layer)}([/;:]|$)" if self.layer else self.tensor or ".*"


@dataclass(frozen=True)
class Recipe:
    """`granularity`: weights have a scale per channel or one per tensor. `io`: the type of inputs and outputs that the
    model computes with as real numbers; "auto" is the mode's own integer, or float32. `repairs` are some of `REPAIRS`.
    `trained` ranges are taken as they are, with the weights of the model that was trained in them. `UsageError` for
    what no mode offers."""

    mode: str = "static_wi8_ai8"
    granularity: str = "channel"
    io: str = "auto"
    ranges: Ranging = field(default_factory=Ranging)
    repairs: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    trained: Trained | None = None

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, MODES)
        _one_of("granularity of the weights", self.granularity, GRANULARITIES)
        _one_of("type of inputs and outputs", self.io, IO_TYPES)
        for repair in self.repairs:
            _one_of("repair", repair, REPAIRS)
        deciding = [name for name in self.repairs if name in (*ALONE, "clip-weights", "round-weights")]
        if len(deciding) > 1 and set(deciding) & set(ALONE):
            raise UsageError(
                f"The repairs {' and '.join(deciding)} do not go together: each decides what a weight becomes.",
                "Keep one of them.",
            )
        offered = (self.activations, "float32") if self.mode in STATIC else ("float32",)
        if self.io not in (*offered, "auto"):
            raise UsageError(
                f"Inputs and outputs cannot be {self.io} in the mode {self.mode}.", f"Use {' or '.join(offered)}."
            )
        if self.mode == "float16" and self.overrides:
            raise UsageError("float16 has no overrides.", "Use another mode, or leave them out.")
        if self.repairs and not self.needs_samples:
            raise UsageError(
                f"The mode {self.mode} has no repairs: they are for the ranges of static modes.",
                "Use a static mode, or leave them out.",
            )
        if self.trained is not None:
            _check_alone(self)

    @property
    def io_type(self) -> str:
        """The type of inputs and outputs, with "auto" resolved."""
        return self.activations if self.io == "auto" else self.io

    @property
    def activations(self) -> str:
        """The type that the model computes in."""
        return activations(self.mode)

    @property
    def modes(self) -> tuple[str, ...]:
        """Every mode that occurs, the model's own first."""
        return tuple(dict.fromkeys((self.mode, *(each.mode for each in self.overrides))))

    @property
    def needs_samples(self) -> bool:
        """Whether ranges must be calibrated on representative data."""
        return any(mode in STATIC for mode in self.modes)

    @property
    def plain(self) -> bool:
        """Whether it is a mode and nothing else."""
        return not self.overrides and not self.repairs and self.ranges == Ranging() and self.trained is None

    def to_json(self) -> dict[str, Any]:
        """What is not the default, in the form that `from_json` and a recipe's file have."""
        told: dict[str, Any] = {"mode": self.mode}
        told.update(_changed(self, ("granularity", "io")))
        if self.ranges != Ranging():
            told["ranges"] = {"method": self.ranges.method, **_changed(self.ranges, ("headroom", "quantile"))}
        if self.repairs:
            told["repairs"] = list(self.repairs)
        if self.overrides:
            told["override"] = [
                {key: value for key, value in asdict(each).items() if value not in ("", "channel")}
                for each in self.overrides
            ]
        if self.trained is not None:
            told["trained"] = self.trained.to_json()
        return told

    @property
    def sha256(self) -> str:
        """The digest of `to_json` as canonical JSON: the same for recipes that do the same."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Recipe:
        """The reverse of `to_json`; `UsageError` names what is unknown or of the wrong type."""
        table = _known(Recipe, {"override" if key == "overrides" else key: value for key, value in told.items()})
        ranging = table.pop("ranges", {})
        repairs = table.pop("repairs", [])
        overrides = table.pop("override", [])
        trained = table.pop("trained", None)
        if isinstance(ranging, str):
            ranging = {"method": ranging}
        if not isinstance(ranging, Mapping):
            raise UsageError("'ranges' of a recipe is a table or a method's name.", 'For example: ranges = "min-max"')
        if not isinstance(repairs, list) or not all(isinstance(each, str) for each in repairs):
            raise UsageError("'repairs' of a recipe is a list of names.", f"Known: {', '.join(REPAIRS)}.")
        if not isinstance(overrides, list) or not all(isinstance(each, Mapping) for each in overrides):
            raise UsageError("'override' of a recipe is a list of tables.", "Write [[override]] above each.")
        ordered = tuple(name for name in REPAIRS if name in repairs) + tuple(set(repairs) - set(REPAIRS))
        return Recipe(
            **table,
            ranges=Ranging(**_known(Ranging, ranging)),
            repairs=ordered,
            overrides=tuple(Override(**_known(Override, {"mode": "", **each})) for each in overrides),
            trained=None if trained is None else Trained.from_json(trained),
        )


def activations(mode: str) -> str:
    """The type that a model in `mode` computes in."""
    found = _MODE.fullmatch(mode)
    return {"i8": "int8", "i16": "int16"}.get(found[3], "float32") if found else "float32"


def weight_bits(mode: str) -> int:
    """Bits of a weight; 0 in a mode of floats."""
    found = _MODE.fullmatch(mode)
    return int(found[2]) if found else 0


def _changed(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    defaults = {each.name: each.default for each in fields(value)}
    return {name: getattr(value, name) for name in names if getattr(value, name) != defaults[name]}


def _known(kind: type[Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """`table`, checked against the fields of `kind`: names and simple types."""
    types = {each.name: each.type for each in fields(kind)} | ({"override": "list"} if kind is Recipe else {})
    for key, value in table.items():
        if key not in types:
            known = ", ".join(name for name in types if name != "overrides")
            raise UsageError(f"A recipe has no '{key}' there.", f"Known: {known}.")
        wanted: Any = {"str": str, "float": (int, float)}.get(str(types[key]), object)
        if not isinstance(value, wanted) or isinstance(value, bool):
            kind_of = _WORDS.get(str(types[key]), types[key])
            raise UsageError(f"'{key}' of a recipe cannot be {value!r}.", f"It is a {kind_of}.")
    return {key: float(value) if types[key] == "float" else value for key, value in table.items()}


def _check_alone(recipe: Recipe) -> None:
    """`UsageError` where anything but training would have a say in the ranges or the weights."""
    if not recipe.needs_samples:
        raise UsageError(
            f"The mode {recipe.mode} has no ranges, and trained ones were given.",
            "Use a static mode, or leave them out.",
        )
    if recipe.repairs or recipe.ranges != Ranging():
        what = f"the repair {recipe.repairs[0]}" if recipe.repairs else "another method or headroom"
        raise UsageError(
            f"Trained ranges are taken as they are, with the weights that go with them: {what} would part them.",
            "Leave out either the one or the other.",
        )


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"There is no {what} '{value}'.", f"Use one of {', '.join(known)}.")


def _between(what: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UsageError(f"The {what} of ranges is {value:g}.", f"It lies between {least:g} and {most:g}.")
