"""Repairs of a float `.tflite` before its numbers become integers: each in one file, all in the table of `apply`."""
