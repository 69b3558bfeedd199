"""What runs in the model's own interpreter: numpy, the model's family and this package's files."""
