from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError
from pytest_mlff.potentials import (
    BatchPlan,
    Potential,
    PotentialInfo,
    Prediction,
    batching,
    evaluate,
)
from pytest_mlff.potentials.failures import FrameError, is_out_of_memory
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pathlib import Path

INFO = PotentialInfo("springs", "test", "test", "0" * 64, None, None, "cpu", "float64", {})


@dataclass
class Springs:
    """Energy sum x² per frame; time and memory as a test wants them."""

    info: PotentialInfo = INFO
    batches: list[tuple[int, int]] = field(default_factory=list)
    memory: int = 10**9
    seconds: dict[str, float] = field(default_factory=dict)
    fails_at: float | None = None
    clock: float = 0.0

    def predict(self, frames: Frames) -> Prediction:
        n_atoms = len(frames.numbers)
        if n_atoms > self.memory:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried …")
        if self.fails_at is not None:
            bad = np.flatnonzero(frames.positions[frames.offsets[:-1], 0] == self.fails_at)
            if len(bad):
                raise FrameError(self.info.name, int(bad[0]), "is bad")
        self.batches.append((len(frames), n_atoms))
        self.clock += self.seconds.get("batch", 0.0) + self.seconds.get("atom", 0.0) * n_atoms
        self.clock += self.seconds.get("square", 0.0) * n_atoms**2
        energy = np.add.reduceat((frames.positions**2).sum(axis=1), frames.offsets[:-1])
        assert frames.energy is None
        return Prediction(energy, -2 * frames.positions)


@pytest.fixture
def frames() -> Frames:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 30, 200)
    structures = [Atoms("H" * n, positions=rng.normal(size=(n, 3))) for n in sizes]
    return Frames.from_atoms(structures)


def energies(frames: Frames) -> np.ndarray:
    return np.array([(atoms.positions**2).sum() for atoms in frames])


@pytest.mark.parametrize("batch", [None, 1, 7, 1000, BatchPlan(1), BatchPlan(64)])
def test_all_frames_once_and_in_order(frames: Frames, batch: BatchPlan | int | None) -> None:
    model = Springs()
    assert isinstance(model, Potential)
    out = evaluate(model, frames, batch=batch)
    assert np.allclose(out.energy, energies(frames))
    assert np.array_equal(out.forces, -2 * frames.positions)
    assert sum(n for n, _ in model.batches) == len(frames)


def test_a_plan_counts_atoms_and_an_int_counts_frames(frames: Frames) -> None:
    model = Springs()
    evaluate(model, frames, batch=BatchPlan(50))
    assert all(atoms <= 50 for _, atoms in model.batches)
    assert len(model.batches) < 1.5 * len(frames.numbers) / 50
    model = Springs()
    evaluate(model, frames, batch=16)
    assert [n for n, _ in model.batches] == [16] * 12 + [8]


def test_a_frame_larger_than_the_plan_goes_alone() -> None:
    frames = Frames.from_atoms([Atoms("H" * n, positions=np.ones((n, 3))) for n in (2, 90, 2)])
    model = Springs()
    evaluate(model, frames, batch=BatchPlan(10))
    assert model.batches == [(1, 2), (1, 90), (1, 2)]


@pytest.mark.parametrize("batch", [None, 200, BatchPlan(10**6)])
def test_out_of_memory_shrinks_the_batch(frames: Frames, batch: BatchPlan | int | None) -> None:
    model = Springs(memory=100)
    out = evaluate(model, frames, batch=batch)
    assert np.allclose(out.energy, energies(frames))
    assert max(atoms for _, atoms in model.batches) <= 100


def test_one_frame_too_large_is_one_line(frames: Frames) -> None:
    with pytest.raises(MlffError, match=r"frame \d+ \(\d+ atoms\) alone does not fit"):
        evaluate(Springs(memory=10), frames)


