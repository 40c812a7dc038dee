"""The command line: what may be said, with which defaults. Each command is a few calls to a verb.

`edgeq --help` must not wait for TensorFlow, paramiko or numpy, so every import beyond typer stands in its command.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edgeq.console import Console
from edgeq.errors import EdgeqError, UsageError

app = typer.Typer(
    name="edgeq",
    help="Take a trained neural network onto an embedded target and prove that it works there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
emulate_app = typer.Typer(help="Start, stop and list emulated boards.", no_args_is_help=True)
app.add_typer(emulate_app, name="emulate")
firmware_app = typer.Typer(help="Firmware for microcontrollers.", no_args_is_help=True)
app.add_typer(firmware_app, name="firmware")

console = Console()


def _version(wanted: bool) -> None:
    if wanted:
        import edgeq

        print(edgeq.__version__)
        raise typer.Exit


_COMMON = {
    "as_json": Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", help="Tracebacks with errors.")],
}


def command(parent: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command, with the options that every command has."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def started(**given: Any) -> None:
            for key in _COMMON:
                setattr(console, key, given.pop(key))
            function(**given)

        own = inspect.signature(function, eval_str=True)
        kind = inspect.Parameter.KEYWORD_ONLY
        common = [inspect.Parameter(key, kind, default=False, annotation=hint) for key, hint in _COMMON.items()]
        started.__signature__ = own.replace(parameters=[*own.parameters.values(), *common])  # type: ignore[attr-defined]
        started.__annotations__ = {name: each.annotation for name, each in started.__signature__.parameters.items()}  # type: ignore[attr-defined]
        parent.command(name)(started)
        return function

    return register


DeviceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[DEVICE]",
        help="A name from edgeq.toml, or local:, ssh://user@host, serial:PORT, tcp://host:port, qemu:NAME.",
        show_default=False,
    ),
]


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take a trained neural network onto an embedded target and prove that it works there."""


