"""Quantization-aware training on the graph of a float `.tflite`; what needs TensorFlow runs in a worker process."""
