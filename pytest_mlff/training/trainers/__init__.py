"""Trainers: what turns frames into a checkpoint."""
