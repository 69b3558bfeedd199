"""The datasets of a fixture variant: its own, and those that single sets of frames name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.datasets.registry import check_known, open_dataset
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.dataset import DatasetSource
    from pytest_mlff.specs import Variant


def open_sources(
    variants: Iterable[Variant], data_dir: Path | None
) -> tuple[DatasetSource, dict[str, DatasetSource]]:
    """Open the datasets that variants of one spec take frames from: their own, and others by key.

    Raises
    ------
    MlffError
        If one of them cannot be opened.
    """
    variants = list(variants)
    spec = variants[0].spec
    folder = None if spec.path is None else spec.path.parent

    def opened(key: str) -> DatasetSource:
        return open_dataset(key, spec.datasets[key], data_dir=data_dir, spec_dir=folder)

    for key, option in spec.datasets.items():
        try:
            check_known(key, option, folder)
        except MlffError as error:
            raise MlffError(f"{spec.at('datasets', key)}: {error}") from error

    named = {one.dataset for variant in variants for one in variant.selections.named.values()}
    others = {key: opened(key) for key in sorted(key for key in named if key is not None)}
    own = variants[0].dataset
    # Not opened where no set takes its frames: it may only stand for the others.
    if all(one.dataset for variant in variants for one in variant.selections.named.values()):
        return others[variants[0].selections.test.dataset or own], others
    return opened(own), others
