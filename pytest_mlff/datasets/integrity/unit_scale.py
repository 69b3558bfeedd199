"""Lengths and forces are of the size that chemistry gives them.

Energies and forces that are both in a wrong unit agree with each other. What tells then is
the stiffness of covalent bonds, −∂F/∂r, which no temperature and no sampling changes much:
diatomic molecules with hydrogen range from HI, 314 N/m, to HF, 966 N/m, and those without
from I₂, 172 N/m, to N₂, 2294 N/m (Herzberg and Huber, Constants of Diatomic Molecules, 1979);
1 eV/Å² is 16.02 N/m. The limits lie beyond these by a third or more, since bonds of boron and
silicon with hydrogen are softer, and methods differ by some tenths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.integrity.groups import datasets_of, group_dataset
from pytest_mlff.datasets.integrity.result import IntegrityResult, in_order
from pytest_mlff.datasets.integrity.superposition import nearest_images
from pytest_mlff.datasets.integrity.unit_factors import unit_mistake
from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.integrity.groups import SystemFrames
    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets

LENGTH_LIMITS = (0.7, 1.4)
"""Distance to the nearest atom over the sum of the covalent radii, median over atoms."""
STIFFNESS_LIMITS = {"with hydrogen": (10.0, 90.0), "without hydrogen": (8.0, 215.0)}
"""Stiffness of bonds between nonmetals in eV/Å², median over bonds."""

# H, B, C, N, O, F, Si, P, S, Cl, Ge, As, Se, Br, Te, I
_NONMETALS = (1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 32, 33, 34, 35, 52, 53)
_BONDED = 1.25
# Atoms whose nearest distance varies by more are pulled apart, as in scans of dimers.
_APART = 2.0
# Stiffness of common bonds; says only which mistake a factor looks like.
_TYPICAL = {"with hydrogen": 33.0, "without hydrogen": 35.0}
_SOME_FRAMES = 500
_DISTANCES = 1_000_000
_WIDTH = 5.0
_FEWEST = 10
_UNCERTAINTY = 0.2


@dataclass(frozen=True)
class BondScale:
    """Size of lengths and forces of one group of frames.

    Attributes
    ----------
    length : float
        Median distance of nonmetal atoms to their nearest atom over the sum of covalent radii.
    stiffness : dict of str to float
        Median over bonds in eV/Å², with and without hydrogen.
    """

    length: float
    stiffness: dict[str, float]


def _spaced(group: SystemFrames) -> NDArray[np.int64]:
    """Indices of at most 500 frames, fewer of large structures, spread evenly."""
    affordable = max(_FEWEST, _DISTANCES // len(group.numbers) ** 2)
    count = min(len(group), _SOME_FRAMES, affordable)
    chosen: NDArray[np.int64] = np.arange(count) * len(group) // count
    return chosen


def _narrow(group: SystemFrames) -> bool:
    """Whether a cell is so narrow that atoms are bonded to several images of one atom."""
    if not group.periodic:
        return False
    # Rows of the inverse's transpose are as long as the inverse of the distances of faces.
    faces = np.linalg.norm(np.linalg.pinv(group.cell), axis=1)[:, group.pbc]
    return bool((faces > 1 / _WIDTH).any())


def _bond_vectors(
    group: SystemFrames, atom: int, others: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """From one atom to others, nearest image, Å, shape (n_frames, n_others, 3)."""
    positions = group.positions[chosen]
    vectors: NDArray[np.float64] = positions[:, others] - positions[:, atom, None]
    return nearest_images(vectors, group.cell[chosen], group.pbc) if group.periodic else vectors


def _stiffness(length: NDArray[np.float64], pull: NDArray[np.float64]) -> float | None:
    """Slope of −pull on length in eV/Å²; None where it is uncertain by more than a fifth."""
    spread = length - length.mean()
    total = float((spread**2).sum())
    if len(length) < _FEWEST or total < 1e-12:
        return None
    slope = float(-(spread * pull).sum() / total)
    residual = pull - pull.mean() + slope * spread
    error = float(np.sqrt((residual**2).sum() / (len(length) - 2) / total))
    return slope if error < _UNCERTAINTY * abs(slope) else None


def bond_scale(group: SystemFrames) -> BondScale | None:
    """Lengths and stiffness of the bonds of a group; None without two nonmetals.

    Only atoms that are nonmetals other than noble gases are judged, and no periodic cells
    narrower than 5 Å. A bond is a pair within 1.25 times the sum of covalent radii (Cordero et
    al., Dalton Trans. 2008, 2832) in nine tenths of the frames. Its stiffness is the regression
    on its length of the force along the bond, on hydrogen or half the difference of the two
    atoms.
    """
    from ase.data import covalent_radii

    covalent = np.flatnonzero(np.isin(group.numbers, _NONMETALS))
    if len(covalent) < 2 or _narrow(group):
        return None
    chosen = _spaced(group)
    nearest: list[float] = []
    found: dict[str, list[float]] = {}
    for atom in covalent.tolist():
        others = covalent[covalent != atom]
        vectors = _bond_vectors(group, atom, others, chosen)
        lengths = np.linalg.norm(vectors, axis=2)
        sums = covalent_radii[group.numbers[atom]] + covalent_radii[group.numbers[others]]
        relative = lengths / sums
        near = relative.min(axis=1)
        if np.quantile(near, 0.95) < _APART * np.quantile(near, 0.05):
            nearest.append(float(np.median(near)))
        if group.forces is None:
            continue
        for place in np.flatnonzero((relative < _BONDED).mean(axis=0) >= 0.9):
            other = int(others[place])
            if other < atom:
                continue
            length = lengths[:, place]
            along = vectors[:, place] / length[:, None]
            on_one = -(group.forces[chosen, atom] * along).sum(axis=1)
            on_other = (group.forces[chosen, other] * along).sum(axis=1)
            light = group.numbers[[atom, other]] == 1
            if light.all() or not light.any():
                pull = 0.5 * (on_one + on_other)
            else:
                # The heavy atom is pulled by its other bonds as well.
                pull = on_one if light[0] else on_other
            stiffness = _stiffness(length, pull)
            if stiffness is not None:
                kind = "with hydrogen" if light.any() else "without hydrogen"
                found.setdefault(kind, []).append(stiffness)
    if not nearest:
        return None
    return BondScale(
        length=float(np.median(nearest)),
        stiffness={kind: float(np.median(many)) for kind, many in sorted(found.items())},
    )


def _excess(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    if value <= 0:
        return np.inf
    return max(value / high, low / value)


def _judge(scale: BondScale) -> tuple[float, str]:
    """Largest excess, and what was measured, the worst first."""
    rows = [
        (
            _excess(scale.length, LENGTH_LIMITS),
            f"nearest atoms at {scale.length:.2f} times the covalent radii "
            f"(limits {LENGTH_LIMITS[0]:g} and {LENGTH_LIMITS[1]:g})",
            unit_mistake(scale.length, 0.25) if scale.length > 0 else "",
        )
    ]
    for kind, value in scale.stiffness.items():
        low, high = STIFFNESS_LIMITS[kind]
        rows.append(
            (
                _excess(value, (low, high)),
                f"bonds {kind} have a stiffness of {value:.3g} eV/Å² (limits {low:g} and {high:g})",
                unit_mistake(value / _TYPICAL[kind], 0.45),
            )
        )
    worst = max(excess for excess, _, _ in rows)
    wrong = [row for row in rows if row[0] > 1]
    # Wrong lengths make every stiffness wrong, so they are told alone.
    told = wrong[:1] if rows[0][0] > 1 else wrong
    text = " and ".join(
        f"{text}, as if {mistake}" if mistake else text for _, text, mistake in told
    ) or "; ".join(text for _, text, _ in rows)
    # A bond that gets weaker as it is pulled has no stiffness at all; JSON knows no infinity.
    return min(worst, 1e9), text


def _of_dataset(molecule: str, dataset: Dataset) -> tuple[float, str] | None:
    scales = [bond_scale(group) for group in group_dataset(molecule, dataset)]
    judged = [_judge(one) for one in scales if one is not None]
    # Single structures beside a trajectory may have no measurable bonds; one group must.
    measured = [one for one in scales if one is not None and one.stiffness]
    wrong = [one for one in judged if one[0] > 1]
    if not measured and not wrong:
        return None
    return max(judged)


def unit_scale(sets: FrameSets) -> IntegrityResult:
    """Bond lengths and bond stiffness lie within the limits of chemistry; the value is the excess.

    Tells what :func:`energy_force_consistency` cannot: that energies and forces, or all
    lengths, are in a wrong unit together. Mistakes by less than a factor of about 3 in energy,
    or 1.3 in length, lie within the limits.

    Raises
    ------
    NotSupportedError
        If nothing is wrong, but some molecule has no bonds between nonmetals to judge by.
    """
    excesses: list[float] = []
    texts: list[tuple[float, str]] = []
    wrong: list[FrameName] = []
    undecided: list[str] = []
    datasets = datasets_of(sets)
    for molecule, dataset in datasets.items():
        found = _of_dataset(molecule, dataset)
        if found is None:
            undecided.append(molecule)
            continue
        excess, text = found
        excesses.append(excess)
        texts.append((excess, f"{molecule} frames 0 to {len(dataset.frames) - 1}: {text}"))
        if excess > 1:
            wrong += [(molecule, number) for number in range(len(dataset.frames))]
    if undecided and not wrong:
        raise NotSupportedError(
            f"{', '.join(undecided)}: no bonds between nonmetals whose "
            f"stiffness could be measured (needs {_FEWEST} frames with forces)"
        )
    texts.sort(key=lambda one: -one[0])
    return IntegrityResult(
        value=max(excesses),
        n_frames=sum(len(dataset.frames) for dataset in datasets.values()),
        reason="; ".join(text for _, text in texts[:3])
        + (f"; and {len(texts) - 3} molecules more" if len(texts) > 3 else ""),
        frames=in_order(wrong),
    )
