"""From raw input to the model's tensor, as data: a closed vocabulary of steps, the same on host, Linux agent and MCU."""

from edgeq.preprocess.raw import Raw

__all__ = ["Raw"]
