"""Small networks that hold every operator that is trained through, and what a training graph says of them.

Run as `python floatgraphs.py FOLDER`: it makes `<name>.tflite`, runs the graph in TensorFlow on a batch, and leaves
`<name>.npz` with `x` and `y`. TensorFlow stays in that process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BATCH = 3


def make(folder: Path) -> None:
    """Run this file over `folder`, in a process of its own."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    quiet["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-W", "ignore", __file__, str(folder)]
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def _functions(tf: Any) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Name -> shape of the input (batch 1), and the function."""
    draw = tf.random.Generator.from_seed(5)

    def weights(*shape: int) -> Any:
        return tf.constant(draw.normal(shape) * 0.3)

    nn = tf.nn
    first, depth, middle = weights(3, 3, 4, 8), weights(3, 3, 8, 2), weights(3, 3, 16, 16)
    point, up = weights(1, 1, 16, 6), weights(3, 3, 5, 4)
    dense, bias = weights(96, 7), weights(7)

    def layers(x: Any) -> Any:
        y = nn.relu(nn.conv2d(x, first, 2, "SAME", dilations=1) + 0.1)
        y = nn.relu6(nn.depthwise_conv2d(y, depth, [1, 1, 1, 1], "SAME"))
        y = nn.relu(nn.conv2d(y, middle, 1, "SAME"))
        y = nn.conv2d(y, point, 1, "VALID") + y[:, :, :, :6] * 0.5
        return nn.softmax(tf.matmul(tf.reshape(y, [1, 96]), dense) + bias)

    def shapes(x: Any) -> Any:
        y = tf.concat([x, tf.transpose(x, [0, 2, 1, 3])], 3)
        y = tf.pad(y, [[0, 0], [1, 1], [2, 0], [0, 0]])
        y = tf.pad(y, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
        one, two = tf.split(y[:, 1:9, ::2, :], 2, 3)
        y = nn.depth_to_space(nn.space_to_depth(tf.slice(one + two, [0, 0, 0, 0], [1, 4, 4, 4]), 2), 2)
        y = tf.compat.v1.image.resize_bilinear(y, [8, 8], half_pixel_centers=True)
        y = tf.compat.v1.image.resize_nearest_neighbor(y, [6, 6])
        return tf.expand_dims(tf.squeeze(tf.reduce_mean(y, [1, 2], keepdims=True), [1]), 3)

    def pools(x: Any) -> Any:
        y = nn.avg_pool2d(x, 2, 2, "SAME") + nn.max_pool2d(x, 2, 2, "SAME")
        y = nn.conv2d_transpose(y, up, [1, 8, 8, 5], 2, "SAME")
        return tf.reduce_max(y, 1) - tf.reduce_min(y, 1) + tf.reduce_sum(y, 2)

    def curves(x: Any) -> Any:
        y = tf.sigmoid(x) * tf.tanh(x) + nn.leaky_relu(x, 0.2) - nn.elu(x)
        y = tf.maximum(y, nn.gelu(x)) + tf.minimum(tf.abs(x), x * nn.relu6(x + 3.0) / 6.0)
        y = y + tf.math.squared_difference(x, y) + tf.exp(-tf.abs(x)) + tf.math.rsqrt(tf.abs(x) + 1.0)
        return y / (tf.abs(x) + 2.0) + tf.sqrt(tf.abs(x) + 1.0) + nn.relu(-x)

    square = (1, 8, 8, 4)
    return {
        "layers": (square, layers),
        "shapes": (square, shapes),
        "pools": (square, pools),
        "curves": (square, curves),
    }


def main(folder: Path) -> None:
    """Make everything that `make` promises."""
    import numpy as np
    import tensorflow as tf

    from edgeq.finetune.graph import read_graph
    from edgeq.finetune.loss import CHANCES, CLASSES, VALUES, distance, error
    from edgeq.finetune.student import teacher

    draw = np.random.default_rng(2)
    for name, (shape, function) in _functions(tf).items():
        traced = tf.function(function).get_concrete_function(tf.TensorSpec(shape, tf.float32, name="x"))
        model = tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()
        (folder / f"{name}.tflite").write_bytes(model)
        x = draw.normal(size=(BATCH, *shape[1:])).astype(np.float32)
        graph = read_graph(model)
        (y,) = teacher(tf, graph, [tf.constant(x)], graph.outputs)
        np.savez(folder / f"{name}.npz", x=x, y=y.numpy())
    one, other = (tf.constant(draw.normal(size=(6, 4)), tf.float32) for _ in range(2))
    kinds = (CLASSES, CHANCES, VALUES)
    same = [float(distance(tf, kind, one, one)) for kind in kinds]
    apart = [float(distance(tf, kind, one, other)) for kind in kinds]
    labels = tf.constant(np.argmax(one, axis=1), tf.int32)
    sure = tf.one_hot(labels, 4) * 8.0 - 4.0
    errors = [float(error(tf, kind, each, labels)) for kind in kinds[:2] for each in (sure, other)]
    np.savez(folder / "losses.npz", same=same, apart=apart, errors=errors)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
