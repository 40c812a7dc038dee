"""Operators that take blocks of a picture apart: into channels, or into a batch."""

from __future__ import annotations

import math

import numpy as np

from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import Lowering, require_same_scale, unsupported
from edgeq.micro.lower.pick import pick_parts
from edgeq.micro.lower.shape import border, constant_input, permute


def space_to_depth(low: Lowering, node: Node) -> None:
    """SPACE_TO_DEPTH: the pixels of a block become channels."""
    source, out, block = _picture(low, node)
    batches, height, width, channels = source.shape
    if height % block or width % block:
        raise unsupported(node, source, f"its sides are no multiples of {block}", "Convert the model again.")
    shape = (batches, height // block, block, width // block, block, channels)
    permute(low, node, source, out, shape, (0, 1, 3, 2, 4, 5))


def depth_to_space(low: Lowering, node: Node) -> None:
    """DEPTH_TO_SPACE: channels become the pixels of a block."""
    source, out, block = _picture(low, node)
    batches, height, width, channels = source.shape
    if channels % (block * block):
        raise unsupported(node, source, f"its channels are no multiple of {block * block}", "Convert the model again.")
    shape = (batches, height, width, block, block, channels // block // block)
    permute(low, node, source, out, shape, (0, 1, 3, 2, 4, 5))


def _picture(low: Lowering, node: Node) -> tuple[Tensor, Tensor, int]:
    source, out, block = low.tensor(node, 0), low.result(node), node.option("block")
    if len(source.shape) != 4 or block < 1:
        raise unsupported(node, source, "it has not four dimensions", "Use NHWC tensors.")
    return source, out, block


def space_to_batch(low: Lowering, node: Node) -> None:
    """SPACE_TO_BATCH_ND: a border of zeros, then one picture for each place in a block."""
    source, out = low.tensor(node, 0), low.result(node)
    block, amounts = _blocks(low, node, source)
    require_same_scale(node, source, out)
    spatial = len(block)
    around = [(0, 0), *amounts, *[(0, 0)] * (len(source.shape) - 1 - spatial)]
    padded = source
    if any(map(any, around)):
        sides = tuple(size + before + after for size, (before, after) in zip(source.shape, around, strict=True))
        padded = low.between(source, f"{out.name} padded", sides)
        border(low, node, source, padded, around, out.zero_point)
    shape = [padded.shape[0]]
    for side, size in zip(padded.shape[1:], block, strict=False):
        if side % size:
            raise unsupported(node, source, f"its sides are no multiples of {block}", "Convert the model again.")
        shape += [side // size, size]
    shape += padded.shape[1 + spatial :]
    pictures, places = range(1, 2 * spatial, 2), range(2, 2 * spatial + 1, 2)
    permute(low, node, padded, out, shape, (*places, 0, *pictures, *range(2 * spatial + 1, len(shape))))


def batch_to_space(low: Lowering, node: Node) -> None:
    """BATCH_TO_SPACE_ND: pictures of a batch become one, then its rims are cut off."""
    source, out = low.tensor(node, 0), low.result(node)
    block, crops = _blocks(low, node, source)
    spatial, batches = len(block), source.shape[0] // math.prod(block)
    if source.shape[0] % math.prod(block):
        raise unsupported(node, source, f"its batch is no multiple of {math.prod(block)}", "Convert the model again.")
    shape = (*block, batches, *source.shape[1:])
    order = [spatial]
    for axis in range(spatial):
        order += [spatial + 1 + axis, axis]
    order += range(2 * spatial + 1, len(shape))
    sides = [side * size for side, size in zip(source.shape[1:], block, strict=False)]
    whole = (batches, *sides, *source.shape[1 + spatial :])
    if not any(map(any, crops)):
        permute(low, node, source, out, shape, order)
        return
    joined = low.between(source, f"{out.name} whole", whole)
    permute(low, node, source, joined, shape, order)
    kept = [(0, batches), *((before, side - after) for side, (before, after) in zip(sides, crops, strict=True))]
    kept += [(0, size) for size in source.shape[1 + spatial :]]
    pick_parts(low, node, joined, kept)


def _blocks(low: Lowering, node: Node, source: Tensor) -> tuple[list[int], list[tuple[int, int]]]:
    """The block's sides, and what a border or a cut takes of each."""
    block, amounts = constant_input(low, node, 1), np.array(constant_input(low, node, 2)).reshape(-1, 2).tolist()
    if not 0 < len(block) == len(amounts) < len(source.shape) or min(block) < 1 or min(map(min, amounts)) < 0:
        raise unsupported(node, source, "its block does not fit", "Convert the model again.")
    return block, [(before, after) for before, after in amounts]
