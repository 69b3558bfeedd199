"""False alarms and power on residuals of real models, which served to tune nothing.

    MLFF_REFERENCE_DATA=DIR python tests/benchmarks/real_residuals.py [--other A.npz B.npz]

Kernel models (ridge regression on inverse distances, Gaussian kernel) are fitted to random subsets
of the first part of rMD17's trajectories, in time order, and predict energies of the rest.
``--other`` adds two models' predictions on all frames of rMD17 ethanol in time order (``energy`` in
kcal/mol, ``forces`` in kcal/mol/Å), such as the PaiNN models that SchNetPack's authors publish.

Of each pair of models, the errors of the one are scaled so that over the whole series it is worse
than the other by exactly the margin of 1 %: what must not be called worse. Every window of n frames
asks the question once, so windows that move share what a real run shares: slow changes of the
errors with time. Power is asked for with the same errors scaled further. As replicas, every window
is cut into ten blocks that are spread over the whole series.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from arch.bootstrap import CircularBlockBootstrap, optimal_block_length
from arch.covariance.kernel import Bartlett, QuadraticSpectral
from scipy.special import ndtri, stdtrit

from pytest_mlff.statistics.evidence import FrameSeries, Pooled
from pytest_mlff.statistics.paired import ALPHA, MARGIN, compare_paired

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

MOLECULES = ("ethanol", "malonaldehyde", "toluene", "uracil")
FITTED = 0.3
MODELS = 3
LENGTHS = (60, 200, 600)
CHANGES = (MARGIN, 0.05, 0.1, 0.2)
BLOCKS = 10


@dataclass(frozen=True)
class Pair:
    """Errors of two models on the same frames, in time order."""

    name: str
    current: NDArray[np.float64]
    baseline: NDArray[np.float64]

    def at(self, change: float) -> NDArray[np.float64]:
        """Errors of the current model, scaled to be worse by ``change`` over all."""
        return self.current * ((1.0 + change) * self.baseline.sum() / self.current.sum())


def inverse_distances(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = np.triu_indices(positions.shape[1], 1)
    return 1.0 / np.linalg.norm(positions[:, first] - positions[:, second], axis=2)


def kernel_pairs(folder: Path, molecule: str) -> list[Pair]:
    """Absolute energy errors of kernel models that saw different frames of the beginning."""
    with np.load(folder / "rmd17" / f"rmd17_{molecule}.npz") as archive:
        order = np.argsort(archive["old_indices"], kind="stable")
        known = inverse_distances(archive["coords"][order].astype(float))
        energy = archive["energies"][order].astype(float)
    start = int(FITTED * len(energy))
    known = (known - known[:start].mean(axis=0)) / known[:start].std(axis=0)
    errors = []
    for seed in range(MODELS):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(start, 400, replace=False)
        width = 2.0 * known.shape[1]

        def kernel(
            rows: NDArray[np.float64], columns: NDArray[np.float64], width: float = width
        ) -> NDArray[np.float64]:
            square = (rows**2).sum(1)[:, None] + (columns**2).sum(1) - 2.0 * rows @ columns.T
            return np.asarray(np.exp(-square / width))

        inner = kernel(known[chosen], known[chosen])
        mean = energy[chosen].mean()
        weights = np.linalg.solve(inner + 1e-4 * np.eye(len(chosen)), energy[chosen] - mean)
        predicted = kernel(known[start:], known[chosen]) @ weights + mean
        errors.append(np.abs(predicted - energy[start:]))
        print(molecule, seed, f"{43.364 * errors[-1].mean():.1f} meV", flush=True)
    return [Pair(f"{molecule} energy", a, b) for a, b in combinations(errors, 2)]


def other_pairs(folder: Path, paths: Sequence[Path]) -> list[Pair]:
    with np.load(folder / "rmd17" / "rmd17_ethanol.npz") as archive:
        order = np.argsort(archive["old_indices"], kind="stable")
        energy, forces = archive["energies"][order], archive["forces"][order]
    found: dict[str, list[NDArray[np.float64]]] = {"energy": [], "forces": []}
    for path in paths:
        with np.load(path) as said:
            # The zero of energy is no error of the model.
            off = said["energy"].astype(float) - energy
            found["energy"].append(np.abs(off - np.median(off)))
            found["forces"].append(np.abs(said["forces"] - forces).mean(axis=(1, 2)))
    return [Pair(f"other {name}", *errors) for name, errors in found.items()]


def gate(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool((compare_paired(frames(a), frames(b)).p_worse or 1.0) <= ALPHA)


def frames(totals: NDArray[np.float64], blocks: int = 0) -> FrameSeries:
    n = len(totals)
    segments = (n // blocks,) * blocks if blocks else (n,)
    return FrameSeries(totals, np.ones(n), np.arange(n), segments, independent=bool(blocks))


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a - (1.0 + MARGIN) * b


def t_test(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    d = _difference(a, b)
    t = d.mean() / (d.std(ddof=1) / np.sqrt(len(d)))
    return bool(t > stdtrit(len(d) - 1, 1.0 - ALPHA))


def newey_west(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    d = _difference(a, b)
    return bool(d.mean() > ndtri(1.0 - ALPHA) * np.sqrt(_long_run(Bartlett, d) / len(d)))


def quadratic_spectral(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    d = _difference(a, b)
    return bool(d.mean() > ndtri(1.0 - ALPHA) * np.sqrt(_long_run(QuadraticSpectral, d) / len(d)))


def _long_run(kernel: type[Bartlett | QuadraticSpectral], d: NDArray[np.float64]) -> float:
    return float(np.asarray(kernel(d[:, None]).cov.long_run).ravel()[0])


def block_bootstrap(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    d = _difference(a, b)
    length = max(1, round(float(optimal_block_length(d)["circular"].iloc[0])))
    maker = CircularBlockBootstrap(length, d, seed=0)
    means = [data[0][0].mean() for data in maker.bootstrap(199)]
    return bool(np.mean(np.array(means) <= 0.0) <= ALPHA)


RULES: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], bool]] = {
    "gate": gate,
    "t-test": t_test,
    "Newey–West": newey_west,
    "quadratic spectral": quadratic_spectral,
    "block bootstrap": block_bootstrap,
}


def windows(length: int, n: int, most: int = 60) -> list[NDArray[np.int64]]:
    starts = np.arange(0, length - n + 1, n)
    return [np.arange(start, start + n) for start in starts[:: max(1, len(starts) // most)]]


def spread(length: int, n: int, most: int = 60) -> list[NDArray[np.int64]]:
    """``n`` frames as blocks that begin at equal distances over the series."""
    size, step = n // BLOCKS, length // BLOCKS
    starts = np.arange(0, step - size + 1, size)
    chosen = starts[:: max(1, len(starts) // most)]
    return [
        np.concatenate([np.arange(k * step + s, k * step + s + size) for k in range(BLOCKS)])
        for s in chosen
    ]


def rates(pairs: Sequence[Pair], change: float) -> dict[tuple[str, int], tuple[float, int]]:
    """Share of windows that are called worse, by rule and length, and how many there were."""
    raised: dict[tuple[str, int], list[bool]] = {}
    for n in LENGTHS:
        for pair in pairs:
            a = pair.at(change)
            for at in windows(len(a), n):
                for name, rule in RULES.items():
                    raised.setdefault((name, n), []).append(rule(a[at], pair.baseline[at]))
            for at in spread(len(a), n):
                found = compare_paired(frames(a[at], BLOCKS), frames(pair.baseline[at], BLOCKS))
                raised.setdefault(("gate, ten replicas", n), []).append(
                    (found.p_worse or 1.0) <= ALPHA
                )
    return {key: (float(np.mean(found)), len(found)) for key, found in raised.items()}


def pooled(
    pairs: Sequence[Sequence[Pair]], change: float
) -> dict[tuple[str, int], tuple[float, int]]:
    """The same of one test over the systems; each window takes one of every system."""
    found = {}
    for n in LENGTHS:
        for name, cutting, blocks in (
            ("gate, pooled", windows, 0), ("gate, pooled, ten replicas", spread, BLOCKS),
        ):  # fmt: skip
            raised = []
            for group in zip(*pairs, strict=True):
                cuts = [cutting(len(one.baseline), n) for one in group]
                for places in zip(*cuts, strict=False):
                    sides = [
                        Pooled(tuple(
                            frames(errors[at], blocks)
                            for errors, at in zip(side, places, strict=True)
                        ))
                        for side in (
                            [one.at(change) for one in group], [one.baseline for one in group]
                        )
                    ]  # fmt: skip
                    raised.append((compare_paired(*sides).p_worse or 1.0) <= ALPHA)
            found[name, n] = (float(np.mean(raised)), len(raised))
    return found


def table(title: str, found: dict[float, dict[tuple[str, int], tuple[float, int]]]) -> str:
    lines = [
        f"**{title}**",
        "",
        "| rule | frames | windows | +1 % (false alarms) | "
        + " | ".join(f"+{change:.0%}" for change in CHANGES[1:])
        + " |",
        "|---|---|---|---|" + "---|" * (len(CHANGES) - 1),
    ]
    for rule, n in found[CHANGES[0]]:
        told = [f"{100 * found[change][rule, n][0]:.1f}" for change in CHANGES]
        count = found[CHANGES[0]][rule, n][1]
        lines.append(f"| {rule} | {n} | {count} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="False alarms and power on real residuals.")
    parser.add_argument("--other", type=Path, nargs=2, metavar="NPZ")
    given = parser.parse_args()
    folder = os.environ.get("MLFF_REFERENCE_DATA")
    if folder is None:
        raise SystemExit("MLFF_REFERENCE_DATA names no folder with rmd17/rmd17_<molecule>.npz")
    by_molecule = [kernel_pairs(Path(folder), name) for name in MOLECULES]
    flat = [pair for pairs in by_molecule for pair in pairs]
    print(table("Kernel models, energies", {
        change: rates(flat, change) | pooled(by_molecule, change) for change in CHANGES
    }))  # fmt: skip
    for pair in other_pairs(Path(folder), given.other) if given.other else []:
        print()
        print(table(pair.name, {change: rates([pair], change) for change in CHANGES}))


if __name__ == "__main__":
    main()
