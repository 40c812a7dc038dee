"""Samples, and labels where there are some, from whatever people keep them in (docs/data.md)."""

from edgeq.dataset.formats import open_dataset
from edgeq.dataset.source import MOST_SAMPLES, Dataset, Source

__all__ = ["MOST_SAMPLES", "Dataset", "Source", "open_dataset"]
