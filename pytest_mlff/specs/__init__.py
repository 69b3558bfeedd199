"""Benchmark specs: YAML files, checked, expanded into fixture variants and cases."""

from __future__ import annotations

from pytest_mlff.specs.case_plan import CasePlan
from pytest_mlff.specs.cases import Case, Threshold, cases_of
from pytest_mlff.specs.dataset_option import DatasetOption
from pytest_mlff.specs.expand import ResolvedSelection, ResolvedSelections, Variant, expand
from pytest_mlff.specs.expression import Expression, ExpressionError
from pytest_mlff.specs.frame_sets import FramesPlan, Selection
from pytest_mlff.specs.load import load_spec
from pytest_mlff.specs.locate import builtin_folder, builtin_specs, find_specs
from pytest_mlff.specs.operations import Scalar
from pytest_mlff.specs.schema import Citation, Spec, SpecFile
from pytest_mlff.specs.threshold_plan import Provenance, ThresholdPlan

__all__ = [
    "Case",
    "CasePlan",
    "Citation",
    "DatasetOption",
    "Expression",
    "ExpressionError",
    "FramesPlan",
    "Provenance",
    "ResolvedSelection",
    "ResolvedSelections",
    "Scalar",
    "Selection",
    "Spec",
    "SpecFile",
    "Threshold",
    "ThresholdPlan",
    "Variant",
    "builtin_folder",
    "builtin_specs",
    "cases_of",
    "expand",
    "find_specs",
    "load_spec",
]
