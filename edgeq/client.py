"""For applications on a Linux device: the model that serves there, with nothing to install.

::

    import os, sys
    sys.path.insert(0, os.path.expanduser("~/.local/share/edgeq/store/agent.pyz"))
    from edgeq.client import Model

    with Model("kws") as model:
        print(model.predict(clip).label)

The agent loads the model, does the preprocessing and quantizes; another release may be deployed while this runs, and
the next prediction comes from it. Python 3.9, nothing but the standard library; numpy arrays are taken as they come.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
import wave
from array import array
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgeq.agent.__main__ import default_root
from edgeq.agent.daemon import join
from edgeq.protocol import contract, smp
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

TIMEOUT_S = 90.0
CHUNK_BYTES = 48 << 10
LONGEST_REASON = 200
_CODES = {"audio": "h", "image": "B", "features": "f"}
_WANTED = {"image": "the pixels, as uint8 [height, width, channels]", "features": "the numbers"}
_FORMATS = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "float32": "f"}


class ModelError(RuntimeError):
    """The agent said no, or is not there; `status` is a number of `edgeq.protocol.status.Status`, 0 for the latter."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Prediction(NamedTuple):
    """`label` and `score` of the highest output; `label` is "" where it does not reach the interface's threshold, and
    the class's number where there are no labels. `scores` holds the last output's values, smoothed as the interface
    says; `outputs` all outputs as real values, flat. `release` is the number of the release that answered."""

    label: str
    score: float
    scores: tuple[float, ...]
    outputs: tuple[tuple[float, ...], ...]
    release: int


