"""What simulations by a model show: structure, stability, energy, errors on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_mlff.metrics.registry import Metric

if TYPE_CHECKING:
    from typing import Any

__all__ = ["METRICS"]

_ANY: Final = ("nve", "nvt_langevin")


def _simulated(inputs: Any) -> Any:
    return inputs.simulated()


def _metric(
    name: str,
    unit: str,
    title: str,
    ensembles: tuple[str, ...] = _ANY,
    *,
    larger: bool = False,
    gated: bool = False,
) -> Metric:
    return Metric(
        name,
        unit,
        title,
        _simulated,
        needs={"frames", "trajectories"},
        larger_is_better=larger,
        evidence="replicates" if gated else "none",
        ensembles=ensembles,
    )


# Held against a baseline are errors of the model, one number a start. Structure, drift and
# temperature lie at their noise floors in every sound model, where a ratio of two models says
# nothing: thresholds judge those, and the survival time.
METRICS: Final = (
    _metric("rdf_jsd", "1", "Jensen-Shannon divergence of radial distribution functions"),
    _metric("wright_factor", "%", "relative squared deviation of radial distribution functions"),
    _metric(
        "distance_distribution_mae",
        "1",
        "integrated absolute difference of interatomic distance distributions",
    ),
    _metric(
        "energy_violation", "1", "relative energy error along the model's trajectory", gated=True
    ),
    _metric(
        "force_violation", "1", "relative force error along the model's trajectory", gated=True
    ),
    _metric("energy_drift", "meV/atom/ps", "drift of the total energy", ("nve",)),
    _metric(
        "temperature_error",
        "K",
        "mean temperature of the simulation less the thermostat's",
        ("nvt_langevin",),
    ),
    _metric("stability_time", "ps", "simulated time until the structure breaks", larger=True),
)
