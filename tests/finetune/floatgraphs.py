"""All that the tests here need of TensorFlow, made in one process: `python floatgraphs.py FOLDER`.

- `<name>.tflite`: small networks that hold every operator that is trained through; `<name>.npz` with `x` and `y`, what
  the training graph says of them; `losses.npz`.
- `plain.keras` of Keras 3, and `plain.tflite`, the float model that edgeq makes of it.
- `minutes.json`: what a training of it says that the clock has ended.
- A model that tfmot has trained: `wrapped.h5`, the SavedModel `saved`, the float `marked.tflite` with its marks,
  TensorFlow's own `int8.tflite`; its samples in `wrapped.npy`.
- `symmetric.tflite`, `asymmetric.tflite`: floats with fake quantization as TensorFlow 1 trained it, by the weights.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BATCH = 3


def make(folder: Path) -> None:
    """Run this file over `folder`, in a process of its own: TensorFlow stays there."""
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


def _faked(tf: Any, low: float) -> Any:
    """A network with fake quantization; its weights reach from `low` to 1."""
    draw, fake = tf.random.Generator.from_seed(6), tf.quantization.fake_quant_with_min_max_args

    first, depth, dense = (tf.constant(draw.normal(shape) * 0.4) for shape in ((3, 3, 2, 8), (3, 3, 8, 1), (8, 3)))

    def weights(values: Any) -> Any:
        return fake(values, low, 1.0, 8, low == -1.0)

    def network(x: Any) -> Any:
        y = fake(tf.nn.relu(tf.nn.conv2d(fake(x, -3.0, 3.0), weights(first), 1, "VALID") + 0.1), 0.0, 4.0)
        y = fake(tf.nn.relu6(tf.nn.depthwise_conv2d(y, weights(depth), [1, 1, 1, 1], "SAME")), 0.0, 6.0)
        y = fake(tf.reduce_mean(y, [1, 2]), 0.0, 3.0)
        return tf.nn.softmax(fake(tf.matmul(y, weights(dense)) + 0.2, -3.0, 3.0))

    return network


def _written(tf: Any, function: Any, shape: tuple[int, ...], path: Path) -> bytes:
    traced = tf.function(function).get_concrete_function(tf.TensorSpec(shape, tf.float32, name="x"))
    made = bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
    path.write_bytes(made)
    return made


def _losses(tf: Any, draw: Any, path: Path) -> None:
    import numpy as np

    from edgeq.finetune.loss import CHANCES, CLASSES, VALUES, distance, error

    one, other = (tf.constant(draw.normal(size=(6, 4)), tf.float32) for _ in range(2))
    kinds = (CLASSES, CHANCES, VALUES)
    same = [float(distance(tf, kind, one, one)) for kind in kinds]
    apart = [float(distance(tf, kind, one, other)) for kind in kinds]
    labels = tf.constant(np.argmax(one, axis=1), tf.int32)
    sure = tf.one_hot(labels, 4) * 8.0 - 4.0
    errors = [float(error(tf, kind, each, labels)) for kind in kinds[:2] for each in (sure, other)]
    np.savez(path, same=same, apart=apart, errors=errors)


def _plain(folder: Path) -> None:
    import keras
    import numpy as np

    from edgeq.model.front_end import front_end
    from edgeq.quantize.source import float_source

    layers = keras.layers
    keras.utils.set_random_seed(2)
    x = keras.Input((8, 8, 4), name="image")
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(12, 3, use_bias=False)(x)))
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(y)))
    y = layers.Add()([y, layers.Conv2D(12, 3, padding="same", activation="relu")(y)])
    y = layers.Conv2D(16, 3, activation="relu")(y)
    model = keras.Model(x, layers.Dense(5, activation="softmax", name="class")(layers.Flatten()(y)))
    draw = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([draw.uniform(0.7, 1.3, each.shape) for each in layer.get_weights()])
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * 4, bias])
    model.save(folder / "plain.keras")
    made = float_source(folder / "plain.keras", front_end(folder / "plain.keras"), lambda _: None).model
    (folder / "plain.tflite").write_bytes(made)


def _minutes(tf: Any, folder: Path) -> None:
    import json

    import numpy as np

    from edgeq.finetune.graph import read_graph
    from edgeq.finetune.loss import answers
    from edgeq.finetune.scales import shared_ranges
    from edgeq.finetune.settings import Settings
    from edgeq.finetune.student import Student, bits_of
    from edgeq.finetune.train import Fed, Steps, train
    from edgeq.quantize.engine.ranges import ranges
    from edgeq.quantize.engine.statistics import observe
    from edgeq.quantize.recipe import Ranging, Recipe
    from edgeq.quantize.samples import as_samples

    model = (folder / "plain.tflite").read_bytes()
    graph, x = read_graph(model), np.random.default_rng(4).normal(size=(80, 8, 8, 4)).astype(np.float32)
    seen = shared_ranges(graph, ranges(observe(model, as_samples(x)), Ranging()))
    student = Student(tf, graph, seen, bits_of(graph, Recipe("static_wi4_ai8")))
    steps, settings = Steps(tf, graph, student, answers(graph, 0), False), Settings(4, 100_000, 0.02, batch=16)
    learn, held = Fed([x[:60]], None), Fed([x[60:]], None)
    done = train(student, steps, learn, held, settings, lambda _: None, lambda: False)
    kept, _, _ = steps.look(held.values, None)
    found = {"ended": done.ended, "best": done.best, "history": done.told(), "kept_loss": kept}
    (folder / "minutes.json").write_text(json.dumps({**found, "settings": settings.to_json()}), encoding="utf-8")


def _wrapped(tf: Any, folder: Path) -> None:
    import numpy as np
    import tensorflow_model_optimization as tfmot
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(1)
    x = tf_keras.Input((8, 8, 2), name="image")
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, use_bias=False)(x)))
    y = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(y)))
    y = layers.ReLU()(layers.Add()([y, layers.Conv2D(8, 1)(y)]))
    y = layers.Softmax()(layers.Dense(3)(layers.GlobalAveragePooling2D()(y)))
    samples = np.random.default_rng(0).normal(size=(96, 8, 8, 2)).astype("float32")
    np.save(folder / "wrapped.npy", samples)
    model = tfmot.quantization.keras.quantize_model(tf_keras.Model(x, y))
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(samples, samples.mean((1, 2, 3)) > 0, batch_size=24, epochs=1, verbose=0)
    model.save(folder / "wrapped.h5")
    model.export(str(folder / "saved"))
    for name in ("marked", "int8"):
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
        if name == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        (folder / f"{name}.tflite").write_bytes(converter.convert())


def main(folder: Path) -> None:
    """Make everything."""
    import numpy as np

    from edgeq.finetune.graph import read_graph
    from edgeq.finetune.student import teacher
    from edgeq.model.tf import tensorflow

    tf = tensorflow()
    draw = np.random.default_rng(2)
    for name, (shape, function) in _functions(tf).items():
        graph = read_graph(_written(tf, function, shape, folder / f"{name}.tflite"))
        x = draw.normal(size=(BATCH, *shape[1:])).astype(np.float32)
        (y,) = teacher(tf, graph, [tf.constant(x)], graph.outputs)
        np.savez(folder / f"{name}.npz", x=x, y=y.numpy())
    _losses(tf, draw, folder / "losses.npz")
    for name, low in (("symmetric", -1.0), ("asymmetric", -0.8)):
        _written(tf, _faked(tf, low), (1, 8, 8, 2), folder / f"{name}.tflite")
    _plain(folder)
    _minutes(tf, folder)
    _wrapped(tf, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
