"""Frames by name: a file, the frames of a fixture variant, or a molecule of a dataset.

==========================================  ==========================================
``run/train.extxyz``, ``frames.npz``        a file
``SPEC:VARIANT:train``                      a variant's ``train``, ``validation`` or
                                            ``test`` frames
``embedded:aspirin``                        all frames of a dataset's molecule
==========================================  ==========================================

Labels are neither needed nor kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.datasets.record import record_names
from pytest_mlff.datasets.registry import open_dataset
from pytest_mlff.datasets.sources import open_sources
from pytest_mlff.datasets.splits import cut
from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.specs import expand, find_specs, load_spec

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames

ROLES: Final = ("train", "validation", "test")


def frames_of_file(path: Path) -> Frames:
    """Structures of an npz file, or of any file that ASE reads; compressed ones, too.

    Raises
    ------
    MlffError
        If the file is missing, cannot be read or holds no structures.
    """
    if path.is_dir() or not path.exists():
        raise MlffError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    if path.suffix == ".npz":
        return read_npz(path, labels=False).frames
    return read_structures(path).frames.without_labels()


def frames_of_variant(
    spec: str,
    variant: str,
    role: str = "train",
    *,
    dataset: str | None = None,
    cwd: Path,
    data_dir: Path | None = None,
) -> Frames:
    """Frames of one set of a fixture variant.

    Parameters
    ----------
    spec : str
        As for ``--mlff-suite``; it must name one spec.
    variant : str
        Id of the variant.
    role : str
        ``train``, ``validation`` or ``test``.
    dataset : str, optional
        One of the spec's datasets; its first if left out.
    cwd : Path
        What relative paths start from.
    data_dir : Path, optional
        Folder of published datasets.

    Raises
    ------
    MlffError
        If the spec, the variant or the set does not exist, or its frames cannot be cut.
    """
    if role not in ROLES:
        raise MlffError(f"{role!r} names no set of frames; choose one of {', '.join(ROLES)}")
    paths = find_specs([spec], cwd)
    if len(paths) != 1:
        raise MlffError(f"{spec!r} names {len(paths)} specs; name one of them")
    loaded = load_spec(paths[0])
    variants = {one.id: one for one in expand(loaded, dataset)}
    if variant not in variants:
        known = list(variants)
        more = f" … ({len(known)} in all)" if len(known) > 6 else ""
        raise MlffError(
            f"{spec}: no variant {variant!r}{did_you_mean(variant, known)}; "
            f"it has {', '.join(known[:6])}{more}"
        )
    chosen = variants[variant]
    source, others = open_sources([chosen], data_dir)
    found = cut(chosen, source, others).named.get(role)
    frames = None if found is None else found.frames
    if frames is None:
        raise MlffError(f"{spec}: variant {variant} has no {role} frames")
    return frames.without_labels()


def frames_named(
    text: str, *, cwd: Path, dataset: str | None = None, data_dir: Path | None = None
) -> Frames:
    """Frames that a word of a command line names.

    Parameters
    ----------
    text : str
        See the table above. What exists as a file is a file.
    cwd, dataset, data_dir
        As for :func:`frames_of_variant`.

    Raises
    ------
    MlffError
        If it names nothing.
    """
    path = cwd / text
    head, colon, tail = text.partition(":")
    if path.exists() or not colon:
        return frames_of_file(path)
    if text.count(":") >= 2:
        spec, variant, role = text.rsplit(":", 2)
        return frames_of_variant(spec, variant, role, dataset=dataset, cwd=cwd, data_dir=data_dir)
    known = record_names(cwd)
    if head not in known:
        raise MlffError(
            f"{text!r} names no frames: no such file, and {head!r} is no dataset "
            f"({', '.join(known)}); a variant's frames are SPEC:VARIANT:train"
        )
    return open_dataset(head, data_dir=data_dir, spec_dir=cwd).load(tail).frames.without_labels()
