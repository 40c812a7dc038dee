"""Is this a good representative dataset, and why not: what `edgeq check-data` looks at, one check in one file."""
