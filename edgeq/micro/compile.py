"""The plan compiler: an int8 `.tflite` file becomes an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from edgeq.errors import ArtifactError, ConvertError
from edgeq.micro.frontend.lower import lower as lower_frontend
from edgeq.micro.frontend.program import Program
from edgeq.micro.fuse import fuse_dilations, fuse_ops, fuse_pads
from edgeq.micro.graph import Graph, read_graph
from edgeq.micro.image import PLAN_ABI, PLAN_ABI_FRONTEND, Contents, RawVector, Vector, frontend_places, write_image
from edgeq.micro.lower import lower
from edgeq.micro.plan import Arena, Plan, lay_out
from edgeq.micro.policy import PLAIN
from edgeq.micro.prune import prune
from edgeq.preprocess import Preprocess


@dataclass(frozen=True)
class Compiled:
    """A model as a plan, and where its buffers lie, with the front end that fills its input. `image` writes it."""

    graph: Graph
    plan: Plan
    arena: Arena
    frontend: Program | None = None

    @property
    def abi(self) -> int:
        """The plan ABI of the image."""
        return PLAN_ABI_FRONTEND if self.frontend else PLAN_ABI

    def preprocessed(self, preprocess: Preprocess | None) -> Compiled:
        """The same with a front end that does `preprocess`; the arena holds what that needs.

        `ConvertError` for steps that a microcontroller cannot do."""
        if preprocess is None or preprocess.external is not None:
            return self
        if len(self.graph.inputs) != 1:
            raise ConvertError(
                f"The model has {len(self.graph.inputs)} inputs; [preprocess] on a microcontroller fills one.",
                "Let the application do the preprocessing, and say so: external in [preprocess].",
            )
        program = lower_frontend(preprocess, self.graph.tensors[self.graph.inputs[0]])
        if program is None:
            return self
        _, end = frontend_places(program, self.plan, self.arena)
        return replace(self, frontend=program, arena=replace(self.arena, bytes=max(self.arena.bytes, end)))

    def image(
        self,
        interface: bytes = b"",
        goldens: Sequence[Vector] = (),
        raws: Sequence[RawVector] = (),
        *,
        preprocess: Preprocess | None = None,
        target: str = "",
        name: str = "",
        tolerance: int = 0,
        security_version: int = 0,
        confirm: bytes = PLAIN,
    ) -> bytes:
        """The image with `interface.json` and golden vectors in it, for `target` (any board by default). `raws` are
        those of the front end, which is made of `preprocess` where there is none yet; `confirm` is `policy_bytes`."""
        if preprocess is not None and self.frontend is None:
            return self.preprocessed(preprocess).image(
                interface,
                goldens,
                raws,
                target=target,
                name=name,
                tolerance=tolerance,
                security_version=security_version,
                confirm=confirm,
            )
        tensors = self.graph.tensors
        inputs, outputs = ([tensors[index] for index in part] for part in (self.graph.inputs, self.graph.outputs))
        contents = Contents(
            inputs, outputs, interface, goldens, tolerance, target, name, security_version, self.frontend, raws, confirm
        )
        return write_image(self.plan, self.arena, contents)


@lru_cache(maxsize=2)
def compile_model(model: bytes, *, fuse: bool = True) -> Compiled:
    """Plan a model; a build asks for the same one several times, and gets the same answer.

    `ArtifactError` for a damaged file, `ConvertError` for what the runtime cannot execute.
    """
    try:
        return _compiled(fuse_dilations(prune(read_graph(model))), fuse)
    except (ArithmeticError, LookupError, ValueError) as error:
        raise ArtifactError(
            f"The .tflite file is damaged: its operators and tensors contradict each other ({error}).",
            "Convert the model again.",
        ) from error


def _compiled(graph: Graph, fuse: bool) -> Compiled:
    if not fuse:
        plan = lower(graph)
        return Compiled(graph, plan, lay_out(plan))
    plan = lower(fuse_pads(graph))
    plans = [fuse_ops(plan), fuse_ops(plan, copies=False)]
    arenas = [lay_out(plan) for plan in (plans if plans[0] != plans[1] else plans[:1])]
    best = min(range(len(arenas)), key=lambda index: arenas[index].bytes)
    return Compiled(graph, plans[best], arenas[best])
