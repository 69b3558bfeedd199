"""Datasets: where they lie, how they are read, how frames are cut out of them."""

from __future__ import annotations

from pytest_mlff.datasets.dataset import Dataset, DatasetSource
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.locations import default_data_dir
from pytest_mlff.datasets.record import DatasetRecord, record_named, record_names
from pytest_mlff.datasets.registry import open_dataset
from pytest_mlff.datasets.splits import FrameSets, IndexSet, cut

__all__ = [
    "Dataset",
    "DatasetRecord",
    "DatasetSource",
    "FrameSets",
    "Frames",
    "IndexSet",
    "cut",
    "default_data_dir",
    "open_dataset",
    "record_named",
    "record_names",
]
