"""The physical laws, in the order of their table."""

from __future__ import annotations

from typing import Final

from pytest_mlff.metrics.law import law_metric

_LAWS: Final = (
    (
        "rotation",
        "symmetry:Rotation",
        "energy invariant, forces equivariant under proper and improper rotation",
    ),
    ("inversion", "symmetry:Inversion", "energy invariant, forces change sign under inversion"),
    ("translation", "symmetry:Translation", "energy and forces unchanged by translation"),
    (
        "permutation",
        "symmetry:Permutation",
        "energy invariant, forces follow the order of the atoms",
    ),
    (
        "periodic_images",
        "periodic:PeriodicImages",
        "results do not depend on wrapping, cell choice or supercell",
    ),
    (
        "force_consistency",
        "force_consistency:ForceConsistency",
        "forces are minus the derivative of the energy",
    ),
    (
        "conservativity",
        "conservativity:Conservativity",
        "force Jacobian symmetric, no work round a closed loop",
    ),
    (
        "stress_consistency",
        "stress:StressConsistency",
        "stress is the derivative of the energy with respect to strain",
    ),
    (
        "smoothness",
        "smoothness:Smoothness",
        "no jumps of energy or forces as atoms cross the cutoff",
    ),
    ("locality", "separation:Locality", "energies of fragments far apart add up"),
    ("size_extensivity", "separation:SizeExtensivity", "N copies have N times the energy"),
    ("isolated_atom", "zero_sums:IsolatedAtom", "a single atom has finite energy and zero force"),
    ("net_force", "zero_sums:NetForce", "no net force and no net torque without a field"),
    (
        "batch_independence",
        "evaluation:BatchIndependence",
        "a frame's result does not depend on its batch",
    ),
    ("determinism", "evaluation:Determinism", "the same input gives the same result"),
    ("thread_safety", "evaluation:ThreadSafety", "the same result from several threads at once"),
    (
        "precision",
        "precision:Precision",
        "float32 and float64, compiled and eager agree within their noise",
    ),
    (
        "unknown_species",
        "unknown_species:UnknownSpecies",
        "an unknown element is refused, never guessed",
    ),
    ("no_holes", "no_holes:NoHoles", "finite and repulsive when squeezed, finite when stretched"),
    ("memory", "memory:Memory", "no growth of memory over repeated evaluation"),
)
METRICS: Final = tuple(
    law_metric(name, title, f"pytest_mlff.laws.{place}") for name, place, title in _LAWS
)
