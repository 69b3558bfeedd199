"""GPUs: which there are, and who uses them."""