class Model:
    """The serving model, through the device's agent, which is started where it does not run. Not thread-safe.

    `name` is the bundle's; an empty one takes whatever serves. `store` is the agent's folder, by default this user's.
    `ModelError` where another model serves or none.
    """

    def __init__(self, name: str = "", store: str | os.PathLike[str] | None = None) -> None:
        self.name, self._root = name, Path(store) if store else default_root()
        self._sequence, self._stream = 0, _Stream(self._root)
        self._release, self._interface = -1, {}  # type: int, dict[str, Any]
        self._answered = -1
        self._recent: deque[tuple[float, ...]] = deque()
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation; the agent stays for others."""
        self._stream.close()

    @property
    def interface(self) -> dict[str, Any]:
        """`interface.json` of the release that serves."""
        self._look()
        return self._interface

    def predict(self, data: Any, *, rate_hz: int = 0) -> Prediction:
        """One inference.

        `data` is a raw input where the release has preprocessing: int16 audio (numpy, `array('h')` or the path of a
        .wav file) at `rate_hz`, by default the rate that the preprocessing expects; a uint8 image [h, w, c] (numpy,
        `memoryview(pixels).cast("B", (h, w, c))` or nested lists). Otherwise it is the model's one input as real
        values: numpy, `array` or nested lists.

        Where another release begins to serve, or another agent takes over, in the middle of it, the new one is asked.
        """
        for last in (False, True):
            release, agent = self._release, self._stream.joined
            try:
                self._look()
                release, agent = self._release, self._stream.joined
                answer = self._infer(data, rate_hz)
                break
            except ModelError:
                if last or not self._changed(release, agent):
                    raise
        self._answered = self._release
        return self._told(answer)

    def ok(self) -> str:
        """What the last prediction told was good, as far as the application can see: while its release is on trial this
        counts for it. The answer is the release's state: "trial", "confirmed" or "bad"."""
        return self._report(good=1, bad=0)

    def bad(self, reason: str = "") -> str:
        """What the last prediction told was bad: while its release is on trial, the device goes back to the one before,
        and keeps the reason. The answer is the release's state."""
        return self._report(good=0, bad=1, **({"why": reason[:LONGEST_REASON]} if reason else {}))

    def _report(self, **counts: Any) -> str:
        if self._answered < 0:
            raise ModelError("Nothing was predicted yet, so there is nothing to report.")
        return str(self._ask(contract.REPORT, {"n": self._answered, **counts})["state"])

    def _changed(self, release: int, agent: int) -> bool:
        """Whether another agent answers now, or another release serves."""
        self._look()
        return self._stream.joined != agent or self._release != release

    def _infer(self, data: Any, rate_hz: int) -> bytes:
        preprocess = self._interface.get("preprocess")
        if preprocess and "steps" in preprocess:
            kind = str(preprocess["input"])
            if isinstance(data, (str, os.PathLike)):
                if kind != "audio":
                    raise ValueError(f"{data}: only wav files are read here; give {_WANTED[kind]}")
                data, rate_hz = read_wav(Path(data))
            body, raw = _raw(data, rate_hz or int(preprocess.get("rate_hz") or 0), kind)
            return self._invoke(body, {"raw": raw})
        tensors = self._interface["inputs"]
        if len(tensors) != 1:
            names = ", ".join(str(tensor["name"]) for tensor in tensors)
            raise ModelError(f"The model has {len(tensors)} inputs ({names}); predict takes a model with one.")
        return self._invoke(_quantized(tensors[0], _flat(data)), {})

    def reset(self) -> None:
        """Forget the outputs that smoothing still holds."""
        self._recent.clear()

    def _told(self, answer: bytes) -> Prediction:
        outputs, at = [], 0
        for tensor in self._interface["outputs"]:
            values = array(_FORMATS[tensor["dtype"]])
            size = values.itemsize * _count(tensor["shape"])
            values.frombytes(answer[at : at + size])
            at += size
            outputs.append(_real(tensor, values))
        self._recent.append(outputs[-1])
        while len(self._recent) > max(1, int(self._interface.get("smoothing") or 1)):
            self._recent.popleft()
        scores = tuple(sum(column) / len(self._recent) for column in zip(*self._recent))
        best = max(range(len(scores)), key=scores.__getitem__)
        labels, threshold = self._interface["labels"], self._interface.get("threshold")
        reached = threshold is None or scores[best] >= threshold
        label = (labels[best] if best < len(labels) else str(best)) if reached else ""
        return Prediction(label, scores[best], scores, tuple(outputs), self._release)

    def _look(self) -> None:
        """Learn what serves; its interface is read again only where another release does."""
        state = self._ask(contract.RELEASES, {})
        # While another model is loaded and tested, the one before answers; older agents did not say which one does.
        before = state["current"] if state["trial"] is None else state["trial"]
        serving = state.get("answers", before)
        if serving == self._release:
            return
        if serving is None:
            raise ModelError("No model serves on this device; deploy one with edgeq.", int(Status.STATE))
        name = next(item["name"] for item in state["releases"] if item["n"] == serving)
        if self.name and name != self.name:
            raise ModelError(f"The model that serves here is '{name}', not '{self.name}'.", int(Status.MISMATCH))
        document = b""
        while True:
            answer = self._ask(contract.MEMBER, {"name": "interface.json", "off": len(document), "n": serving})
            document += answer["data"]
            if len(document) >= answer["len"]:
                break
        self._release, self._interface = serving, json.loads(document)
        self._recent.clear()

    def _invoke(self, data: bytes, extra: dict[str, Any]) -> bytes:
        answer: dict[str, Any] = {}
        at = tries = 0
        while "out" not in answer:
            chunk = {"n": self._release, "off": at, "len": len(data), "data": data[at : at + CHUNK_BYTES], **extra}
            answer = self._ask(contract.INVOKE, chunk)
            if answer["off"] < at:  # another agent answers, and has seen nothing of this input
                tries += 1
                if tries > 1:
                    raise ModelError("The agent loses the input.")
            at = answer["off"]
        output = b""
        while len(output) < answer["out"]:
            piece = self._ask(contract.OUTPUT, {"off": len(output)})["data"]
            if not piece:  # another agent answers, and has no output for us
                raise ModelError("The agent loses the output.")
            output += piece
        return output

    def _ask(self, command: tuple[int, int, int], body: dict[str, Any]) -> dict[str, Any]:
        self._sequence = (self._sequence + 1) % 256
        answer = self._stream.ask(Message(*command, self._sequence, body)).body
        if "err" in answer or answer.get("rc"):
            code = answer["err"]["rc"] if "err" in answer else Status.UNSUPPORTED
            reason = str(answer.get("rsn") or f"status {code}").rstrip(".")
            raise ModelError(f"The agent says no: {reason}.", int(code))
        return answer


