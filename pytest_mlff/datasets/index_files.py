"""Published index sets that lie as CSV files beside the data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAME = re.compile(r"^index_(train|test)_(\d+)\.csv$")


def read_index_files(npz: Path, rank: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Read ``splits/index_train_01.csv`` … of the published rMD17 archive.

    Parameters
    ----------
    npz : Path
        The molecule's file; the folder ``splits`` is looked for beside its folder.
    rank : ndarray of int64, shape (n_frames,)
        Position in the time-ordered frames of each position in the file.

    Returns
    -------
    dict
        ``train_01`` … to positions in the time-ordered frames; empty where there is no folder.

    Raises
    ------
    MlffError
        If a file holds anything but positions in the npz file.
    """
    sets: dict[str, NDArray[np.int64]] = {}
    folder = npz.parent.parent / "splits"
    if npz.parent.name != "npz_data" or not folder.is_dir():
        return sets
    for path in sorted(folder.iterdir()):
        match = _NAME.match(path.name)
        if match is None:
            continue
        try:
            positions = np.array([int(word) for word in path.read_text().split()], dtype=np.int64)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise MlffError(f"{path}: expected one integer per line ({error})") from error
        # The sets were drawn for 100,000 frames; a shorter npz (a subset of the published
        # one) does not hold all of them, so such a set says nothing about it.
        if positions.size and (positions.min() < 0 or positions.max() >= len(rank)):
            continue
        sets[f"{match[1]}_{match[2]}"] = rank[positions]
    return sets