@command(app)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Leave a project to start from: edgeq.toml, a small trained model, data, labels.

    Example: edgeq init digits && cd digits && edgeq build --target rpi4
    """
    from edgeq.init import init_project

    project = init_project(folder, console.progress)
    steps = ("cd " + str(folder), "edgeq build --target rpi4", "edgeq deploy", "edgeq bench", "edgeq report")
    text = "\n  ".join((f"{folder} holds a project. Next:", *steps))
    console.result({"project": str(folder), "model": str(project.model)}, text)


@command(app)
def demo(
    folder: Annotated[Path, typer.Option("--output-dir", "-o", help="Where project and report go.")] = Path(
        "edgeq-demo"
    ),
) -> None:
    """The whole line on real data: train, build, deploy to an emulated Raspberry Pi 4 and to this machine, bench.

    Example: edgeq demo
    """
    from edgeq.demo import run_demo

    result = run_demo(folder, console.progress)
    console.result(result.document, f"{result.text}\n\nReport: {result.report}")


@command(app)
def targets(
    name: Annotated[str | None, typer.Argument(help="One target; all of them if left out.", show_default=False)] = None,
) -> None:
    """List the target profiles, or show one with its sources.

    Example: edgeq targets rpi4
    """
    from dataclasses import asdict

    from edgeq.target import all_targets, load_target
    from edgeq.units import format_bytes

    if name:
        profile = load_target(name)
        console.result(asdict(profile), profile.path.read_text(encoding="utf-8").rstrip())
        return
    found = list(all_targets())
    rows = [(item.name, item.title, item.cpu.arch, format_bytes(item.ram_free_bytes), item.evidence) for item in found]
    console.table([asdict(item) for item in found], ("target", "what", "arch", "RAM", "evidence"), rows, "No targets.")


@command(app)
def check(
    model: Annotated[Path, typer.Argument(help="A .tflite file.")],
    target: Annotated[str, typer.Option("--target", "-t", help="The target profile.")],
) -> None:
    """Say whether a model fits a target, and what it takes there; exit code 3 where it does not.

    Example: edgeq check build/digits-mps2-an386/model.tflite --target mps2-an386
    """
    from edgeq.check import check as check_model
    from edgeq.errors import FitError
    from edgeq.target import load_target
    from edgeq.telling import tell_checked

    found = check_model(model, load_target(target))
    console.result(*tell_checked(found))
    if not found.fits:
        raise typer.Exit(FitError.exit_code)


@command(app)
def build(
    model: Annotated[
        Path | None, typer.Argument(help=".keras, .h5, .tflite or a SavedModel folder.", show_default=False)
    ] = None,
    target: Annotated[list[str] | None, typer.Option("--target", "-t", help="May be given several times.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Representative samples: a file, a folder or module:function (docs/data.md).")
    ] = None,
    eval_data: Annotated[str | None, typer.Option("--eval", help="Labelled samples, likewise.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the classes, one a line.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="static_wi8_ai8, static_wi8_ai16, dynamic_wi8_afp32, float16 or float32.")
    ] = None,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One scale for all of a layer's weights.")] = False,
    io: Annotated[str, typer.Option(help="Type of inputs and outputs: auto, int8, int16 or float32.")] = "auto",
    samples: Annotated[int | None, typer.Option(help="Calibration samples to use.", min=1)] = None,
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", help="Where bundles go.")] = None,
) -> None:
    """Convert a model, by default to full int8, check it against a target, evaluate it and write a bundle.

    Example: edgeq build model.keras --target rpi4 --data calibration.npz --eval test.npz
    """
    from edgeq.build import Declared
    from edgeq.build import build as build_bundles
    from edgeq.project import load_project
    from edgeq.target import load_target
    from edgeq.telling import tell_built

    project = load_project()
    wanted = [load_target(name) for name in target or project.targets]
    built = build_bundles(
        _needed(
            model or project.model, "No model was given.", "Name a .keras, .h5 or .tflite file or a SavedModel folder."
        ),
        wanted,
        data=data or project.data,
        eval_data=eval_data or project.eval,
        declared=Declared(labels or project.labels, project.preprocess, project.threshold, project.smoothing),
        recipe=_recipe(mode or project.mode, per_tensor, io),
        samples=samples,
        folder=project.root,
        out=out or project.out,
        name=project.name or None if model is None else None,
        progress=console.progress,
    )
    console.result(*tell_built(built))


@command(app)
def deploy(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle folder.", show_default=False)] = None,
    to: Annotated[str | None, typer.Option("--to", help="The device: a name or an address.")] = None,
) -> None:
    """Send a bundle to a device, verify it there, test it on its golden vectors, then let it serve.

    Example: edgeq deploy build/digits-rpi4 --to ssh://pi@raspberrypi
    """
    from edgeq.bundle import read_bundle
    from edgeq.deploy import deploy as deploy_bundle
    from edgeq.project import load_project
    from edgeq.telling import tell_deployed

    project = load_project()
    entry = project.resolve(to)
    content = read_bundle(bundle or project.bundle(entry))
    with _open(entry.address) as device:
        console.result(*tell_deployed(deploy_bundle(content, device, console.progress), content.name, entry.address))


@command(app)
def run(
    device: DeviceArgument = None,
    inputs: Annotated[list[Path], typer.Option("--input", "-i", help="Samples, .npy or .npz; once per input.")] = [],  # noqa: B006
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where outputs go, .npy or .npz.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The model's own integers in and out.")] = False,
) -> None:
    """One inference per sample on the device, real values in and out.

    Example: edgeq run ssh://pi@raspberrypi --input x.npy -o y.npy
    """
    from edgeq.infer import infer, read_inputs, write_outputs
    from edgeq.project import load_project
    from edgeq.telling import tell_outputs

    arrays = read_inputs(inputs)
    with _open(load_project().resolve(device).address) as opened:
        outputs = infer(opened, arrays, raw=raw, progress=console.progress)
        interface = opened.interface()
    if output:
        write_outputs(output, outputs)
    console.result(*tell_outputs(outputs, interface, output))


@command(app)
def releases(device: DeviceArgument = None) -> None:
    """List the releases on a device, and which one serves.

    Example: edgeq releases ssh://pi@raspberrypi
    """
    from dataclasses import asdict

    from edgeq.project import load_project

    with _open(load_project().resolve(device).address) as opened:
        found = opened.releases()
    rows = [(item.n, item.name, item.digest[:12], item.state, _mark(item.serving, item.previous)) for item in found]
    document = {"releases": [asdict(item) for item in found]}
    console.table(document, ("n", "name", "digest", "state", ""), rows, "No release is installed; deploy one first.")


@command(app)
def rollback(device: DeviceArgument = None) -> None:
    """Let the previous release serve again.

    Example: edgeq rollback ssh://pi@raspberrypi
    """
    from edgeq.project import load_project

    with _open(load_project().resolve(device).address) as opened:
        n = opened.rollback(console.progress)
        serving = next(item for item in opened.releases() if item.n == n)
    document = {"n": n, "name": serving.name, "digest": serving.digest}
    console.result(document, f"Release {n} ({serving.name}, {serving.digest[:12]}) serves again.")


@command(app)
def bench(
    device: DeviceArgument = None,
    runs: Annotated[int, typer.Option(help="Steady-state inferences.", min=1, max=1_000_000)] = 200,
    warmup: Annotated[int, typer.Option(help="Inferences before them.", min=0, max=1_000_000)] = 20,
    threads: Annotated[int, typer.Option(help="0: what the bundle says.", min=0, max=1024)] = 0,
    probe: Annotated[list[str] | None, typer.Option(help="t0: or replay:FILE.csv; may be given several times.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the run goes (run.json).")] = None,
) -> None:
    """Measure the serving release: the device times itself, every sample is kept.

    Example: edgeq bench ssh://pi@raspberrypi --runs 500 -o run.json
    """
    from edgeq.bench import bench as bench_device
    from edgeq.project import load_project
    from edgeq.telling import tell_run

    project = load_project()
    entry = project.resolve(device)
    with _open(entry.address) as opened:
        measured = bench_device(
            opened, name=entry.name, runs=runs, warmup=warmup, threads=threads, probes=probe, progress=console.progress
        )
    path = output or project.run_path(measured.created, entry.name)
    measured.write(path)
    console.result(*tell_run(measured, path))


@command(app)
def profile(device: DeviceArgument = None) -> None:
    """Show which records of the serving model take how much of one inference, on a microcontroller.

    Example: edgeq profile serial:/dev/ttyACM0
    """
    from edgeq.profile import profile as profile_device
    from edgeq.project import load_project
    from edgeq.telling import tell_profile

    entry = load_project().resolve(device)
    with _open(entry.address) as opened:
        found = profile_device(opened, console.progress)
    console.result(*tell_profile(found, entry.name))


@command(app)
def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="run.json files.", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="report.html, .md, .json or .txt.")] = None,
) -> None:
    """Tell runs as a report: on the terminal, and as HTML, Markdown or JSON.

    Example: edgeq report run.json -o report.html
    """
    from edgeq.project import load_project
    from edgeq.render import render_json, render_text, write_report
    from edgeq.report import report as make_report

    project = load_project()
    made = make_report(runs or project.latest_runs())
    path = output or (None if runs else project.root / "report.html")
    if path:
        write_report(made, path)
    console.result(render_json(made), render_text(made) + (f"\nReport: {path}" if path else ""))


@command(app)
def trust(
    host: Annotated[str, typer.Argument(help="ssh://[user@]host[:port], or just the host.")],
    fingerprint: Annotated[str | None, typer.Option(help="Accept exactly this one (SHA256:...), unasked.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a key that was trusted before.")] = False,
) -> None:
    """Show a host's key and, once you have compared it, trust it.

    Example: edgeq trust pi@raspberrypi
    """
    from edgeq.link.known_hosts import remember
    from edgeq.link.ssh import fetch_host_key

    address = host if host.startswith("ssh://") else f"ssh://{host}"
    key = fetch_host_key(address)
    console.progress(f"{address} has the {key.type} key {key.fingerprint}")
    if fingerprint is None:
        if not sys.stdin.isatty():
            raise UsageError(
                "Nobody is here to compare the fingerprint.", f"Compare it, then add --fingerprint {key.fingerprint}"
            )
        typer.confirm("Is this the fingerprint that the device itself shows?", abort=True, err=True)
    elif fingerprint != key.fingerprint:
        raise UsageError(f"The host shows {key.fingerprint}, not {fingerprint}.", "Do not connect before you know why.")
    path = remember(key, replace=replace)
    console.result({"type": key.type, "fingerprint": key.fingerprint, "file": str(path)}, f"Trusted; kept in {path}.")


@command(emulate_app, "start")
def emulate_start(
    name: Annotated[str, typer.Argument(help="The board, for example rpi4.")],
    recipe: Annotated[
        str | None, typer.Option(help="namespaces, proot or system; chosen by probing otherwise.")
    ] = None,
) -> None:
    """Start an emulated board, if it does not run already.

    Example: edgeq emulate start rpi4
    """
    from edgeq import emulate
    from edgeq.telling import instance_document

    instance = emulate.start(name, recipe=recipe, progress=console.progress)
    text = f"{instance.address}, recipe {instance.recipe}: {instance.why}\nUse it as qemu:{name}."
    console.result(instance_document(instance), text)


@command(emulate_app, "stop")
def emulate_stop(
    name: Annotated[str, typer.Argument(help="The board, for example rpi4.")],
) -> None:
    """Stop an emulated board; what is installed on it stays.

    Example: edgeq emulate stop rpi4
    """
    from edgeq import emulate

    stopped = emulate.stop(name)
    console.result({"name": name, "stopped": stopped}, f"{name} {'was stopped' if stopped else 'was not running'}.")


@command(emulate_app, "list")
def emulate_list() -> None:
    """List the emulated boards that run now.

    Example: edgeq emulate list
    """
    from edgeq import emulate
    from edgeq.telling import instance_document

    found = emulate.instances()
    rows = [(item.name, item.recipe, item.address, item.pid) for item in found]
    document = {"instances": [instance_document(item) for item in found]}
    console.table(
        document,
        ("board", "recipe", "address", "pid"),
        rows,
        "None runs; 'edgeq emulate start rpi4' starts one.",
    )


@command(firmware_app, "build")
def firmware_build(
    target: Annotated[str, typer.Option("--target", "-t", help="The board, for example mps2-an386.")],
    ops_from: Annotated[
        Path | None, typer.Option(help="A bundle: only the kernels of its model.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", help="Where firmware.elf goes.")] = None,
) -> None:
    """Compile the firmware of a microcontroller, unless it is there already.

    Example: edgeq firmware build --target mps2-an386
    """
    from dataclasses import asdict

    from edgeq.bundle import read_bundle
    from edgeq.firmware import build_firmware
    from edgeq.target import load_target
    from edgeq.units import format_bytes

    bundle = read_bundle(ops_from) if ops_from else None
    elf, made = build_firmware(load_target(target), bundle, out, console.progress)
    takes = f"{format_bytes(made.flash_bytes)} of flash, {format_bytes(made.ram_bytes)} of RAM without the arena"
    text = f"{elf}: {takes}\n  kernels  {', '.join(made.kernels)}\n  compiler {made.compiler}"
    console.result({"file": str(elf), **asdict(made)}, text)


@command(firmware_app, "size")
def firmware_size(
    target: Annotated[str, typer.Option("--target", "-t", help="The board, for example mps2-an386.")],
    ops_from: Annotated[
        Path | None, typer.Option(help="A bundle: measured with its kernels only, and not kept.", show_default=False)
    ] = None,
) -> None:
    """Measure what firmware and runtime take on a board, and keep it beside the port's sources.

    Example: edgeq firmware size --target mps2-an386
    """
    from dataclasses import asdict

    from edgeq.bundle import read_bundle
    from edgeq.firmware_size import firmware_sizes, write_sizes
    from edgeq.target import load_target

    profile = load_target(target)
    sizes = firmware_sizes(profile, read_bundle(ops_from) if ops_from else None, console.progress)
    document = asdict(sizes)
    if ops_from is None:
        document["file"] = str(write_sizes(profile, sizes))
    rows = [(name, value) for name, value in document.items() if isinstance(value, int)]
    console.table(document, ("what", "bytes"), rows, "")


def _open(address: str) -> Any:
    from edgeq.device.open import open_device

    ask = None
    if sys.stdin.isatty():
        import getpass

        ask = getpass.getpass
    return open_device(address, console.progress, ask)


def _recipe(mode: str, per_tensor: bool, io: str) -> Any:
    """What was asked for; None where nothing was, so that a model that is quantized already is taken as it is."""
    from edgeq.quantize.recipe import Recipe

    if not mode and not per_tensor and io == "auto":
        return None
    return Recipe(mode or "static_wi8_ai8", "tensor" if per_tensor else "channel", io)


def _needed(path: Path | None, message: str, hint: str) -> Path:
    if path is None:
        raise UsageError(message, hint)
    return path


def _mark(serving: bool, previous: bool) -> str:
    return "serves" if serving else "previous" if previous else ""


def main() -> NoReturn:
    """Run the command line; every error a user can meet ends in its own exit code."""
    try:
        app(standalone_mode=True)
    except EdgeqError as error:
        sys.exit(console.error(error))
    except KeyboardInterrupt:
        print("\nInterrupted. Run the command again: it goes on where it can.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
