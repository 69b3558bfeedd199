"""Checks of a variant's data: no model is blamed for what they find.

Overlaps, duplicates, order and species count frames (0 is sound); the two that judge whole
datasets have an excess (at most 1 is sound), and are shared by all variants on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.metrics.registry import Metric

if TYPE_CHECKING:
    from pytest_mlff.metrics.registry import Need


def _checked(inputs: Any) -> Any:
    from pytest_mlff.metrics.measurement import Measurement

    found = inputs.data_check()
    return Measurement(found.value, "1", found.n_frames, 0, reason=found.reason)


def _check(name: str, place: str, needs: tuple[Need, ...], title: str) -> Metric:
    return Metric(
        name,
        "1",
        f"data: {title}",
        _checked,
        needs=needs,
        kind="data",
        subject=f"pytest_mlff.datasets.integrity.{place}:{name}",
    )


METRICS: Final = (
    _check(
        "train_test_overlap",
        "overlap",
        ("frames", "training_frames"),
        "test frames that are among the training frames",
    ),
    _check(
        "validation_test_overlap",
        "overlap",
        ("frames", "validation_frames"),
        "validation frames that are among the test frames",
    ),
    _check(
        "duplicate_frames",
        "overlap",
        ("frames", "training_frames", "validation_frames"),
        "frames that occur twice within a set, or in training and validation",
    ),
    _check("time_order", "time_order", ("frames",), "frames out of order in time"),
    _check(
        "energy_force_consistency",
        "energy_force",
        ("datasets",),
        "energies change along the trajectory as the forces say",
    ),
    _check("unit_scale", "unit_scale", ("datasets",), "lengths and forces are of chemical size"),
    _check(
        "known_species",
        "species",
        ("frames", "training_frames"),
        "test frames with a species that no training frame has",
    ),
    _check("test_span", "test_span", ("frames",), "1 ps over the time that test frames span"),
    _check(
        "independent_frames",
        "independent_frames",
        ("frames", "training_frames", "validation_frames"),
        "test frames that are neighbours in motion of another set or replica",
    ),
    _check(
        "temperature_match",
        "temperature_match",
        ("frames", "training_frames"),
        "ratio of the mean square forces of training and test",
    ),
    _check(
        "one_reference",
        "one_reference",
        ("frames", "training_frames", "validation_frames"),
        "frames whose energies are of another reference",
    ),
    _check(
        "rounded_units",
        "rounded_units",
        ("datasets",),
        "error in 1e-6 of a rounded unit that energies were converted with",
    ),
)
