"""Physical laws that every potential must obey, checked on drawn structures.

A model repository's own tests use ``check_<law>``::

    from pytest_mlff.laws import check_rotation

    def test_rotation(mlff_model):
        check_rotation(mlff_model, strictness="fast")
"""

from __future__ import annotations

from pytest_mlff.laws.checks import (
    check,
    check_batch_independence,
    check_conservativity,
    check_determinism,
    check_force_consistency,
    check_inversion,
    check_isolated_atom,
    check_locality,
    check_memory,
    check_net_force,
    check_no_holes,
    check_periodic_images,
    check_permutation,
    check_precision,
    check_rotation,
    check_size_extensivity,
    check_smoothness,
    check_stress_consistency,
    check_thread_safety,
    check_translation,
    check_unknown_species,
)
from pytest_mlff.laws.counterexample import (
    Counterexample,
    read_counterexample,
    write_counterexample,
)
from pytest_mlff.laws.law import LawResult
from pytest_mlff.laws.registry import laws
from pytest_mlff.laws.runner import EXAMPLES, STRICTNESS, Strictness, measure_again, run_law
from pytest_mlff.laws.structures import StructurePool
from pytest_mlff.laws.trial import NonFiniteError, VacuousCheckError

__all__ = [
    "EXAMPLES",
    "STRICTNESS",
    "Counterexample",
    "LawResult",
    "NonFiniteError",
    "Strictness",
    "StructurePool",
    "VacuousCheckError",
    "check",
    "check_batch_independence",
    "check_conservativity",
    "check_determinism",
    "check_force_consistency",
    "check_inversion",
    "check_isolated_atom",
    "check_locality",
    "check_memory",
    "check_net_force",
    "check_no_holes",
    "check_periodic_images",
    "check_permutation",
    "check_precision",
    "check_rotation",
    "check_size_extensivity",
    "check_smoothness",
    "check_stress_consistency",
    "check_thread_safety",
    "check_translation",
    "check_unknown_species",
    "laws",
    "measure_again",
    "read_counterexample",
    "run_law",
    "write_counterexample",
]
