"""``mlff data relabel``: label frames by another method, and say how far its labels are."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Never

from pytest_mlff.cli.parts import data_folder
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from tqdm import tqdm

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.oracles import LabelSet


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand; it sets ``run``, which returns the exit code."""
    parser = commands.add_parser(
        "relabel",
        help="label a dataset's frames by another method",
        description="Label the frames of a dataset or of own files by an oracle, and say how far "
        "its labels are from those at hand. They are kept in the store, so an interrupted command "
        "goes on; --out writes the frames with the new labels.",
    )
    parser.add_argument("source", metavar="DATASET[:SYSTEM]|FILE")
    parser.add_argument(
        "--oracle", required=True, metavar="NAME",
        help="gfn2-xtb, gfn2-damaged, gfn-ff, mmff94, or module:callable of what returns an ASE "
        "calculator",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=int, metavar="N", help="N evenly chosen frames of each system (all)"
    )
    parser.add_argument(
        "--store", "--mlff-store", dest="store", type=Path, metavar="DIR",
        default=Path(".mlff-store"), help="the store (default: .mlff-store)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help=".extxyz or .npz")
    data_folder(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import numpy as np
    from tqdm import tqdm

    from pytest_mlff.cli.datasets import opened
    from pytest_mlff.datasets import Frames
    from pytest_mlff.datasets.export import write_frames
    from pytest_mlff.datasets.oracles import label_frames, oracle_named
    from pytest_mlff.store import Store

    if options.frames is not None and options.frames < 1:
        raise MlffError("--frames: must be 1 or more")
    oracle = oracle_named(options.oracle, Path.cwd())
    store, written = Store(options.store.absolute()), []
    for dataset in opened(options.source, {}, options.data):
        frames = dataset.frames
        if options.frames is not None and options.frames < len(frames):
            frames = frames.select(np.arange(options.frames) * len(frames) // options.frames)
        with tqdm(total=len(frames), desc=dataset.title, disable=None, file=sys.stderr) as bar:
            found = label_frames(frames, oracle, store, partial(_advance, bar))
        print(f"{dataset.title}: {_said(frames, found, dataset.level_of_theory, oracle.method)}")
        written.append(replace(frames, energy=found.energy, forces=found.forces, stress=None))
    if options.out is not None:
        write_frames(Frames.concatenate(written), options.out, oracle.method)
        print(f"{options.out}: {sum(map(len, written))} frames with labels of {oracle.method}")
    return 0


def _advance(bar: tqdm[Never], done: int, _total: int) -> None:
    bar.update(done - bar.n)


def _said(frames: Frames, found: LabelSet, own: str, method: str) -> str:
    """How far two sets of labels differ, and what the new ones cost."""
    import numpy as np

    cost = f"{1000.0 * found.seconds / len(frames):.3g} core-ms a frame"
    if frames.forces is None or not frames.labelled("forces").any():
        return f"{len(frames)} frames by {method}, {cost}"
    off = 1000.0 * float(np.nanmean(np.abs(found.forces - frames.forces)))
    size = 1000.0 * float(np.nanmean(np.abs(frames.forces)))
    return (
        f"{len(frames)} frames by {method}, {cost}; force MAE against {own} {off:.3g} meV/Å, "
        f"mean |component| {size:.4g}"
    )
