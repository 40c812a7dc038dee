"""What runs on a Linux device: one self-contained zipapp that needs only python3 (3.9 or newer) and a runtime.

It keeps the store of blobs and releases, answers the device contract (SMP group 64, with groups 0 and 1 for stock
tools), runs models in worker processes, times them itself and reads the board's sensors.
Nothing here imports more than the standard library, `edgeq.protocol` and `edgeq.runtime`.
"""
