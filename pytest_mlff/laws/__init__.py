"""Physical laws that every potential must obey, checked on drawn structures.

A model repository's own tests use ``check_law``::

    from pytest_mlff import check_law

    def test_rotation(mlff_model):
        check_law("rotation", mlff_model, strictness="fast")
"""

from __future__ import annotations

from pytest_mlff.choices import STRICTNESS, Strictness
from pytest_mlff.laws.checks import check_law
from pytest_mlff.laws.counterexample import (
    Counterexample,
    read_counterexample,
    write_counterexample,
)
from pytest_mlff.laws.law import LawResult
from pytest_mlff.laws.registry import laws
from pytest_mlff.laws.runner import EXAMPLES, measure_again, run_law
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
    "check_law",
    "laws",
    "measure_again",
    "read_counterexample",
    "run_law",
    "write_counterexample",
]
