"""3BPA's mixed frames are told by temperature, and a wrong temperature does not pass for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import gamma

ATOMS, SIZES = 27, (60, 70, 50)


@pytest.fixture
def script(example: Any) -> Any:
    return example("temperatures_3bpa")


def energies(script: Any, kelvin: tuple[float, ...], seed: int) -> np.ndarray:
    """Potential energies over their minimum of a classical harmonic molecule, block by block."""
    rng = np.random.default_rng(seed)
    waves = [
        0.5 * rng.normal(size=(size, 3 * ATOMS - 6)) ** 2 * script.BOLTZMANN * one
        for size, one in zip(SIZES, kelvin, strict=True)
    ]
    return np.concatenate([one.sum(1) for one in waves])


@pytest.mark.parametrize("seed", range(5))
def test_blocks_are_found(script: Any, seed: int) -> None:
    drawn = energies(script, script.KELVIN, seed)
    posterior, _ = script.cuts(script.log_likelihood(drawn, 0.0, ATOMS))
    block, truth = posterior.argmax(0), np.repeat(np.arange(3), SIZES)
    np.testing.assert_allclose(posterior.sum(0), 1.0, atol=1e-9)
    sure = posterior.max(0) > 0.99
    assert (block == truth)[sure].all()
    assert sure.sum() > sum(SIZES) - 10


def test_the_fitted_minimum_is_the_true_one(script: Any) -> None:
    drawn = energies(script, script.KELVIN, 0)
    tried = np.arange(-0.5, 0.5, 0.02)
    of_each = [script.cuts(script.log_likelihood(drawn, e, ATOMS))[1] for e in tried]
    assert abs(tried[int(np.argmax(of_each))]) < 0.05


def test_frames_of_another_temperature_are_counted(script: Any) -> None:
    pure = energies(script, script.KELVIN, 0)[: SIZES[0]]
    mixed = pure.copy()
    mixed[::5] = energies(script, (600, 600, 600), 1)[: SIZES[0] : 5]
    share, limit = script.wrong_share(script.log_likelihood(pure, 0.0, ATOMS), 0)
    assert share < 0.02
    assert limit < 0.1
    share, limit = script.wrong_share(script.log_likelihood(mixed, 0.0, ATOMS), 0)
    assert 0.1 < share < 0.3
    assert limit > 0.2
    law = gamma((3 * ATOMS - 6) / 2, scale=script.BOLTZMANN * 300)
    assert abs(pure.mean() - law.mean()) < 4 * law.std() / len(pure) ** 0.5
