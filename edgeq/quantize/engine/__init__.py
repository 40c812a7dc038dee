"""Post-training quantization of a float `.tflite`: statistics -> ranges -> written model. TensorFlow is not needed."""
