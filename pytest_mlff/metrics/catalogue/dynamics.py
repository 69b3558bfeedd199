"""What simulations by a model show: structure, stability, energy, errors on the way."""

from __future__ import annotations

from typing import Final

from pytest_mlff.metrics.registry import Metric

_ANY: Final = ("nve", "nvt_langevin")


def _metric(
    name: str,
    unit: str,
    title: str,
    measure: str,
    ensembles: tuple[str, ...] = _ANY,
    *,
    larger: bool = False,
    gated: bool = False,
    pairs: bool = False,
    species: bool = False,
) -> Metric:
    return Metric(
        name,
        unit,
        title,
        f"pytest_mlff.metrics.simulation_cases:{measure}",
        needs={"frames", "trajectories"},
        larger_is_better=larger,
        per_species=species,
        per_pair=pairs,
        evidence="replicates" if gated else "none",
        ensembles=ensembles,
        has_floor=measure in ("structure", "vibrations"),
    )


# Held against a baseline are errors of the model, one number a start. Structure, drift and
# temperature lie at their noise floors in every sound model, where a ratio of two models says
# nothing: thresholds judge those, and the survival time.
METRICS: Final = (
    _metric(
        "rdf_jsd",
        "1",
        "Jensen-Shannon divergence of radial distribution functions",
        "structure",
        pairs=True,
    ),
    _metric(
        "wright_factor",
        "%",
        "relative squared deviation of radial distribution functions",
        "structure",
        pairs=True,
    ),
    _metric(
        "distance_distribution_mae",
        "1",
        "integrated absolute difference of interatomic distance distributions",
        "structure",
        pairs=True,
    ),
    _metric(
        "energy_violation",
        "1",
        "relative energy error along the model's trajectory",
        "visited",
        gated=True,
    ),
    _metric(
        "force_violation",
        "1",
        "relative force error along the model's trajectory",
        "visited",
        gated=True,
    ),
    _metric(
        "trajectory_energy_mae",
        "meV/atom",
        "energy error on the frames that the model visited",
        "visited",
        gated=True,
    ),
    _metric(
        "trajectory_force_mae",
        "meV/Å",
        "force error on the frames that the model visited",
        "visited",
        gated=True,
    ),
    _metric(
        "energy_violation_equal_times",
        "1",
        "relative energy difference from the oracle's trajectory at equal times",
        "equal_times",
    ),
    _metric(
        "force_violation_equal_times",
        "1",
        "relative force difference from the oracle's trajectory at equal times",
        "equal_times",
    ),
    _metric("energy_drift", "meV/atom/ps", "drift of the total energy", "drift", ("nve",)),
    _metric(
        "temperature_error",
        "K",
        "mean temperature of the simulation less the thermostat's",
        "temperature",
        ("nvt_langevin",),
    ),
    _metric(
        "vdos_jsd",
        "1",
        "Jensen-Shannon divergence of vibrational spectra from the oracle's",
        "vibrations",
    ),
    _metric("diffusivity", "Å²/ps", "self-diffusion in a liquid", "diffusion", species=True),
    _metric(
        "stability_time",
        "ps",
        "simulated time until the structure breaks",
        "stability",
        larger=True,
    ),
)