@pytest.mark.parametrize(
    "error, expected",
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_failing_frame_is_counted_in_all_frames(frames: Frames) -> None:
    value = float(frames.positions[frames.offsets[123], 0])
    for batch in (None, 10, BatchPlan(100)):
        with pytest.raises(MlffError, match="springs: frame 123 is bad"):
            evaluate(Springs(fails_at=value), frames, batch=batch)


def test_progress_ends_at_the_end(frames: Frames) -> None:
    seen: list[tuple[int, int]] = []
    evaluate(Springs(), frames, batch=50, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(50, 200), (100, 200), (150, 200), (200, 200)]


def test_no_frames() -> None:
    out = evaluate(Springs(), Frames.from_atoms([Atoms("H")]).select([]))
    assert out.energy.shape == (0,)
    assert out.forces.shape == (0, 3)


def molecules(count: int) -> Frames:
    positions = np.random.default_rng(1).normal(size=(count, 10, 3))
    return Frames.of_one_molecule(np.ones(10), positions)


def pretend_clock(monkeypatch: pytest.MonkeyPatch, model: Springs) -> None:
    monkeypatch.setattr(batching.time, "perf_counter", lambda: model.clock)


@pytest.mark.parametrize(
    "seconds, expected",
    [
        # t(n) = a + b n + c n² per batch is best per atom at n = sqrt(a / c).
        ({"batch": 0.016, "atom": 1e-4, "square": 1e-7}, 400),
        ({"batch": 0.064, "atom": 1e-5, "square": 1e-8}, 2530),
        ({"batch": 1e-5, "atom": 1e-3, "square": 1e-6}, 80),
        ({"batch": 1.0, "atom": 1e-5}, 5120),
    ],
)
def test_the_probe_finds_the_best_size(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float], expected: int
) -> None:
    model = Springs(seconds=seconds)
    pretend_clock(monkeypatch, model)
    evaluate(model, molecules(20_000))
    _, found = model.batches[-2]  # the last one is what was left over
    assert expected / 2 <= found <= 2 * expected


def test_evaluating_probes_on_the_frames_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    frames = molecules(4000)
    model = Springs(seconds={"batch": 0.016, "atom": 1e-4, "square": 1e-7})
    pretend_clock(monkeypatch, model)
    out = evaluate(model, frames, store=store)
    assert np.allclose(out.energy, energies(frames))
    assert sum(n for n, _ in model.batches) == len(frames)
    ideal = 4000 * 10 * (0.016 / 400 + 1e-4 + 1e-7 * 400)
    assert model.clock < 1.1 * ideal
    # Kept: the next pass takes the size at once.
    again = Springs(seconds=model.seconds)
    evaluate(again, frames, store=store)
    assert len(set(again.batches[:-1])) == 1


def test_a_model_without_identity_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = PotentialInfo("f", "ase", "m:f", None, None, None, "cpu", "float64", {})
    model = Springs(info=info, seconds={"batch": 0.01, "atom": 1e-4})
    pretend_clock(monkeypatch, model)
    evaluate(model, molecules(4000), store=Store(tmp_path))
    assert not list(tmp_path.rglob("*.json"))


def test_the_probe_stops_where_memory_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Springs(seconds={"batch": 1.0, "atom": 1e-6})
    pretend_clock(monkeypatch, model)

    # Each atom takes 1 MB of the 2 GB that were free at first.
    def peak(device: str) -> int:
        return 10**6 * max((atoms for _, atoms in model.batches), default=0)

    monkeypatch.setattr(batching, "peak_memory", peak)
    monkeypatch.setattr(batching, "available_memory", lambda device: 2 * 10**9 - peak(device))
    evaluate(model, molecules(2000))
    largest = max(atoms for _, atoms in model.batches)
    assert 500 <= largest <= 1000


def test_bad_sizes() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BatchPlan(0)
    with pytest.raises(ValueError, match="at least 1"):
        evaluate(Springs(), molecules(2), batch=0)
