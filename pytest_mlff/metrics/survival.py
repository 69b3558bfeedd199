"""How long simulations stay sound: lifetimes, cut off where the simulation ends.

A replica that is sound to the end has not shown its lifetime: it is *censored*. What can be
told without guessing is the survival curve (Kaplan and Meier, J. Am. Stat. Assoc. 1958, 53,
457) and the *restricted mean*: the mean time that a replica is sound within the simulated time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.metrics.radial import radial
from pytest_mlff.metrics.replica_values import per_start
from pytest_mlff.metrics.stability import bond_deviation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.metrics.trajectory_structure import StructureReference
    from pytest_mlff.simulation.trajectory import Trajectory

BOND_LIMIT_ANGSTROM: Final = 0.5
"""Fu et al., arXiv 2210.07237: a bond farther than that from its mean length is broken."""
COLDEST_K: Final = 0.1
"""As there: below this nothing moves any more."""
_BONDED: Final = 1.2  # of the sum of covalent radii


@dataclass(frozen=True, eq=False)
class Bonds:
    """Bonds of a molecule.

    Attributes
    ----------
    pairs : ndarray of int64, shape (n_bonds, 2)
        Atoms.
    lengths : ndarray of float64, shape (n_bonds,)
        Mean length in the reference, Å.
    """

    pairs: NDArray[np.int64]
    lengths: NDArray[np.float64]


def reference_bonds(frames: Frames) -> Bonds:
    """Bonds of a molecule and their mean lengths over reference frames.

    Bonded are atoms whose mean distance is below 1.2 times the sum of their covalent radii.

    Parameters
    ----------
    frames : Frames
        Of one molecule.

    Raises
    ------
    MlffError
        If there are no bonds, or the frames are periodic.
    """
    from ase.data import covalent_radii

    if len(frames) == 0 or frames.pbc.any():
        raise MlffError("bonds are told from frames of a molecule without a cell")
    n_atoms = int(frames.counts[0])
    positions = frames.positions.reshape(-1, n_atoms, 3)
    radii = covalent_radii[frames.numbers[:n_atoms]]
    first, second = np.triu_indices(n_atoms, 1)
    lengths = np.linalg.norm(positions[:, first] - positions[:, second], axis=2).mean(axis=0)
    bonded = lengths < _BONDED * (radii[first] + radii[second])
    if not bonded.any():
        raise MlffError("the reference frames hold no bonds")
    return Bonds(np.stack([first, second], axis=1)[bonded], lengths[bonded])


@dataclass(frozen=True, eq=False)
class Lifetimes:
    """When each replica stopped being sound.

    Attributes
    ----------
    time_ps : ndarray, shape (n_replicas,)
        Of the first fault; the simulated time where there was none.
    died : ndarray of bool, shape (n_replicas,)
        False where censored.
    reasons : tuple of str
        Empty where censored.
    horizon_ps : float
        Simulated time.
    start_of : ndarray of int64, shape (n_replicas,)
        Start of each replica.
    """

    time_ps: NDArray[np.float64]
    died: NDArray[np.bool_]
    reasons: tuple[str, ...]
    horizon_ps: float
    start_of: NDArray[np.int64]

    def __str__(self) -> str:
        """A time of each replica in ps, with ``+`` where it was sound to the end."""
        pairs = zip(self.time_ps, self.died, strict=True)
        return " ".join(f"{time:.6g}{'' if died else '+'}" for time, died in pairs)

    @classmethod
    def from_text(cls, text: str) -> Lifetimes:
        """Read what `str` writes; reasons and starts are not told, so each has one of its own."""
        words = text.split()
        times = np.array([float(one.removesuffix("+")) for one in words])
        died = np.array([not one.endswith("+") for one in words])
        return cls(times, died, ("",) * len(words), float(times.max()), np.arange(len(words)))

    def earlier(self, replica: int, time_ps: float, reason: str) -> Lifetimes:
        """The same with a fault of one replica, if it came before those that are known."""
        if time_ps > self.time_ps[replica] or (
            self.died[replica] and time_ps == self.time_ps[replica]
        ):
            return self
        times, died, reasons = self.time_ps.copy(), self.died.copy(), list(self.reasons)
        times[replica], died[replica], reasons[replica] = time_ps, True, reason
        return replace(self, time_ps=times, died=died, reasons=tuple(reasons))

    def with_structure(
        self,
        trajectory: Trajectory,
        reference: StructureReference,
        limit: float,
        window_ps: float = 1.0,
    ) -> Lifetimes:
        """Faults of structure, too: windows in which a g(r) is too far from the reference.

        Parameters
        ----------
        trajectory : Trajectory
            The same one.
        reference : StructureReference
            Curves to compare with.
        limit : float
            Å; largest mean |g − g_ref| · r_max of any element pair (Fu et al.: 3.0 for
            water, 1.0 for LiPS).
        window_ps : float
            Length of a window, ps; the replica died at the end of the first bad one.
        """
        found = self
        windows = np.floor(trajectory.time_ps / window_ps + 1e-9).astype(int)
        for replica in range(trajectory.n_replicas):
            visited = trajectory.frames(replica)
            window_of = windows[trajectory.alive[:, replica]]
            for window in range(int(trajectory.time_ps[-1] / window_ps + 1e-9)):
                inside = np.flatnonzero(window_of == window)
                if not len(inside):
                    break
                curves = radial(visited.select(inside), reference.r_max)
                errors = {
                    pair: float(np.abs(g - reference.curves.g[pair]).mean() * reference.r_max)
                    for pair, g in curves.g.items()
                }
                worst = max(errors, key=lambda pair: errors[pair])
                if errors[worst] > limit:
                    reason = f"g(r) of {worst} is off by {errors[worst]:.3g} Å (limit {limit:g})"
                    found = found.earlier(replica, (window + 1) * window_ps, reason)
                    break
        return found


def lifetimes(trajectory: Trajectory, bonds: Bonds | None = None) -> Lifetimes:
    """Lifetimes of replicas: to the explosion, a broken bond, or standing still.

    Parameters
    ----------
    trajectory : Trajectory
    bonds : Bonds, optional
        Of the molecule: dead is a replica in the first stored frame with a bond off by more
        than 0.5 Å.
    """
    ended = ~np.isnan(trajectory.death_ps)
    horizon = float(trajectory.time_ps[-1])
    found = Lifetimes(
        time_ps=np.where(ended, trajectory.death_ps, horizon),
        died=ended,
        reasons=trajectory.reasons,
        horizon_ps=horizon,
        start_of=trajectory.start_of,
    )
    for replica in range(trajectory.n_replicas):
        for frame in np.flatnonzero(trajectory.alive[:, replica]):
            time_ps = float(trajectory.time_ps[frame])
            if frame > 0 and trajectory.temperature[frame, replica] < COLDEST_K:
                found = found.earlier(replica, time_ps, f"it is colder than {COLDEST_K} K")
                break
            if bonds is None:
                continue
            off = bond_deviation(trajectory.positions[frame, replica], bonds.pairs, bonds.lengths)
            if off > BOND_LIMIT_ANGSTROM:
                reason = f"a bond is off by {off:.2f} Å"
                found = found.earlier(replica, time_ps, reason)
                break
    return found


def restricted_mean(found: Lifetimes, level: float = 0.95) -> tuple[float, float, float]:
    """Mean time that a replica is sound within the simulated time, and its interval.

    The interval is Anderson's for a number between 0 and a bound (Tech. Rep. 1, Stanford 1969):
    the exact Kolmogorov-Smirnov band around the distribution of the starts' means. It holds
    for any distribution and any number of starts, also where nothing died: eight sound
    runs of 1 ps show a mean above 0.55 ps, and no more.

    Parameters
    ----------
    found : Lifetimes
    level : float
        Confidence level.

    Returns
    -------
    mean, low, high : float
        ps.
    """
    from scipy.stats import kstwo

    times = np.sort(per_start(found.time_ps, found.start_of))
    count = len(times)
    band = float(kstwo(count).ppf(level))
    # Sound longer than each time between two deaths: 1, 1 − 1/n, …, 0 up to the horizon.
    widths = np.diff(np.concatenate([[0.0], times, [found.horizon_ps]]))
    sound = 1.0 - np.arange(count + 1) / count
    low = float(np.clip(sound - band, 0.0, 1.0) @ widths)
    high = float(np.clip(sound + band, 0.0, 1.0) @ widths)
    return float(times.mean()), low, high


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """Share of replicas that are sound, with its pointwise interval.

    Attributes
    ----------
    time_ps, alive, low, high : ndarray, shape (n_times,)
        The share holds from each time to the next.
    """

    time_ps: NDArray[np.float64]
    alive: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def survival_curve(found: Lifetimes, level: float = 0.95) -> SurvivalCurve:
    """Kaplan-Meier curve; replicas count one by one, so let each have a start of its own.

    Parameters
    ----------
    found : Lifetimes
    level : float
        Confidence level.

    Raises
    ------
    MissingExtraError
        If lifelines is not installed.
    """
    try:
        from lifelines import KaplanMeierFitter
    except ImportError as error:
        raise MissingExtraError("a survival curve", "lifelines", "simulation") from error

    fitter = KaplanMeierFitter(alpha=1.0 - level).fit(found.time_ps, found.died)
    bounds = fitter.confidence_interval_
    return SurvivalCurve(
        time_ps=fitter.survival_function_.index.to_numpy(dtype=np.float64),
        alive=fitter.survival_function_.iloc[:, 0].to_numpy(dtype=np.float64),
        low=bounds.iloc[:, 0].to_numpy(dtype=np.float64),
        high=bounds.iloc[:, 1].to_numpy(dtype=np.float64),
    )


def log_rank(models: Collection[Lifetimes]) -> float:
    """Chance of survival curves as different as these from models that live equally long.

    The log-rank test (Mantel, Cancer Chemother. Rep. 1966, 50, 163); replicas count one by
    one, so let each have a start of its own.

    Parameters
    ----------
    models : collection of Lifetimes
        At least two.

    Returns
    -------
    float
        p value; 1 where nothing died.

    Raises
    ------
    MissingExtraError
        If lifelines is not installed.
    MlffError
        If there are fewer than two models.
    """
    if len(models) < 2:
        raise MlffError("a log-rank test needs at least two models")
    if not any(one.died.any() for one in models):
        return 1.0
    try:
        from lifelines.statistics import multivariate_logrank_test
    except ImportError as error:
        raise MissingExtraError("a log-rank test", "lifelines", "simulation") from error
    times = np.concatenate([one.time_ps for one in models])
    died = np.concatenate([one.died for one in models])
    group = np.repeat(np.arange(len(models)), [len(one.time_ps) for one in models])
    return float(multivariate_logrank_test(times, group, died).p_value)
