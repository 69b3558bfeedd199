"""What the page draws by itself: structures from their flat side, and curves of losses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support.sample_reports import saibench_report

from pytest_mlff.reports.html.case_data import case_data, elements
from pytest_mlff.reports.html.loss_curves import draw_loss
from pytest_mlff.reports.model import LossPoint, Report, StructureRecord


@pytest.fixture(scope="module")
def report() -> Report:
    return saibench_report(("one", "two"))


def structure(symbols: list[str], positions: list[list[float]], **more: Any) -> StructureRecord:
    return StructureRecord(symbols=symbols, positions=positions, note="n", **more)


def drawn(report: Report, found: StructureRecord) -> dict[str, Any]:
    case = report.cases[1].model_copy(update={"worst_frame": found, "counterexample": None})
    data = case_data(report.model_copy(update={"cases": [case]}))
    return dict(data["structures"][0])


def test_molecules_are_seen_from_their_flat_side(report: Report) -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(12, 3)) * [4.0, 2.0, 0.1]
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    view = np.array(drawn(report, structure(["C"] * 12, (flat @ turn).tolist()))["view"])
    # A rotation and no mirror image, which would be another molecule.
    assert np.allclose(view @ view.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(view) == pytest.approx(1.0, abs=1e-5)
    seen = (flat @ turn) @ view.T
    assert list(np.argsort(seen.std(axis=0))) == [2, 1, 0]
    assert seen.std(axis=0)[2] < 0.2


@pytest.mark.parametrize(
    "found",
    [
        structure([], []),
        structure(["C"], []),
        structure(["C", "C"], [[0.0, 0.0], [1.0, 0.0]]),
        structure(["C"], [[1e300, 0.0, 0.0]], atom_errors=[1.0, 2.0]),
        structure(["C", "H"], [[1e308, 0.0, 0.0], [-1e308, 0.0, 0.0]]),
        structure(["C"], [[0.0, 0.0, 0.0]], cell=[[1.0], [2.0]], atom_errors=[]),
    ],
)
def test_structures_that_do_not_fit_together(report: Report, found: StructureRecord) -> None:
    shown = drawn(report, found)
    assert shown["cell"] is None
    assert shown["atom_errors"] is None
    whole = len(found.symbols) == 1 and len(found.positions) == 1
    assert (shown["view"] is not None) == whole
    json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize("count", [1, 2])
def test_small_molecules_have_a_view(report: Report, count: int) -> None:
    atoms = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.1]][:count]
    view = np.array(drawn(report, structure(["O"] * count, atoms))["view"])
    assert np.linalg.det(view) == pytest.approx(1.0)
    if count == 2:
        # The axis lies across the line of sight.
        assert abs((view @ [0.0, 0.0, 1.1])[0]) == pytest.approx(1.1)


def test_elements_are_coloured_and_what_is_none_is_left_out() -> None:
    found = elements([structure(["O", "H", "Xx", "<b>", "constructor"], [])])
    assert set(found) == {"H", "O"}
    assert found["O"]["radius"] == pytest.approx(0.66)
    assert found["O"]["colour"][0] > 200 > 60 > found["O"]["colour"][1]


def loss(*points: tuple[int, float | None, float | None]) -> list[LossPoint]:
    return [
        LossPoint(step=step, seconds=None, train_loss=train, validation=validation)
        for step, train, validation in points
    ]


def test_loss_curves_keep_shape_and_ends(report: Report) -> None:
    training = report.trainings[0]
    many = [(step, 10.0 / step, 20.0 / step if step % 10 == 0 else None) for step in range(1, 5001)]
    curve = draw_loss(training.model_copy(update={"loss": loss(*many)}))
    assert curve is not None
    assert curve.logarithmic
    points = [tuple(map(float, pair.split(","))) for pair in curve.train.split()]
    assert 100 < len(points) < 1000
    xs, ys = zip(*points, strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys)  # falling losses run down the page
    assert (min(xs), max(xs)) == (curve.left, curve.right)
    assert max(ys) == curve.bottom
    assert len(curve.validation.split()) > 100
    assert curve.x_ticks[-1] == (curve.right, "5,000")


def test_loss_curves_of_odd_trainings(report: Report) -> None:
    training = report.trainings[0]

    def draw(*points: tuple[int, float | None, float | None]) -> Any:
        return draw_loss(training.model_copy(update={"loss": loss(*points)}))

    assert draw() is None
    assert draw((1, 2.0, None)) is None
    assert draw((1, None, None), (2, None, None)) is None
    assert not draw((1, -2.0, None), (2, -3.0, None)).logarithmic
    flat = draw((1, 2.0, None), (2, 2.0, None))
    assert len({pair.split(",")[1] for pair in flat.train.split()}) == 1
    assert draw((5, 2.0, None), (5, 1.0, None)) is not None
