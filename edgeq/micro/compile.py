"""The plan compiler: an int8 `.tflite` file becomes an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from edgeq.errors import ArtifactError
from edgeq.micro.fuse import fuse_dilations, fuse_ops, fuse_pads
from edgeq.micro.graph import Graph, read_graph
from edgeq.micro.image import Contents, Vector, write_image
from edgeq.micro.lower import lower
from edgeq.micro.plan import Arena, Plan, lay_out
from edgeq.micro.prune import prune


@dataclass(frozen=True)
class Compiled:
    """A model as a plan, and where its buffers lie. `image` writes it."""

    graph: Graph
    plan: Plan
    arena: Arena

    def image(
        self,
        interface: bytes = b"",
        goldens: Sequence[Vector] = (),
        *,
        target: str = "",
        name: str = "",
        tolerance: int = 0,
    ) -> bytes:
        """The image with `interface.json` and golden vectors in it, for `target` (any board by default)."""
        tensors = self.graph.tensors
        inputs, outputs = ([tensors[index] for index in part] for part in (self.graph.inputs, self.graph.outputs))
        contents = Contents(inputs, outputs, interface, goldens, tolerance, target, name)
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