class _Stream:
    """Messages to and from the daemon; joined again once where it has ended meanwhile (another agent took over), and
    `joined` counts that."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._socket: socket.socket | None = None
        self.joined = 0

    def ask(self, message: Message) -> Message:
        for last in (False, True):
            try:
                return self._ask(message)
            except (OSError, EOFError) as error:
                self.close()
                if last:
                    raise ModelError(f"The agent of {self._root} does not answer: {error or 'it ended'}.") from error
        raise AssertionError("the second try answers or raises")

    def _ask(self, message: Message) -> Message:
        if self._socket is None:
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    self._channel = join(self._root, (theirs.fileno(), theirs.fileno()))
            except SystemExit as error:  # how the agent's own programs end
                ours.close()
                raise ModelError(str(error)) from error
            self._socket, self._decoder = ours, smp.StreamDecoder()
            self.joined += 1
        self._socket.settimeout(TIMEOUT_S)
        self._socket.sendall(message.encode())
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            ready = select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]
            data = self._socket.recv(1 << 18) if ready else b""
            if not data:
                raise EOFError("it gave no answer in time" if not ready else "it ended")
            for answer in self._decoder.feed(data):
                if answer.sequence == message.sequence:
                    return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._channel.close()
            self._socket = None


def read_wav(path: Path) -> tuple[array[int], int]:
    """The samples and the rate of a 16-bit wav file; several channels are averaged. `ValueError` for another file."""
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if width != 2:
                raise ValueError(f"{path} has {8 * width} bits a sample; 16 are read")
            frames, data = file.getnframes(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no 16-bit PCM wav file: {str(error) or 'it is cut short'}") from error
    if not frames or len(data) != 2 * channels * frames:
        raise ValueError(f"{path} {'is cut short' if frames else 'is empty'}")
    samples = array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    if channels > 1:
        columns = [samples[channel::channels] for channel in range(channels)]
        samples = array("h", (round(sum(column) / channels) for column in zip(*columns)))
    return samples, rate


def _raw(data: Any, rate_hz: int, kind: str) -> tuple[bytes, dict[str, Any]]:
    """Bytes and description of a raw input; lists of whole numbers are what preprocessing of this `kind` takes."""
    kinds = {"h": "int16", "B": "uint8", "f": "float32"}
    try:
        view = memoryview(data)
    except TypeError:
        view = None
    if view is not None and view.format in kinds:
        body, code, shape = view.tobytes(), view.format, list(view.shape or ())
    else:  # neither an array nor one of a type that travels
        body, code, shape = *_numbers(_flat(data), "f" if view is not None else _CODES[kind]), _shape(data)
    return body, {"type": kinds[code], "shape": shape, "rate": rate_hz if code == "h" else 0}


def _numbers(values: list[float], code: str) -> tuple[bytes, str]:
    """Bytes and type code: `code` where it holds all of `values`, else float32: the agent says what it wants."""
    if code != "f" and all(value == int(value) for value in values):
        try:
            return array(code, map(int, values)).tobytes(), code
        except OverflowError:
            pass
    return array("f", values).tobytes(), "f"


def _shape(data: Any) -> list[int]:
    if hasattr(data, "shape"):
        return [int(extent) for extent in data.shape]
    return [len(data), *_shape(data[0])] if isinstance(data, Sequence) and len(data) else []


def _flat(data: Any) -> list[float]:
    if hasattr(data, "tolist"):
        data = data.tolist()
    if not isinstance(data, Sequence):
        return [float(data)]
    return [value for item in data for value in (_flat(item) if isinstance(item, Sequence) else (float(item),))]


def _quantized(tensor: dict[str, Any], values: list[float]) -> bytes:
    if len(values) != _count(tensor["shape"]):
        wanted = f"The model's input has {_count(tensor['shape'])} values ({tensor['shape']})"
        raise ValueError(f"{wanted}; {len(values)} were given.")
    form, scale, zero = _FORMATS[tensor["dtype"]], tensor["scale"], tensor["zero_point"]
    if form == "f":
        return array(form, values).tobytes()
    if not scale:
        return array(form, [round(value) for value in values]).tobytes()
    bits = 8 * array(form).itemsize
    low, high = (0, (1 << bits) - 1) if form == "B" else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return array(form, [min(high, max(low, round(value / scale) + zero)) for value in values]).tobytes()


def _real(tensor: dict[str, Any], values: array[Any]) -> tuple[float, ...]:
    scale, zero = tensor["scale"], tensor["zero_point"]
    return tuple((value - zero) * scale for value in values) if scale else tuple(float(value) for value in values)


def _count(shape: Sequence[int]) -> int:
    count = 1
    for extent in shape:
        count *= int(extent)
    return count
