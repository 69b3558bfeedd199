"""Metric ids that a spec may name, their units and whether they can be taken per species.

A law is a metric too. Its measured value is the *excess*: the largest violation
found divided by the tolerance that applied to it, so 1 is the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pytest_mlff.errors import MlffError
from pytest_mlff.specs.wording import did_you_mean

__all__ = ["DATA_IDS", "LAW_IDS", "METRICS", "MetricId", "metric_id"]


@dataclass(frozen=True)
class MetricId:
    """What specs need to know of a metric.

    Attributes
    ----------
    name : str
        Id in specs, case ids and reports.
    unit : str
        Unit of values and thresholds; ``"1"`` for dimensionless.
    per_species : bool
        Whether it can be taken over the atoms of one species.
    description : str
        One line for lists.
    larger_is_better : bool
        A threshold is an upper limit, so such a metric is reported but never gated.
    is_law : bool
        Whether it is a physical law (value: excess).
    is_data : bool
        Whether it judges the data of a variant, and no model.
    """

    name: str
    unit: str
    per_species: bool
    description: str
    larger_is_better: bool = False
    is_law: bool = False
    is_data: bool = False

    @property
    def needs_model(self) -> bool:
        """Whether a model is measured; else the case depends on the frames alone."""
        return not self.is_data and self.name != "soap_similarity"


_MEASURED = (
    MetricId("energy_mae", "meV/atom", False, "mean absolute error of the energy per atom"),
    MetricId("energy_rmse", "meV/atom", False, "root mean square error of the energy per atom"),
    MetricId("force_mae", "meV/Å", True, "mean absolute error of force components"),
    MetricId("force_rmse", "meV/Å", True, "root mean square error of force components"),
    MetricId("stress_mae", "meV/Å³", False, "mean absolute error of stress components"),
    MetricId(
        "soap_similarity",
        "1",
        False,
        "mean cosine of SOAP vectors of test and training frames",
        larger_is_better=True,
    ),
    MetricId("rdf_jsd", "1", False, "Jensen-Shannon divergence of radial distribution functions"),
    MetricId("wright_factor", "1", False, "relative deviation of radial distribution functions"),
    # EGraFFBench normalises both by the sum of predicted and reference magnitude.
    MetricId("energy_violation", "1", False, "relative energy error along the model's trajectory"),
    MetricId("force_violation", "1", False, "relative force error along the model's trajectory"),
    MetricId("energy_drift", "meV/atom/ps", False, "drift of the total energy in NVE dynamics"),
    MetricId(
        "stability_time",
        "ps",
        False,
        "simulated time until the structure breaks",
        larger_is_better=True,
    ),
    MetricId(
        "distance_distribution_mae",
        "1",
        False,
        "integrated absolute difference of interatomic distance distributions",
    ),
)

_LAWS = {
    "rotation": "energy invariant, forces equivariant under proper and improper rotation",
    "inversion": "energy invariant, forces change sign under inversion",
    "translation": "energy and forces unchanged by translation",
    "permutation": "energy invariant, forces follow the order of the atoms",
    "periodic_images": "results do not depend on wrapping, cell choice or supercell",
    "force_consistency": "forces are minus the derivative of the energy",
    "conservativity": "force Jacobian symmetric, no work round a closed loop",
    "stress_consistency": "stress is the derivative of the energy with respect to strain",
    "smoothness": "no jumps of energy or forces as atoms cross the cutoff",
    "locality": "energies of fragments far apart add up",
    "size_extensivity": "N copies have N times the energy",
    "isolated_atom": "a single atom has finite energy and zero force",
    "net_force": "no net force and no net torque without a field",
    "batch_independence": "a frame's result does not depend on its batch",
    "determinism": "the same input gives the same result",
    "thread_safety": "the same result from several threads at once",
    "precision": "float32 and float64, compiled and eager agree within their noise",
    "unknown_species": "an unknown element is refused, never guessed",
    "no_holes": "finite and repulsive when squeezed, finite when stretched",
    "memory": "no growth of memory over repeated evaluation",
}

_DATA = {
    "train_test_overlap": "test frames that are among the training frames",
    "validation_test_overlap": "validation frames that are among the test frames",
    "duplicate_frames": "frames that occur twice within a set, or in training and validation",
    "time_order": "frames out of order in time",
    "energy_force_consistency": "energies change along the trajectory as the forces say",
    "unit_scale": "lengths and forces are of chemical size",
    "known_species": "test frames with a species that no training frame has",
}

DATA_IDS: Final[tuple[str, ...]] = tuple(_DATA)
"""Ids of the checks of data."""

LAW_IDS: Final[tuple[str, ...]] = tuple(_LAWS)
"""Ids of the physical laws."""

METRICS: Final[dict[str, MetricId]] = (
    {metric.name: metric for metric in _MEASURED}
    | {
        name: MetricId(name, "1", False, f"law: {text}", is_law=True)
        for name, text in _LAWS.items()
    }
    | {
        name: MetricId(name, "1", False, f"data: {text}", is_data=True)
        for name, text in _DATA.items()
    }
)
"""Every known metric by id: measured ones, laws, checks of data."""


def metric_id(name: str) -> MetricId:
    """Look a metric up.

    Raises
    ------
    MlffError
        If there is no such metric; names the nearest and all that exist.
    """
    found = METRICS.get(name)
    if found is None:
        raise MlffError(
            f"unknown metric {name!r}{did_you_mean(name, METRICS)} "
            f"(metrics: {', '.join(sorted(METRICS))})"
        )
    return found
