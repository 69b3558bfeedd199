"""A real NequIP checkpoint for integration tests, trained once per run."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _imported() -> None:
    """Import compiled libraries once; pytester forgets what is imported inside of it, and numpy
    and torch refuse to be imported twice."""
    for name in ("multiprocessing.pool", "concurrent.futures.process",
                 "ase.io", "matscipy.neighbours", "nequip.model", "nequip.ase", "scipy.fft",
                 "scipy.special", "scipy.stats", "torch._dynamo", "hypothesis.strategies",
                 "hypothesis.extra.numpy", "nequip.model.saved_models.load_utils"):  # fmt: skip
        pytest.importorskip(name)
    for name in ("pytest_mlff.laws.runner", "pytest_mlff.potentials.families.nequip_files",
                 "pytest_mlff.training.runner",
                 "pytest_mlff.training.trainers.function"):  # fmt: skip
        importlib.import_module(name)
    # What every run imports: anew each time, that is half of what a short run costs.
    for room in ("metrics", "plugin", "potentials.process", "reports", "run", "scheduling"):
        package = importlib.import_module(f"pytest_mlff.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)


@pytest.fixture(scope="session")
def tiny_demo(request: pytest.FixtureRequest) -> str:
    """Path of a NequIP checkpoint that knows C, H and O only."""
    pytest.importorskip("nequip")
    from support.tiny_nequip import tiny_checkpoint

    return str(tiny_checkpoint(request))


@pytest.fixture(scope="session")
def tiny_float64(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a NequIP checkpoint that was trained in double precision."""
    pytest.importorskip("nequip")
    from support.tiny_nequip import embedded_frames, train

    folder: Path = tmp_path_factory.mktemp("tiny64")
    frames = embedded_frames("ethanol", 60)
    return str(train(folder, frames, type_names=("C", "H", "O"), dtype="float64"))


@pytest.fixture(scope="module")
def slurm_cluster() -> Iterator[Path]:
    """Folder of a Slurm of two nodes, of this test file alone."""
    from support.slurm import cluster

    with cluster() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a test file: for :func:`support.repos.once`."""
    return tmp_path_factory.mktemp("shared")
