"""From raw input to the model's tensor, as data: a closed vocabulary of steps, the same on host, Linux agent and MCU.

It travels in the agent: Python 3.9, the standard library at import, numpy inside functions, no other package of edgeq.
`docs/preprocess.md` defines every step exactly.
"""

from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.raw import Raw
from edgeq.preprocess.spec import External, Preprocess, parse
from edgeq.preprocess.step import Step

__all__ = ["External", "Preprocess", "PreprocessError", "Raw", "Step", "parse"]
