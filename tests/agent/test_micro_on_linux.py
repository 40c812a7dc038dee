"""A release on our own runtime, through the agent: built, deployed, invoked, measured; numpy is not needed."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tinymodel

from edgeq.agent.micro import IMAGE, LIBRARY, MicroModel
from edgeq.bench import bench
from edgeq.build import build
from edgeq.bundle import Bundle, read_bundle, write_bundle
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import DeviceError, UsageError
from edgeq.estimate.learned import measured_of
from edgeq.estimate.table import shape_of
from edgeq.estimate.work import items_of
from edgeq.micro.compile import compile_model
from edgeq.micro.linux import COMPILERS
from edgeq.micro.native import NativeModel
from edgeq.profile import profile as profile_of
from edgeq.target import TargetProfile, load_target


def profile() -> TargetProfile:
    """This machine as a target of our own runtime."""
    arch = platform.machine()
    if arch not in COMPILERS or not (shutil.which(COMPILERS[arch].program) or shutil.which("gcc")):
        pytest.skip(f"nothing compiles our runtime for {arch} here")
    like = load_target("linux-x86_64")
    own = {"name": "edgeq-micro", "version": "1", "kernels": "edgeq-micro", "golden_tolerance": 0}
    runtime = replace(like.runtime, modes=("static_wi8_ai8",), alternatives=(), **own)  # type: ignore[arg-type]
    return replace(like, name="here-micro", cpu=replace(like.cpu, arch=arch), runtime=runtime)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    model = tmp_path_factory.mktemp("model") / "tiny.tflite"
    model.write_bytes(tinymodel.converted().model)
    (built,) = build(model, [profile()], tinymodel.data_file(), out=tmp_path_factory.mktemp("out"))
    return read_bundle(built.bundle.folder)


def test_the_bundle_holds_image_and_library_by_digest(bundle: Bundle) -> None:
    assert {IMAGE, LIBRARY} <= set(bundle.manifest["files"])
    assert bundle.manifest["runtime"]["wheels"] == []
    assert bundle.manifest["plan"]["arena_bytes"] > 0
    assert "device_files" not in bundle.manifest


def test_it_serves_with_the_host_s_bytes(bundle: Bundle, device: Device) -> None:
    done = deploy(bundle, device)
    assert (done.golden["worst"], done.golden["runtime"]) == (0.0, "edgeq-micro 1")
    tensor = bundle.interface().inputs[0]
    data = [tensor.quantize(sample).tobytes() for sample in tinymodel.samples(5)]
    with NativeModel(compile_model(bundle.path("model.tflite").read_bytes()).image()) as native:
        expected = b"".join(output for item in data for output in native.invoke([item]))
    assert device.invoke(b"".join(data)) == expected
    measured = device.bench(runs=20, warmup=2, threads=0)
    assert len(measured["invoke_ns"]) == 20
    assert deploy(bundle, device).changed is False


def test_each_record_of_the_plan_is_timed(bundle: Bundle, device: Device) -> None:
    deploy(bundle, device)
    table = profile_of(device, runs=6, bundle=bundle.folder).table
    assert [op["op"] for op in table["ops"]] == ["CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert {"conv_i8", "fc_i8"} <= {op["kernel"] for op in table["ops"]}
    assert (table["runtime"], table["kernels"], table["threads"], table["runs"]) == (
        "edgeq-micro 1",
        "edgeq-micro",
        1,
        6,
    )
    assert 0 < table["clock_ns"] < 1_000_000 and table["unit"] == "ns"
    bare = profile_of(device, runs=1).table
    assert [op.get("index") for op in bare["ops"]] == [None] * 5 and "bundle is not here" in bare["notes"][0]
    with pytest.raises(DeviceError, match="no delegate 'xnnpack' for this release: edgeq-micro"):
        profile_of(device, runs=1, delegate="xnnpack")


def test_a_bench_with_a_profile_teaches_what_ops_cost(bundle: Bundle, device: Device) -> None:
    deploy(bundle, device)
    run = bench(device, runs=10, warmup=1, per_op=True, among=[bundle.folder])
    key, measured = measured_of(run)
    assert (key.runtime, key.kernels, key.unit) == ("edgeq-micro", "edgeq-micro", "ns")
    assert measured.shape == shape_of(items_of(bundle.path("model.tflite").read_bytes(), key.runtime))
    named = bench(device, runs=10, warmup=1, per_op=True, bundle=bundle.folder)
    assert named.profile and named.profile["ops"][0]["op"] == "CONV_2D"
    with pytest.raises(UsageError, match="2 threads cannot be measured: edgeq-micro"):
        bench(device, runs=10, threads=2)


def test_steps_behind_the_last_do_nothing(bundle: Bundle) -> None:
    model = MicroModel(bundle.folder)
    inputs = [bytes(model.input_bytes)]
    expected = model.invoke(inputs)
    model.load(inputs)
    kinds = [kind for kind, _ in model.profile()]
    assert kinds == [op.kind for op in compile_model(bundle.path("model.tflite").read_bytes()).plan.ops]
    assert model.call_ns() > 0 and model.read() == expected


def test_a_release_without_its_library_is_refused(bundle: Bundle, device: Device, tmp_path: Path) -> None:
    members = {name: bundle.path(name).read_bytes() for name in bundle.manifest["files"] if name != LIBRARY}
    manifest = {key: value for key, value in bundle.manifest.items() if key not in ("files", "kind", "schema")}
    with pytest.raises(DeviceError, match="the bundle needs edgeq-micro 1"):
        deploy(write_bundle(tmp_path / "without", members, manifest), device)


def test_the_model_needs_no_numpy(bundle: Bundle) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom edgeq.agent.micro import MicroModel\n"
        f"model = MicroModel(Path({str(bundle.folder)!r}))\n"
        "model.invoke([bytes(model.input_bytes)])\nassert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
