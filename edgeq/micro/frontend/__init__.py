"""Preprocessing on a microcontroller: a `Preprocess` lowered to records and integer tables, and the same in numpy."""
