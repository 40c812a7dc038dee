"""`[preprocess]` as data: read and checked, written out in full, and its digest."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.flow import Flow, behind, flows, unknown
from edgeq.preprocess.step import Step
from edgeq.preprocess.vocabulary import AUDIO, INPUTS, RATE_HZ, STEPS_MOST, VOCABULARY, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edgeq.preprocess.raw import Raw
    from edgeq.preprocess.stream import Stream

FRONT_ENDS: Mapping[str, Mapping[str, Any]] = {
    "micro": {
        "input": AUDIO,
        "rate_hz": 16_000,
        "steps": [{"do": "micro"}, {"do": "scale", "multiply": 0.0390625, "add": 0.0}],
    }
}
"""`frontend = "micro"` and what it stands for."""
_EXTERNAL = ("owner", "sha256", "note")
_TEXT_MOST = 1000
_LIST_MOST = 65_536


@dataclass(frozen=True)
class External:
    """The application does the preprocessing: who owns it, and the sha256 of their code or document."""

    owner: str
    sha256: str
    note: str = ""

    def to_json(self) -> dict[str, str]:
        return {"owner": self.owner, "sha256": self.sha256, "note": self.note}


@dataclass(frozen=True)
class Preprocess:
    """From raw input to the model's tensor. `rate_hz` is 0 unless the input is audio; `external` excludes steps."""

    input: str
    rate_hz: int
    steps: tuple[Step, ...]
    external: External | None = None

    def to_json(self) -> dict[str, Any]:
        """What `parse` reads, canonical: every parameter is written out."""
        if self.external is not None:
            return {"external": self.external.to_json()}
        rate: dict[str, Any] = {"rate_hz": self.rate_hz} if self.input == AUDIO else {}
        return {"input": self.input, **rate, "steps": [step.to_json() for step in self.steps]}

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the canonical JSON: keys sorted, no spaces, ASCII."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def apply(self, raw: Raw) -> NDArray[Any]:
        """The model's tensor of one raw input, float32; computed in float64 (`micro`: in integers).

        Raises PreprocessError where the two do not go together."""
        from edgeq.preprocess.chain import check, first, run, start

        check(self.input, raw)
        if self.external is not None:
            return raw.array.astype("float32")
        steps, found = self.plan(Flow(self.input, raw.array.shape, raw.rate_hz))
        return run(start(steps, found), first(raw.array, self.input), True).astype("float32")

    def stream(self, rate_hz: int = 0) -> Stream:
        """Audio in chunks of any size at `rate_hz` (0: the declared rate), features out as they become known.

        Raises PreprocessError where a step needs the whole clip."""
        from edgeq.preprocess.stream import Stream

        if self.input != AUDIO:
            raise PreprocessError(f"The input is {self.input}; only audio comes as a stream.", "Use apply.")
        return Stream(*self.plan(unknown(AUDIO, rate_hz or self.rate_hz)))

    def output_shape(self, raw_shape: Sequence[int], rate_hz: int = 0) -> tuple[int, ...]:
        """The shape that `apply` gives for a raw input of that shape (audio: at `rate_hz`, 0: the declared rate)."""
        if self.external is not None:
            return tuple(raw_shape)
        _, found = self.plan(Flow(self.input, tuple(raw_shape), rate_hz or self.rate_hz))
        return tuple(length for length in found[-1].shape if length is not None)

    def plan(self, first: Flow) -> tuple[tuple[Step, ...], list[Flow]]:
        """The steps for an input like `first`, resampled where its rate differs, and the flow around each of them."""
        if first.rate_hz == self.rate_hz:
            return self.steps, flows(self.steps, first)
        resample = Step("resample", {"rate_hz": self.rate_hz})
        try:
            resampled = behind(resample, first)
        except PreprocessError as wrong:
            raise PreprocessError(f"The audio cannot be resampled: {wrong.message}", wrong.hint) from None
        return (resample, *self.steps), [first, *flows(self.steps, resampled)]


def parse(table: Mapping[str, Any]) -> Preprocess:
    """Read and check `[preprocess]`. Raises PreprocessError: it names the step, the key and what was expected."""
    if not isinstance(table, Mapping):
        raise PreprocessError("[preprocess] is not a table.", 'Write input = "audio" and steps = [...], or external.')
    _known(table, ("input", "rate_hz", "steps", "external", "frontend"), "[preprocess]", "key")
    if "external" in table:
        return _external(table)
    if "frontend" in table:
        table = _front_end(table)
    kind = table.get("input")
    if kind not in INPUTS:
        raise PreprocessError(
            f"[preprocess] input is {_told(kind)}; expected one of {', '.join(INPUTS)}.", _near(kind, INPUTS)
        )
    rate_hz = _rate(table) if kind == AUDIO else 0
    if kind != AUDIO and "rate_hz" in table:
        raise PreprocessError("[preprocess] rate_hz belongs to audio only.", "Remove it.")
    steps = _steps(table.get("steps", []))
    flows(steps, unknown(kind, rate_hz))
    return Preprocess(kind, rate_hz, steps)


