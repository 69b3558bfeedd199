"""GPUs: which there are, who uses them, and what happens when one is lost."""
