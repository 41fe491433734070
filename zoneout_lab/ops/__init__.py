"""Tensors and masks in, tensors out: recurrences, mask bits, replica products. Knows no module and holds no state."""
