"""Where the fuzzers begin: images of every operator, frames of every kind and whole sessions, as `edgeq` writes them.

As a program: `fuzz_seeds.py FOLDER` fills FOLDER/image, /frame, /core and /signature. With `--smallest` behind it, it
writes one small image of each kernel, a few frames and the sessions: that is what `tests/cases/fuzz` holds.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha1, sha256
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "micro"))
sys.path.insert(0, str(Path(__file__).parents[1] / "micro" / "frontend"))
sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
import single_ops
from draws import Case
from fronts import audio, front, noise, tensor
from hypothesis import HealthCheck, Phase, given, seed, settings
from imagefile import kinds, zeros
from mcu import make_image, make_mcu_bundle
from signers import Signer

from edgeq.errors import ConvertError
from edgeq.micro.compile import compile_model
from edgeq.micro.graph import Tensor
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.preprocess.wire import encode_raw
from edgeq.protocol import cbor, cobs, console, contract
from edgeq.protocol.smp import READ, WRITE, Message
from edgeq.signing import image as signing

TINY = Path(__file__).parents[1] / "cases" / "models" / "tiny_int8.tflite"
EXAMPLES = 25
PIECE_BYTES = 512
FAR = 100_000
"""An offset whose encoding has room for others."""
MOST_IMAGE_BYTES, MOST_ARENA_BYTES = 3000, 4096


def cases(name: str) -> list[Case]:
    """Some of an operator's cases: always the same."""
    found: list[Case] = []

    @seed(0)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(single_ops.cases(name))
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return found


def images() -> Iterator[bytes]:
    """Small images: of single operators, and of the model in `tests/cases/models`. Each has a golden vector."""
    models = [case.model for name in single_ops.OPS for case in cases(name)]
    for model in (TINY.read_bytes(), *models):
        with suppress(ConvertError):
            compiled = compile_model(model)
            inputs, outputs = (
                [bytes(compiled.graph.tensors[index].size_bytes) for index in part]
                for part in (compiled.graph.inputs, compiled.graph.outputs)
            )
            image = compiled.image(b"{}", [(inputs, outputs)])
            if len(image) <= MOST_IMAGE_BYTES and compiled.arena.bytes <= MOST_ARENA_BYTES:
                yield image


def fronts() -> Iterator[bytes]:
    """Small images with front ends, which have every record between them, and a golden vector from raw input."""
    frame, spectrum = {"do": "frame", "length": 20, "step": 9}, {"do": "spectrum", "fft": 32}
    mel = {"do": "mel", "bins": 4, "low_hz": 20, "high_hz": 8000}
    samples = ({"do": "scale", "multiply": 0.5, "add": 1}, {"do": "clip", "low": -9000, "high": 9000})
    chains = (
        ((frame, {"do": "window"}, spectrum, mel, {"do": "log"}, {"do": "mfcc", "count": 3}), (3, 3)),
        (
            (
                {"do": "pad", "samples": 40}, *samples, {"do": "peak"}, {"do": "preemphasis"}, frame,
                {**spectrum, "of": "power"}, mel, {"do": "scale", "multiply": 3, "add": 1},
                {"do": "clip", "low": 2, "high": 50}, {"do": "log"}, {"do": "stack", "frames": 2},
            ),
            (2, 8),
        ),
        (
            (frame, spectrum, {"do": "scale", "multiply": [0.1] * 17, "add": 1}, {"do": "clip", "low": 0, "high": 90}),
            (2, 17),
        ),
        ((frame, spectrum, mel, {"do": "pcen", "start": "one"}, {"do": "stack", "frames": 2}), (2, 8)),
        (
            ({"do": "pad", "samples": 60, "at": "start"}, {"do": "micro", "window_ms": 2, "step_ms": 1, "channels": 3}),
            (2, 3),
        ),
        (({"do": "resample", "rate_hz": 24_000}, frame, spectrum), (2, 17)),
        (
            (
                {"do": "resample", "rate_hz": 8000}, {"do": "pad", "samples": 30, "at": "start"}, {"do": "peak"}, frame,
                spectrum,
            ),
            (2, 17),
        ),
    )  # fmt: skip
    for steps, shape in chains:
        given = tensor((1, *shape))
        least = front(audio(*steps), given).program.least
        yield front(audio(*steps), given, [(noise(least + 3), [bytes(shape[0] * shape[1])])]).image
    resize = {"do": "resize", "height": 4, "width": 5}
    for more in ([], [{"do": "crop", "height": 3, "width": 3}, {"do": "colour", "order": "gray"}, {"do": "scale"}]):
        preprocess = parse(
            {"input": "image", "steps": [{**resize, "filter": "bilinear" if more else "nearest"}, *more]}
        )
        shape = (3, 3, 1) if more else (4, 5, 3)
        raw = Raw(np.arange(7 * 6 * 3, dtype=np.uint8).reshape(7, 6, 3))
        yield front(preprocess, tensor((1, *shape)), [(raw, [bytes(shape[0] * shape[1] * shape[2])])]).image
    scale, limits = {"do": "scale", "multiply": [0.5, -3.0, 1e-9], "add": 1}, {"do": "clip", "low": -9, "high": 9}
    for kind, steps, (rows, width) in (
        ("float32", (scale, limits), (2, 3)),
        ("uint8", (scale, {"do": "stack", "frames": 2}), (2, 6)),
        ("int16", (limits,), (3, 2)),
    ):
        preprocess = parse({"input": "features", "steps": list(steps)})
        numbers = Raw(np.arange(9).reshape(3, 3).astype(kind) if width != 2 else np.arange(6, dtype=kind).reshape(3, 2))
        yield front(preprocess, tensor((1, rows, width)), [(numbers, [bytes(rows * width)])]).image


