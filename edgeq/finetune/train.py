"""The loop: epochs over the samples, the best state kept, ended by their number, the clock or a wish to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.finetune.augment import augmented, resolved
from edgeq.finetune.graph import Graph
from edgeq.finetune.loss import Answer, total
from edgeq.finetune.settings import Settings
from edgeq.finetune.student import MOMENTUM, Student, teacher

Array = NDArray[Any]
Progress = Callable[[str], None]

BETAS, TINY = (0.9, 0.999), 1e-7
WARM = 0.05
"""The share of the training in which the learning rate rises."""
STILL = 0.7
"""From this share on ranges stay as they are, so that weights can settle in them."""


@dataclass(frozen=True)
class Fed:
    """Samples in memory: one array for each input, batch in front; class numbers where they are known."""

    values: list[Array]
    labels: NDArray[np.int32] | None

    def __len__(self) -> int:
        return len(self.values[0])

    def take(self, places: Any) -> list[Array]:
        """The inputs at `places`: a slice, or numbers."""
        return [each[places] for each in self.values]

    def labels_at(self, places: Any) -> NDArray[np.int32] | None:
        """Likewise their classes."""
        return None if self.labels is None else self.labels[places]


@dataclass(frozen=True)
class Epoch:
    """`loss` on what was trained on, `held_loss` on what was held back; `agreement` of the largest answers there with
    the float model's. Epoch 0 is before training."""

    epoch: int
    loss: float
    held_loss: float
    agreement: float
    rate: float
    seconds: float


@dataclass
class Ended:
    """`epochs` so far, and which of them is the best; `ended` says why there are no more."""

    history: list[Epoch] = field(default_factory=list)
    best: int = 0
    ended: str = "epochs"
    augment: str = "none"

    def told(self) -> list[dict[str, Any]]:
        return [asdict(each) for each in self.history]


class Adam:
    """Kingma and Ba, 2015. One number is the rate for all variables: the student scales them."""

    def __init__(self, tf: Any, variables: Sequence[Any]) -> None:
        self._tf, self._variables = tf, list(variables)
        self._means = [tf.Variable(tf.zeros_like(each)) for each in variables]
        self._squares = [tf.Variable(tf.zeros_like(each)) for each in variables]
        self._steps = tf.Variable(0.0)

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        tf, (first, second) = self._tf, BETAS
        self._steps.assign_add(1.0)
        scale = rate * tf.sqrt(1 - second**self._steps) / (1 - first**self._steps)
        for variable, gradient, mean, square in zip(
            self._variables, gradients, self._means, self._squares, strict=True
        ):
            if gradient is None:
                continue
            mean.assign(first * mean + (1 - first) * gradient)
            square.assign(second * square + (1 - second) * tf.square(gradient))
            variable.assign_sub(scale * mean / (tf.sqrt(square) + TINY))


def train(
    student: Student,
    steps: Steps,
    learn: Fed,
    held: Fed,
    settings: Settings,
    progress: Progress,
    stop: Callable[[], bool],
) -> Ended:
    """Train `student`; it ends in its best state, by the loss on `held`. `ConvertError` where the loss is no number."""
    began = time.monotonic()
    draw = np.random.default_rng(settings.seed)
    size = min(settings.batch, len(learn))
    how = resolved(settings.augment, [each.shape for each in learn.values], learn.labels is not None)
    done = Ended(augment=how)
    done.history.append(Epoch(0, float("nan"), *_judge(steps, held, settings.batch), 0.0, 0.0))
    kept = [each.numpy() for each in student.state]
    per_epoch, budget_s = len(learn) // size, settings.minutes * 60

    def far() -> float:
        by_time = (time.monotonic() - began) / budget_s if budget_s else 0.0
        return max(by_time, step / (settings.epochs * per_epoch))

    step = 0
    for number in range(1, settings.epochs + 1):
        losses, order = [], draw.permutation(len(learn))
        for place in range(per_epoch):
            rate = settings.rate * schedule(far())
            chosen = order[place * size : (place + 1) * size]
            values = augmented(how, learn.take(chosen), draw)
            losses.append(steps.learn(values, learn.labels_at(chosen), rate, MOMENTUM if far() < STILL else 1.0))
            step += 1
            ended = "stopped" if stop() else "minutes" if budget_s and far() >= 1 else ""
            if ended:
                break
        found = Epoch(
            number, float(np.mean(losses)), *_judge(steps, held, settings.batch), rate, time.monotonic() - began
        )
        if not np.isfinite(found.held_loss):
            raise ConvertError("The training has lost itself: its loss is no number.", "Give a lower --learning-rate.")
        done.history.append(found)
        if found.held_loss < done.history[done.best].held_loss:
            done.best, kept = number, [each.numpy() for each in student.state]
        progress(_line(found, settings, far()))
        if ended:
            done.ended = ended
            break
    for variable, value in zip(student.state, kept, strict=True):
        variable.assign(value)
    return done


