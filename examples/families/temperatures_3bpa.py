"""Tell 3BPA's mixed frames by temperature: ``python temperatures_3bpa.py DATASET_3BPA OUT``.

`train_mixedT` has 500 frames of 300, 600 and 1200 K and no label. Two things tell them apart: the
file is in three blocks, found here as the two cuts that make the energies most likely, and energies
of a classical molecule are known. E − E0 is gamma distributed with shape (3N − 6)/2 and scale kT;
only the minimum E0 is fitted. Printed: energies beside that law, and how many frames may lie in a
wrong block (95 % limit of the likelihood). Frames near a cut that may belong to either side
(posterior below 0.99) and frames that `train_300K` holds too are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from scipy.stats import gamma, kstest

BOLTZMANN = 8.617333262e-5  # eV/K
KELVIN = (300, 600, 1200)


def log_likelihood(energies: np.ndarray, lowest: float, atoms: int) -> np.ndarray:
    """Log density of each energy at each temperature, (3, M)."""
    shape = (3 * atoms - 6) / 2
    return np.stack([gamma.logpdf(energies, shape, lowest, BOLTZMANN * t) for t in KELVIN])


def cuts(density: np.ndarray) -> tuple[np.ndarray, float]:
    """Posterior of each frame's block, (3, M), over all pairs of cuts; the evidence's logarithm."""
    size = density.shape[1]
    run = np.concatenate([np.zeros((3, 1)), np.cumsum(density, 1)], 1)
    first, second = np.triu_indices(size + 1)
    score = run[0, first] + run[1, second] - run[1, first] + run[2, -1] - run[2, second]
    weight = np.exp(score - score.max())
    evidence = float(score.max() + np.log(weight.sum()))
    weight /= weight.sum()
    at = np.arange(size)
    ends = [np.bincount(cut, weight, size + 1).cumsum()[at] for cut in (first, second)]
    return np.stack([1.0 - ends[0], ends[0] - ends[1], ends[1]]), evidence


def wrong_share(density: np.ndarray, block: int) -> tuple[float, float]:
    """Most likely share of a block's frames that come from the other two, and its 95 % limit."""
    other = np.logaddexp.reduce(np.delete(density, block, 0), 0) - np.log(2.0)
    shares = np.linspace(0.0, 0.5, 501)
    mixed = np.log(
        (1 - shares)[:, None] * np.exp(density[block]) + shares[:, None] * np.exp(other)
    ).sum(1)
    return float(shares[mixed.argmax()]), float(shares[mixed > mixed.max() - 1.353].max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path, help="folder with train_300K.xyz, train_mixedT.xyz")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    train, mixed = (
        read(next(given.dataset.glob(f"{name}.xyz*")), ":")
        for name in ("train_300K", "train_mixedT")
    )
    energies = np.array([one.get_potential_energy() for one in mixed])
    known = np.array([one.get_potential_energy() for one in train])
    atoms = len(mixed[0])
    grid = energies.min() - np.arange(0.01, 1.2, 0.005)
    lowest = max(grid, key=lambda e: cuts(log_likelihood(energies, e, atoms))[1])
    density = log_likelihood(energies, lowest, atoms)
    posterior, _ = cuts(density)
    block, sure = posterior.argmax(0), posterior.max(0) > 0.99
    seen = np.array([twin(one, train, known) for one in mixed])
    print(f"E0 = {lowest:.3f} eV; {int((~sure).sum())} frames near a cut left out")
    print(f"in train_300K too: {np.bincount(block[seen], minlength=3).tolist()}")
    given.out.mkdir(parents=True, exist_ok=True)
    write(given.out / "train_300K.xyz", train, format="extxyz")
    for number, kelvin in enumerate(KELVIN):
        chosen = (block == number) & sure
        inside = energies[chosen] - lowest
        law = gamma((3 * atoms - 6) / 2, scale=BOLTZMANN * kelvin)
        share, limit = wrong_share(density[:, chosen], number)
        kept = np.flatnonzero(chosen & ~seen)
        print(
            f"{kelvin} K: frames {np.flatnonzero(block == number)[[0, -1]]}, {len(kept)} kept; "
            f"E - E0 {inside.mean():.2f} +- {inside.std():.2f} eV, law {law.mean():.2f} +- "
            f"{law.std():.2f} (p = {kstest(inside, law.cdf).pvalue:.2g}); "
            f"of another temperature {share:.1%}, at most {limit:.1%}"
        )
        write(given.out / f"mixedT_{kelvin}K.xyz", [mixed[i] for i in kept], format="extxyz")


def twin(one: Atoms, train: list[Atoms], known: np.ndarray) -> bool:
    """Whether the training file holds the frame: same energy, same positions."""
    near = np.flatnonzero(abs(known - one.get_potential_energy()) < 1e-5)
    return any(np.allclose(one.positions, train[i].positions, atol=1e-4) for i in near)


if __name__ == "__main__":
    main()