def smallest(found: Iterator[bytes]) -> list[bytes]:
    """The smallest image of each kernel."""
    best: dict[int, bytes] = {}
    for image in sorted(found, key=len):
        for kind in kinds(image):
            best.setdefault(kind, image)
    return list(dict.fromkeys(best.values()))


def frames() -> Iterator[bytes]:
    """Requests as the host sends them, in both framings, one by one and joined."""
    bodies = (
        {"d": "edgeq"},
        {"off": 0, "len": 1000, "sha": bytes(32), "image": 0, "data": bytes(range(64))},
        {"n": 3, "data": bytes(100)},
        {"a": [1, -1, None, True, 1.5, {"b": [[], {}]}], 1: "x"},
    )
    messages = [Message(op, 64, 2, 7, body).encode() for body in bodies for op in (READ, WRITE)]
    raw = [b"\xbf\x61dax\xff", b"\x9f\x01\xff", b"\x5f\x41a\x41b\xff", b"\x81" * 15 + b"\x80", b"\xfb" + bytes(8)]
    for message in messages:
        yield console.encode(message)
        yield cobs.encode(message)
        yield message[8:]
    yield from raw
    yield b"".join(
        encode(message) + b"boot: ok\r\n" for message in messages[:2] for encode in (console.encode, cobs.encode)
    )


Request = tuple[tuple[int, int, int], dict[str, Any]]
RESTART: Request = ((0, 255, 0), {})
TEXT = (0, 254, 0)
"""Of a request whose body's keys are commands of MLPerf Tiny."""


def pieces(command: tuple[int, int, int], data: bytes, **more: Any) -> Iterator[Request]:
    """The requests that send `data`."""
    for offset in range(0, len(data), PIECE_BYTES):
        yield command, {**more, "off": offset, "len": len(data), "data": data[offset : offset + PIECE_BYTES]}


def job(number: int, command: tuple[int, int, int], body: dict[str, Any]) -> list[Request]:
    """A job, and what became of it."""
    return [(command, body), (contract.JOB, {"job": number, "from": 0}), (contract.JOB, {"job": number, "from": 1})]


