"""edgeq: take a trained neural network onto an embedded target and prove that it works there.

This file stays free of imports: it also travels in the agent that runs on devices.
"""

__version__ = "0.1.0"