def _front_end(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """A whole front end by its name: that of TFLM, with its usual parameters, as `pymicro-features` computes it."""
    if table["frontend"] not in FRONT_ENDS:
        raise PreprocessError(
            f"[preprocess] frontend is {_told(table['frontend'])}; expected one of {', '.join(FRONT_ENDS)}.",
            _near(table["frontend"], tuple(FRONT_ENDS)),
        )
    if set(table) - {"frontend", "steps"}:
        raise PreprocessError(
            "[preprocess] frontend says input and rate_hz itself.", "Remove them, or write the micro step out in steps."
        )
    behind = table.get("steps", [])
    if not isinstance(behind, list):
        raise PreprocessError("[preprocess] steps is not a list.", "Write the steps behind the front end.")
    front: Mapping[str, Any] = FRONT_ENDS[table["frontend"]]
    return {**front, "steps": [*front["steps"], *behind]}


def _rate(table: Mapping[str, Any]) -> int:
    if "rate_hz" not in table:
        raise PreprocessError(
            "[preprocess] lacks rate_hz.", "Say at which rate the steps expect audio, as rate_hz = 16000."
        )
    return int(_value(Parameter("integer", None, *RATE_HZ), table["rate_hz"], "[preprocess] rate_hz"))


def _external(table: Mapping[str, Any]) -> Preprocess:
    if len(table) > 1:
        raise PreprocessError("[preprocess] has external and steps of its own.", "Keep one of them.")
    found = table["external"]
    if not isinstance(found, Mapping):
        raise PreprocessError(
            "[preprocess] external is not a table.", 'Write external = { owner = "...", sha256 = "..." }.'
        )
    _known(found, _EXTERNAL, "[preprocess] external", "key")
    for key in found:
        if not isinstance(found[key], str) or len(found[key]) > _TEXT_MOST:
            raise PreprocessError(f"[preprocess] external {key} is not text of at most {_TEXT_MOST} characters.")
    if not found.get("owner", "").strip():
        raise PreprocessError("[preprocess] external lacks owner.", "Say which person or team does the preprocessing.")
    sha256 = found.get("sha256", "").lower()
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise PreprocessError(
            "[preprocess] external sha256 is not a SHA-256.",
            "Give the 64 hex digits that sha256sum prints for their code.",
        )
    return Preprocess("features", 0, (), External(found["owner"], sha256, found.get("note", "")))


def _steps(found: Any) -> tuple[Step, ...]:
    if not isinstance(found, (list, tuple)):
        raise PreprocessError("[preprocess] steps is not a list.", 'Write steps = [ { do = "..." }, ... ].')
    if len(found) > STEPS_MOST:
        raise PreprocessError(f"[preprocess] has {len(found)} steps; at most {STEPS_MOST} are allowed.")
    return tuple(_step(number, table) for number, table in enumerate(found, 1))


def _step(number: int, table: Any) -> Step:
    if not isinstance(table, Mapping) or "do" not in table:
        raise PreprocessError(
            f"Step {number} does not say what to do.", f"Write {{ do = ... }}: {', '.join(VOCABULARY)}."
        )
    name = table["do"]
    if not isinstance(name, str) or name not in VOCABULARY:
        raise PreprocessError(f"Step {number}: there is no step {_told(name)}.", _near(name, VOCABULARY))
    parameters = VOCABULARY[name].parameters
    where = f"Step {number} ({name})"
    _known(table, ("do", *parameters), where, "parameter")
    values: dict[str, Any] = {}
    for key, parameter in parameters.items():
        default = parameter.default
        if parameter.follows is not None:
            other, defaults = parameter.follows
            default = defaults[values[other]]
        if key not in table and default is None:
            raise PreprocessError(f"{where} lacks {key}.", f"{key} is {parameter.expected()}.")
        values[key] = _value(parameter, table.get(key, default), f"{where}: {key}")
    return Step(name, values)


def _value(parameter: Parameter, found: Any, where: str) -> Any:
    """`found` in the type that the vocabulary says, so that 1 and 1.0 are one number and have one digest."""
    if parameter.kind == "numbers" and isinstance(found, (list, tuple)) and 0 < len(found) <= _LIST_MOST:
        if all(_is_number(value, parameter) for value in found):
            return tuple(_float(value) for value in found)
    elif parameter.kind == "truth":
        if isinstance(found, bool):
            return found
    elif parameter.kind == "choice":
        if isinstance(found, str) and found in parameter.choices:
            return found
    elif _is_number(found, parameter):
        if parameter.kind != "integer":
            return _float(found)
        if isinstance(found, int):
            return found
    hint = _near(found, parameter.choices) if parameter.kind == "choice" else ""
    raise PreprocessError(f"{where} is {_told(found)}; expected {parameter.expected()}.", hint)


def _is_number(found: Any, parameter: Parameter) -> bool:
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return False
    return math.isfinite(found) and parameter.low <= found <= parameter.high


def _float(found: float) -> float:
    """Minus zero is zero: they compute the same and must have the same digest."""
    return float(found) or 0.0


def _known(found: Iterable[Any], known: tuple[str, ...], where: str, noun: str) -> None:
    for key in found:
        if key not in known:
            raise PreprocessError(f"{where} has no {noun} {_told(key)}.", _near(key, known))


def _near(found: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(found, list(known), 1) if isinstance(found, str) else []
    return f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(known)}."


def _told(found: Any) -> str:
    """A value as the file says it, never long."""
    if isinstance(found, bool):
        return "true" if found else "false"
    text = f'"{found}"' if isinstance(found, str) else repr(found)
    return text if len(text) <= 60 else text[:57] + "..."