def sessions() -> Iterator[bytes]:
    """What a host asks of a microcontroller: deployments, inferences, a bench, an upload, and restarts between."""
    with tempfile.TemporaryDirectory() as work:
        bundle = make_mcu_bundle(Path(work) / "tiny", target="host", arch="any")
        image, manifest = (bundle.folder / "image.eqi").read_bytes(), (bundle.folder / "manifest.json").read_bytes()
        other = make_image(target="host", name="other")
    named, whole = {"sha": sha256(manifest).digest()}, {"sha": sha256(image).digest()}
    stage = [
        *pieces(contract.BLOB_PUT, image, **whole),
        *pieces(contract.BLOB_PUT, manifest, **named),
        *job(1, contract.STAGE, named),
    ]
    serve = [*job(2, contract.SELFTEST, {"n": 1}), *job(3, contract.ACTIVATE, {"n": 1})]
    infer = [*pieces(contract.INVOKE, zeros(image)[0][0], run=7), (contract.OUTPUT, {"run": 7, "off": 0})]
    follow = [
        *pieces(contract.INVOKE, zeros(image)[0][0], run=8, look=1),
        *((contract.OUTPUT, {"off": at, "ops": ops, "most": FAR}) for at, ops in ((0, 0), (FAR, 1), (8, 5))),
        (contract.OUTPUT, {"off": 0}),
    ]
    measure = [*job(4, contract.BENCH, {"runs": 5, "warmup": 1}), *job(5, (WRITE, 64, 14), {})]
    halt: list[Request] = [
        (contract.BENCH, {"runs": 900, "warmup": 3}),
        (contract.JOB, {"job": 4, "from": 0}),
        *((contract.JOB, {"job": 4, "from": 9 + turn, "stop": True}) for turn in range(3)),
        (contract.SENSORS, {}),
    ]
    ask: list[Request] = [
        (contract.DESCRIBE, {}), (contract.RELEASES, {}), (contract.SENSORS, {}), (contract.LINE, {"baud": 9600}),
        (contract.MEMBER, {"name": "manifest.json", "off": FAR}), (contract.OUTPUT, {"off": FAR}),
        (contract.BLOB_HAVE, {"sha": list(whole.values())}),
        (contract.ROLLBACK, {}), ((READ, 0, 6), {}), ((WRITE, 0, 0), {"d": "hi"}), ((READ, 1, 0), {}),
    ]  # fmt: skip
    again = [
        *pieces(contract.BLOB_PUT, other, sha=sha256(other).digest()),
        *pieces(contract.BLOB_PUT, manifest[:-1], sha=sha256(manifest[:-1]).digest()),
        *job(4, contract.STAGE, {"sha": sha256(manifest[:-1]).digest()}),
        *job(5, contract.ACTIVATE, {"n": 2}),
        *job(6, contract.ROLLBACK, {}),
    ]
    upload: list[Request] = [
        *pieces((WRITE, 1, 1), image, image=0, **whole),
        ((WRITE, 1, 0), {"hash": whole["sha"], "confirm": True}),
        RESTART,
        ((READ, 1, 0), {}),
        ((WRITE, 1, 5), {}),
    ]
    sight = Raw(np.arange(7 * 6 * 3, dtype=np.uint8).reshape(7, 6, 3))
    heard = audio({"do": "frame", "length": 20, "step": 9}, {"do": "spectrum", "fft": 32})
    seen = parse({"input": "image", "steps": [{"do": "resize", "height": 4, "width": 5}]})
    deployed = (stage, serve)
    given = zeros(image)[0][0]
    benchmark: list[Request] = [
        (TEXT, dict.fromkeys(("name", "profile", "timestamp", "help", f"db load {len(given)}", "results"))),
        *((TEXT, {f"db {given[at : at + 31].hex()}": None}) for at in range(0, len(given), 31)),
        (
            TEXT,
            dict.fromkeys(("db print", "infer 3 2", "results", f"db load {4 * len(given)}", "db 0000803f", "infer")),
        ),
    ]
    for parts in (
        (ask,),
        (*deployed, infer, ask),
        (*deployed, measure),
        (*deployed, infer, follow),
        (*deployed, halt),
        (upload, infer, ask),
        (*deployed, again, ask),
        (*deployed, benchmark, infer),
    ):
        yield b"".join(map(told, chain(*parts)))
    for preprocess, shape, raw in ((heard, (3, 17), noise(40)), (seen, (4, 5, 3), sight)):
        yield b"".join(map(told, chain(*of_raw(preprocess, tensor((1, *shape)), raw))))


def of_raw(preprocess: Preprocess, given: Tensor, raw: Raw) -> Iterator[Iterable[Request]]:
    """A release with a front end, which has a golden vector from raw input, and inferences with it."""
    with NativeModel(front(preprocess, given).image) as model:
        wanted = model.invoke_raw(raw)
    image = front(preprocess, given, [(raw, wanted)]).image
    yield pieces((WRITE, 1, 1), image, image=0, sha=sha256(image).digest())
    yield [((WRITE, 1, 0), {"hash": sha256(image).digest(), "confirm": True})]
    item = encode_raw(raw)
    told = {"type": item["type"], "shape": item["shape"], "rate": item["rate"]}
    for run in (8, 9):
        yield pieces(contract.INVOKE, item["data"], run=run, raw=told)
        yield [(contract.OUTPUT, {"off": 0})]


def told(request: Request) -> bytes:
    """A request as `tests/fuzz/core.c` reads it."""
    command, body = request
    if command == TEXT:
        encoded = "".join(f"{word}%" for word in body).encode()
    else:
        encoded = b"" if request is RESTART else cbor.dumps(body)
    return bytes(command) + struct.pack("<H", len(encoded)) + encoded


def write(folder: Path, found: list[bytes]) -> None:
    """Files named by their digest, as libFuzzer names them."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in found:
        (folder / sha1(data).hexdigest()).write_bytes(data)
    print(f"{folder}: {len(found)} seeds, {sum(map(len, found))} bytes")


def signatures() -> Iterator[bytes]:
    """As tests/fuzz/signature.c reads them: one signature, and an envelope that two keys signed, one of each role."""
    builder, approver = Signer("builder"), Signer("approver")
    yield builder.public + builder.sign(b"message") + b"message"
    image = make_image(target="host")
    message = signing.message(image)
    keys = b""
    for signer in (approver, builder):
        image = signing.attach(image, signer.id, signer.sign(message))
        keys += bytes.fromhex(signer.id)[:8] + signer.public
    yield bytes([1 | 1 << 2 | 2 << 4]) + keys + image[:256]


def main(folder: Path, few: bool) -> None:
    """Write all seeds, or a few small ones."""
    write(folder / "image", [*(smallest(images()) if few else images()), *fronts()])
    write(folder / "frame", sorted(frames(), key=len)[:: 3 if few else 1])
    write(folder / "core", list(sessions()))
    write(folder / "signature", list(signatures()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] == ["--smallest"])