class Steps:
    """The two compiled functions: learn from a batch, look at a batch; each for batches of any size."""

    def __init__(self, tf: Any, graph: Graph, student: Student, ends: Sequence[Answer], labelled: bool) -> None:
        self._tf = tf
        wanted = [end.tensor for end in ends]
        adam = Adam(tf, student.trainable)
        facts = graph.info.inputs
        values_spec = tuple(tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in facts)
        labels_spec, number = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.float32)

        @tf.function(input_signature=[values_spec, labels_spec, number, number])  # type: ignore[untyped-decorator]
        def learn(values: Any, labels: Any, rate: Any, follow: Any) -> Any:
            right = teacher(tf, graph, values, wanted)
            with tf.GradientTape() as tape:
                loss = total(tf, ends, student.forward(values, wanted, follow), right, labels if labelled else None)
            adam.apply(tape.gradient(loss, student.trainable), rate)
            return loss

        @tf.function(input_signature=[values_spec, labels_spec])  # type: ignore[untyped-decorator]
        def look(values: Any, labels: Any) -> Any:
            right, got = teacher(tf, graph, values, wanted), student.forward(values, wanted)
            return total(tf, ends, got, right, labels if labelled else None), got[-1], right[-1]

        # Built before the training's clock runs.
        learn.get_concrete_function()
        look.get_concrete_function()
        self._learn, self._look = learn, look

    def learn(self, values: list[Array], labels: Any, rate: float, follow: float) -> float:
        """One step of the optimizer; the loss before it."""
        tf = self._tf
        given = tuple(tf.constant(each) for each in values)
        return float(self._learn(given, self._numbers(labels), tf.constant(rate, tf.float32), tf.constant(follow)))

    def look(self, values: list[Array], labels: Any) -> tuple[float, Array, Array]:
        """Loss, the student's last answer (n, m) and the teacher's."""
        loss, got, right = self._look(tuple(self._tf.constant(each) for each in values), self._numbers(labels))
        count = len(values[0])
        return float(loss), np.reshape(got.numpy(), [count, -1]), np.reshape(right.numpy(), [count, -1])

    def answers(self, fed: Fed, batch: int) -> Array:
        """The student's last answers (n, m) on all of `fed`."""
        parts = [slice(at, at + batch) for at in range(0, len(fed), batch)]
        return np.concatenate([self.look(fed.take(part), fed.labels_at(part))[1] for part in parts])

    def _numbers(self, labels: Any) -> Any:
        return self._tf.constant(np.zeros(1, np.int32) if labels is None else labels)


def _judge(steps: Steps, held: Fed, batch: int) -> tuple[float, float]:
    """Loss and agreement on what was held back."""
    losses, same = 0.0, 0
    for at in range(0, len(held), batch):
        part = slice(at, at + batch)
        values = held.take(part)
        loss, got, right = steps.look(values, held.labels_at(part))
        losses += loss * len(values[0])
        same += int((got.argmax(axis=1) == right.argmax(axis=1)).sum())
    return losses / len(held), same / len(held)


def schedule(far: float) -> float:
    """What is left of the learning rate: a short rise, then half a cosine down to 0."""
    if far < WARM:
        return 0.1 + 0.9 * far / WARM
    return float(0.5 + 0.5 * np.cos(np.pi * min(1.0, (far - WARM) / (1 - WARM))))


def _line(epoch: Epoch, settings: Settings, far: float) -> str:
    left = epoch.seconds * (1 - far) / max(far, 1e-9)
    eta = f", {left / 60:.0f} min left" if left >= 90 else f", {left:.0f} s left" if far < 1 else ""
    return (
        f"epoch {epoch.epoch} of {settings.epochs}: loss {epoch.loss:.4f}, held back {epoch.held_loss:.4f}, "
        f"agrees with float on {epoch.agreement:.1%}{eta}"
    )
