from __future__ import annotations

import importlib.util
import struct
import time
from pathlib import Path
from types import ModuleType

import pytest
import tinymodel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.errors import ArtifactError
from edgeq.model.constants import place_of
from edgeq.model.flatbuffer import FlatBuffer
from edgeq.model.macs import Work, operator_macs
from edgeq.model.schema import OPERATORS, TENSOR_TYPES
from edgeq.model.tflite import ModelInfo, read_model


@pytest.fixture(scope="session")
def schema() -> ModuleType:
    """TensorFlow's generated schema, loaded from its file without importing TensorFlow."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:
        pytest.skip("TensorFlow is not installed")
    path = Path(spec.origin).parent / "lite" / "python" / "schema_py_generated.py"
    module_spec = importlib.util.spec_from_file_location("schema_py_generated", path)
    assert module_spec and module_spec.loader
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny() -> bytes:
    return tinymodel.converted().model


def test_tables_hold_every_name_of_the_schema(schema: ModuleType) -> None:
    operators = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    assert dict(enumerate(OPERATORS)) == operators
    assert {number: name for number, (name, _) in enumerate(TENSOR_TYPES)} == types


def test_signatures_are_read(schema: ModuleType, tiny: bytes) -> None:
    flatbuffers = pytest.importorskip("flatbuffers")

    def packed(*names_and_graphs: tuple[str, int]) -> bytes:
        model = schema.ModelT.InitFromPackedBuf(tiny, 0)
        model.subgraphs.append(model.subgraphs[0])
        model.signatureDefs = []
        for name, graph in names_and_graphs:
            signature = schema.SignatureDefT()
            signature.signatureKey, signature.subgraphIndex = name, graph
            model.signatureDefs.append(signature)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    info = read_model(packed(("embed", 1), ("infer", 0)))
    assert info.signatures == (("embed", 1), ("infer", 0)) and info.unused_signatures == ("embed",)
    with pytest.raises(ArtifactError, match="a signature refers to a graph that does not exist"):
        read_model(packed(("infer", 2)))


def test_values_behind_the_flatbuffer_are_found(schema: ModuleType, tiny: bytes) -> None:
    flatbuffers = pytest.importorskip("flatbuffers")
    model = schema.ModelT.InitFromPackedBuf(tiny, 0)
    values = max((buffer.data for buffer in model.buffers if buffer.data is not None), key=len)
    (moved,) = (buffer for buffer in model.buffers if buffer.data is values)
    moved.data, moved.size = None, len(values)

    def packed(offset: int) -> bytes:
        moved.offset = offset
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    size = len(packed(1 << 20))
    data = packed(size) + bytes(bytearray(values))
    places = [place_of(buffer) for buffer in FlatBuffer(data).root().tables(4)]
    assert (size, len(values)) in places
    assert read_model(data).weights_bytes == read_model(tiny).weights_bytes
    with pytest.raises(ArtifactError, match="a buffer runs past the end"):
        read_model(data[:-1])


def _compare(info: ModelInfo, data: bytes, schema: ModuleType) -> None:
    oracle = schema.ModelT.InitFromPackedBuf(data, 0)
    assert len(info.subgraphs) == len(oracle.subgraphs)
    for graph, expected in zip(info.subgraphs, oracle.subgraphs, strict=True):
        assert graph.inputs == tuple(expected.inputs) and graph.outputs == tuple(expected.outputs)
        for tensor, want in zip(graph.tensors, expected.tensors, strict=True):
            stored = oracle.buffers[want.buffer].data
            quantization = want.quantization
            assert tensor.name == want.name.decode()
            assert tensor.shape == tuple(want.shape if want.shape is not None else ())
            assert TENSOR_TYPES[want.type][0] == tensor.dtype
            assert tensor.data_bytes == (0 if stored is None else len(stored))
            scales = () if quantization is None or quantization.scale is None else tuple(quantization.scale)
            assert tensor.scales == pytest.approx(scales)
            if scales:
                assert tensor.zero_points == tuple(quantization.zeroPoint)
        for operator, want in zip(graph.operators, expected.operators, strict=True):
            code = oracle.operatorCodes[want.opcodeIndex]
            assert operator.name == OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
            assert operator.inputs == tuple(want.inputs) and operator.outputs == tuple(want.outputs)


def test_tiny_models_read_as_tensorflow_reads_them(schema: ModuleType) -> None:
    for data in (tinymodel.converted().float_model, tinymodel.converted().model):
        _compare(read_model(data), data, schema)


@pytest.mark.parametrize(
    ("name", "macs"), [("kws_mlperf_int8", 2_656_768), ("ic_mlperf_int8", 12_501_632), ("ad_mlperf_int8", 264_192)]
)
def test_real_models_read_as_tensorflow_reads_them(
    shared_models: Path, schema: ModuleType, name: str, macs: int
) -> None:
    data = (shared_models / f"{name}.tflite").read_bytes()
    info = read_model(data)
    _compare(info, data, schema)
    assert info.macs() == macs
    assert not info.float_tensors()
    assert 0 < info.weights_bytes < info.size_bytes == len(data)


def test_facts_of_the_tiny_model(tiny: bytes) -> None:
    info = read_model(tiny)
    assert info.op_counts() == {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "MEAN": 1, "SOFTMAX": 1}
    assert info.macs() == 6 * 6 * 4 * 9 + 6 * 6 * 4 * 9 + 4 * 3
    assert [tensor.name for tensor in (*info.inputs, *info.outputs)] == ["image", "class"]
    assert info.inputs[0].size_bytes == 64
    assert info.largest_activations_bytes() == 2 * 6 * 6 * 4
    assert len(read_model(tinymodel.converted().float_model).float_tensors()) > 5


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x00" * 64, b"\x1c\0\0\0TFL3", b"\xff\xff\xff\xffTFL3" + b"\0" * 32])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        read_model(data)


def test_a_truncated_model_is_refused(tiny: bytes) -> None:
    for size in range(0, len(tiny) // 2, 97):
        with pytest.raises(ArtifactError):
            read_model(tiny[:size])


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 0xFFFFFFFF), st.sampled_from("BHI")), max_size=6))
def test_a_damaged_model_is_read_or_refused(tiny: bytes, damage: list[tuple[int, int, str]]) -> None:
    data = bytearray(tiny)
    for place, value, code in damage:
        size = struct.calcsize(code)
        struct.pack_into("<" + code, data, place % (len(data) - size), value % (1 << 8 * size))
    start = time.process_time()
    try:
        info = read_model(bytes(data))
        info.macs(), info.op_counts(), info.float_tensors(), info.largest_activations_bytes()
    except ArtifactError:
        pass
    assert time.process_time() - start < 5


def test_overlapping_references_do_not_make_it_run_for_ever() -> None:
    """60,000 references to one graph, which has 60,000 references to one tensor: 3.6e9 tensors, were they all read."""
    count = 60_000
    data = bytearray(12) + b"\0" * 8
    data[4:8] = b"TFL3"

    def vtable(*slots: int, size: int) -> int:
        place = len(data)
        data.extend(struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), size, *slots))
        return place

    def table(vtable_place: int, payload: bytes) -> int:
        data.extend(b"\0" * (-len(data) % 4))
        place = len(data)
        data.extend(struct.pack("<i", place - vtable_place) + payload)
        return place

    # References are unsigned: what is referred to must lie behind, so the parts are laid out from the root on.
    root = table(vtable(4, 0, 8, 0, 12, size=16), struct.pack("<III", 3, 0, 0))
    struct.pack_into("<I", data, 0, root)
    graphs = len(data)
    data.extend(b"\0" * (4 + 4 * count))
    graph_vtable = vtable(4, size=8)
    graph = table(graph_vtable, b"\0" * 4)
    tensors = len(data)
    data.extend(b"\0" * (4 + 4 * count))
    tensor_vtable = vtable(size=4)
    tensor = table(tensor_vtable, b"")
    buffers = len(data)
    data.extend(struct.pack("<II", 1, 4 + 6))
    buffer_vtable = vtable(size=4)
    data.extend(b"\0" * 2)
    buffer = table(buffer_vtable, b"")
    struct.pack_into("<I", data, buffers + 4, buffer - (buffers + 4))
    for place, target in ((graphs, graph), (tensors, tensor)):
        struct.pack_into("<I", data, place, count)
        for index in range(count):
            here = place + 4 + 4 * index
            struct.pack_into("<I", data, here, target - here)
    struct.pack_into("<I", data, graph + 4, tensors - (graph + 4))
    struct.pack_into("<II", data, root + 8, graphs - (root + 8), buffers - (root + 12))
    start = time.process_time()
    with pytest.raises(ArtifactError, match="overlap"):
        read_model(bytes(data))
    assert time.process_time() - start < 20


def test_multiply_accumulates_of_each_kind() -> None:
    cases = {
        "CONV_2D": (Work([(1, 8, 8, 3), (4, 3, 3, 3)], [(1, 6, 6, 4)]), 6 * 6 * 4 * 27),
        "DEPTHWISE_CONV_2D": (Work([(1, 8, 8, 4), (1, 3, 3, 4)], [(1, 8, 8, 4)]), 8 * 8 * 4 * 9),
        "FULLY_CONNECTED": (Work([(1, 10), (5, 10)], [(1, 5)]), 50),
        "TRANSPOSE_CONV": (Work([(4,), (3, 2, 2, 8), (1, 4, 4, 8)], [(1, 8, 8, 3)]), 4 * 4 * 8 * 3 * 2 * 2),
        "CONV_3D": (Work([(1, 4, 4, 4, 2), (3, 3, 3, 2, 5)], [(1, 2, 2, 2, 5)]), 8 * 5 * 54),
        "CONV_3D_TRANSPOSE": (Work([(5,), (2, 2, 2, 5, 3), (1, 2, 2, 2, 3)], [(1, 4, 4, 4, 5)]), 8 * 3 * 8 * 5),
        "BATCH_MATMUL": (Work([(2, 3, 7), (2, 7, 4)], [(2, 3, 4)]), 2 * 3 * 4 * 7),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": (Work([(1, 5, 8), *[(4, 8)] * 4, *[(4, 4)] * 4, (4,)], [(1, 5, 4)]), 5 * 192),
        "SVDF": (Work([(1, 8), (6, 8), (6, 10), (6,)], [(1, 6)]), 48 + 60),
        "SOFTMAX": (Work([(1, 10)], [(1, 10)]), 0),
    }
    for name, (work, expected) in cases.items():
        assert operator_macs(name, work) == expected, name
    assert operator_macs("BATCH_MATMUL", Work([(7, 3), (7, 4)], [(3, 4)], transposed_x=True)) == 84
    assert operator_macs("CONV_2D", Work([(1,)], [(1,)])) == 0
