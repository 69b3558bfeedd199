"""False alarms of the rule for single trajectories on AR(1) series.

    python tests/benchmarks/calibration.py [--repeats 1500]

The tested difference of two models whose change is exactly the tolerated margin is a series of mean
zero: the hardest case that must not be called worse. Prints the table of docs/statistics.md. Real
residuals are tried by ``real_residuals.py``, the power on the gate set by ``gate_power.py``.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter
from scipy.special import stdtrit

from pytest_mlff.statistics.interval import long_run
from pytest_mlff.statistics.paired import ALPHA

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHIS = (0.0, 0.5, 0.9, 0.95, 0.98)
LENGTHS = (60, 200, 1000)


def ar1(rng: np.random.Generator, phi: float, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Stationary AR(1) series of unit variance."""
    burn = 50 + math.ceil(8.0 / (1.0 - phi))
    noise = rng.standard_normal((shape[0], shape[1] + burn))
    series = lfilter([1.0], [1.0, -phi], noise, axis=1)[:, burn:]
    return np.asarray(series * math.sqrt(1.0 - phi**2))


def gate(x: NDArray[np.float64]) -> float:
    """Share of alarms, as `compare_paired` raises them, of many series at once."""
    run = long_run(x)
    error = np.sqrt(run.variance / x.shape[1])
    return float((x.mean(axis=1) > stdtrit(np.maximum(run.dof, 1.0), 1.0 - ALPHA) * error).mean())


def t_test(x: NDArray[np.float64]) -> float:
    """The same of a t-test that takes frames for independent."""
    n = x.shape[1]
    t = x.mean(axis=1) / (x.std(axis=1, ddof=1) / math.sqrt(n))
    return float((t > stdtrit(n - 1, 1.0 - ALPHA)).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="False alarms on AR(1) series.")
    parser.add_argument("--repeats", type=int, default=1500)
    repeats = parser.parse_args().repeats
    print("| φ | frames | gate | t-test |\n|---|---|---|---|")
    for phi in PHIS:
        found = []
        for n in LENGTHS:
            rng = np.random.default_rng([1, round(100 * phi), n])
            x = ar1(rng, phi, (repeats, n))
            found.append((100 * gate(x), 100 * t_test(x)))
        told = (" · ".join(f"{pair[k]:.1f}" for pair in found) for k in (0, 1))
        print(f"| {phi:g} | {' · '.join(map(str, LENGTHS))} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
