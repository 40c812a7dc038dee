"""What training makes small: how far answers are from the float model's, and from what is true where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.finetune.graph import Graph

CLASSES, CHANCES, VALUES = "classes", "chances", "values"
STRIPPED = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
TEMPERATURE = 4.0
"""By how much the classes' answers are softened, so that the wrong ones tell something too."""


@dataclass(frozen=True)
class Answer:
    """The tensor that an output is made of, before a softmax or a sigmoid, and what it means: `classes` (a softmax
    follows), `chances` (a sigmoid follows) or `values`."""

    tensor: int
    kind: str


def answers(graph: Graph, classes: int = 0) -> list[Answer]:
    """One for each float output, the last one last. With labels of so many `classes` as the last one has values, these
    are their scores; other labels say nothing of a model that ends in neither a softmax nor a sigmoid."""
    makers = {index: node for node in graph.nodes for index in node.outputs}
    found = []
    for output in graph.outputs:
        place = output
        while place in makers and makers[place].name in STRIPPED:
            place = makers[place].inputs[0]
        maker = makers[place].name if place in makers else ""
        if maker in ("SOFTMAX", "LOGISTIC"):
            found.append(Answer(makers[place].inputs[0], CLASSES if maker == "SOFTMAX" else CHANCES))
        elif output in graph.floats:
            scores = output == graph.outputs[-1] and classes > 1 and graph.shapes[output][-1] == classes
            found.append(Answer(output, CLASSES if scores else VALUES))
    return found


def distance(tf: Any, kind: str, got: Any, wanted: Any) -> Any:
    """Between a student's answer and the teacher's; 0 where they are equal. Of a whole batch, a mean."""
    if kind == CLASSES:
        soft = tf.nn.softmax(wanted / TEMPERATURE)
        apart = tf.nn.log_softmax(wanted / TEMPERATURE) - tf.nn.log_softmax(got / TEMPERATURE)
        return tf.reduce_mean(tf.reduce_sum(soft * apart, axis=-1)) * TEMPERATURE**2
    if kind == CHANCES:
        sure = tf.sigmoid(wanted)
        cross = tf.nn.sigmoid_cross_entropy_with_logits
        return tf.reduce_mean(cross(labels=sure, logits=got) - cross(labels=sure, logits=wanted))
    spread = tf.math.reduce_variance(wanted) + 1e-9
    return tf.reduce_mean(tf.square(got - wanted)) / spread


def error(tf: Any, kind: str, got: Any, labels: Any) -> Any:
    """Between an answer and what is true: class numbers (n,). 0 where the answer has no classes."""
    if kind == CLASSES:
        scores = tf.reshape(got, [tf.shape(labels)[0], -1])
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
    if kind == CHANCES:
        true = tf.reshape(tf.cast(labels, tf.float32), [-1, 1])
        scores = tf.reshape(got, [tf.shape(labels)[0], -1])
        if scores.shape[-1] not in (1, None):
            true = tf.one_hot(labels, scores.shape[-1])
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=true, logits=scores))
    return tf.constant(0.0)


def total(tf: Any, ends: Sequence[Answer], got: Sequence[Any], wanted: Sequence[Any], labels: Any) -> Any:
    """Distances of all answers; with labels the last one's error counts as much."""
    loss = tf.add_n([distance(tf, end.kind, one, other) for end, one, other in zip(ends, got, wanted, strict=True)])
    if labels is None:
        return loss
    return 0.5 * loss + 0.5 * error(tf, ends[-1].kind, got[-1], labels)
