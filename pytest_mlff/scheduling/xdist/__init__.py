"""What pytest-xdist's workers are given to run, and in which order."""
