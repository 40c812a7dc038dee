"""Samples, and labels where there are some, from whatever people keep them in (docs/data.md)."""

from edgeq.dataset.formats import open_dataset

# What nothing but the old readers of whole files needs; this line and the module go together.
from edgeq.dataset.legacy import Dataset, fit_samples, read_dataset, subsample
from edgeq.dataset.source import MOST_SAMPLES, Source

__all__ = ["MOST_SAMPLES", "Dataset", "Source", "fit_samples", "open_dataset", "read_dataset", "subsample"]
