"""What records leave in the arena: all of it, nothing else, whatever lay there before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import Network

from edgeq.errors import ArtifactError
from edgeq.micro.compile import compile_model
from edgeq.micro.given import Given, given
from edgeq.micro.native import NativeModel
from edgeq.model.tflite import read_model

MODELS = sorted((Path(__file__).parents[1] / "cases").rglob("*int8.tflite"))
SEEDS = range(12)


def pieces_of(model: bytes) -> list[Given]:
    return given(model, compile_model(model).image())


def arenas(model: bytes, fill: int) -> list[bytes]:
    """The arena before the first record and behind each, where it held `fill` but for the state."""
    made, draw = compile_model(model), np.random.default_rng(5)
    with NativeModel(made.image()) as native:
        inputs = [draw.integers(0, 2, size, np.uint8).tobytes() for size in native.input_bytes]
        size = made.arena.bytes
        native._arena[made.arena.state_bytes : size] = bytes([fill]) * (size - made.arena.state_bytes)
        found = [b""]
        native.invoke(inputs, lambda: found.append(native.memory(0, size)))
        first = bytearray([fill]) * size
        first[: made.arena.state_bytes] = b"".join(
            buffer.first + bytes(-buffer.size_bytes % 4) for buffer in made.plan.states
        )
        for view, data in zip(made.plan.inputs, inputs, strict=True):
            at = made.arena.offsets[view.buffer]
            first[at : at + len(data)] = data
        return [bytes(first), *found[1:]]


def check(model: bytes) -> None:
    made, pieces = compile_model(model), pieces_of(model)
    zeros, others = arenas(model, 0), arenas(model, 0xA5)
    assert {piece.record for piece in pieces} == set(range(-1, len(made.plan.ops)))
    for piece in pieces:
        part = slice(piece.at, piece.at + piece.size_bytes)
        one, other = (piece.values(arena[piece.record + 1][part]) for arena in (zeros, others))
        assert one.size and one.tobytes() == other.tobytes(), piece
    for record, op in enumerate(made.plan.ops):
        mine = np.zeros(made.arena.bytes, bool)
        for piece in (piece for piece in pieces if piece.record == record):
            item = np.dtype(piece.dtype).itemsize
            whole = mine[piece.at : piece.at + piece.size_bytes].reshape(-1, item)
            whole[slice(None) if piece.places is None else piece.places] = True
        if op.scratch is not None:
            at = made.arena.offsets[op.scratch.buffer]
            mine[at : at + op.scratch.buffer.size_bytes] = True
        before, after = (np.frombuffer(others[at], np.uint8) for at in (record, record + 1))
        assert not ((before != after) & ~mine).any(), op


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_records_give_what_is_said_of_them(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.parametrize("number", SEEDS)
def test_records_of_many_kinds_do(number: int) -> None:
    check(Network(number, more=True).model)


def test_pieces_name_their_operator_and_tensor() -> None:
    model = (Path(__file__).parents[1] / "cases" / "models" / "tiny_int8.tflite").read_bytes()
    operators = read_model(model).subgraphs[0].operators
    pieces = pieces_of(model)
    assert (pieces[0].record, pieces[0].kernel, pieces[0].operators) == (-1, "", ())
    dense = next(piece for piece in pieces if piece.kernel == "fc_i8")
    assert operators[dense.operators[0]].name == "FULLY_CONNECTED"
    tensors = read_model(model).subgraphs[0].tensors
    assert dense.tensor == tensors[operators[dense.operators[0]].outputs[0]].name


def test_another_plan_is_told() -> None:
    model = MODELS[0].read_bytes()
    with pytest.raises(ArtifactError, match="another plan"):
        given(model, compile_model(MODELS[1].read_bytes()).image())
