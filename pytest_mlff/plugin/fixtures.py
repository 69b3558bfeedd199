"""Fixtures for the suite and for a model repository's own tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.plugin.attachment import attachment_of, keep_for_report
from pytest_mlff.plugin.stash import SESSION_KEY

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.counterexample import Counterexample
    from pytest_mlff.laws.structures import StructurePool
    from pytest_mlff.potentials.protocol import Potential, Prediction
    from pytest_mlff.run.baselines import RegressionGate
    from pytest_mlff.run.options import Located, Options
    from pytest_mlff.run.planned_case import PlannedCase
    from pytest_mlff.run.session import Session
    from pytest_mlff.specs import Case

GATE_KEY: pytest.StashKey[RegressionGate] = pytest.StashKey()
"""Where the regression gate of an active run hangs on pytest's config."""


@dataclass(frozen=True, eq=False)
class ReferencedPrediction:
    """What `mlff_predictions` gives.

    Attributes
    ----------
    frames : Frames
        Test frames with their reference labels: ``frames.energy`` (n_frames,) in eV and
        ``frames.forces`` (n_total, 3) in eV/Å, None or NaN where there are none.
    prediction : Prediction
        What the model says of them: ``prediction.energy``, ``prediction.forces`` and
        ``prediction.stress``, in the same shapes and units.
    """

    frames: Frames
    prediction: Prediction


@pytest.fixture(scope="session")
def _mlff_session(pytestconfig: pytest.Config) -> Session:
    """State of the run; skips without ``--mlff-model``."""
    session = pytestconfig.stash.get(SESSION_KEY, None)
    if session is None:
        pytest.skip("needs --mlff-model=SOURCE")
    return session


@pytest.fixture(scope="session")
def mlff_model(request: pytest.FixtureRequest, _mlff_session: Session) -> Potential:
    """The model under test, a `Potential`; a test runs once for each ``--mlff-model``."""
    source = getattr(request, "param", _mlff_session.options.models[0])
    return _mlff_session.evaluation.potential(source)


@pytest.fixture
def mlff_case(_mlff_session: Session) -> PlannedCase:
    """One case of the run with an error metric, a `PlannedCase`; a test runs once for each."""
    # Collection gives the test its cases as parameters, which stand in for this fixture;
    # only without a model is it asked, and then _mlff_session skips.
    raise AssertionError(f"no case was handed out by {_mlff_session}")


@pytest.fixture
def mlff_predictions(mlff_case: PlannedCase, _mlff_session: Session) -> ReferencedPrediction:
    """Test frames and what the model says of them, from the shared pass.

    A test that takes it runs once for each model and set of test frames, or once per case beside
    ``mlff_case``.
    """
    evaluation = _mlff_session.evaluation
    planned, variant = mlff_case.planned, mlff_case.case.variant
    if mlff_case.source is None:
        pytest.skip("this case judges the data and has no model")
    potential = evaluation.potential(mlff_case.source, variant.id, planned)
    frames = evaluation.frame_sets(planned, variant).test_frames
    return ReferencedPrediction(frames, evaluation.passes.of(potential, frames))


@pytest.fixture(scope="session")
def mlff_structures(mlff_model: Potential) -> StructurePool:
    """Structures that the physical laws may draw for the model, a `StructurePool`."""
    from pytest_mlff.laws.structures import StructurePool

    return StructurePool.for_potential(mlff_model)


@pytest.fixture
def _mlff_conclude(
    request: pytest.FixtureRequest, _mlff_session: Session
) -> Callable[[PlannedCase], None]:
    """Evaluate a case, put the record on the item, and end the test with its verdict."""
    from pytest_mlff.gate.standing import judged
    from pytest_mlff.gate.threshold import RED, Verdict
    from pytest_mlff.reports.properties import record_of, to_properties

    item: Any = request.node
    gate = request.config.stash[GATE_KEY]
    options = _mlff_session.options

    def conclude(one: PlannedCase) -> None:
        outcome = _mlff_session.evaluation.evaluate(one.case, one.planned, one.source)
        series = gate.record(one, outcome) if gate.wanted else None
        standing = gate.standing(one, outcome, series)
        outcome = replace(outcome, judgement=judged(outcome.judgement, standing))
        record = record_of(outcome, item.nodeid, standing)
        item.user_properties.extend(to_properties(record))
        if gate.keeps:
            keep_for_report(item, attachment_of(_mlff_session, one, outcome, series))
        if outcome.judgement.verdict is Verdict.PASSED:
            return
        verdict = outcome.judgement.verdict
        blocks = verdict in RED or (verdict is Verdict.UNDECIDED and options.undecided == "fail")
        if not blocks:
            # For pytest and JUnit it is neither a pass nor a failure.
            pytest.skip(f"{verdict}: {outcome.judgement.reason}")
        from pytest_mlff.reports.failure import explain

        message = explain(outcome, record)
        if outcome.counterexample is not None and one.source is not None:
            found = replace(outcome.counterexample, model=_from_here(one.source, one.case))
            message += "\n" + _keep(found, options)
        pytest.fail(message, pytrace=False)

    return conclude


def _from_here(source: Located, case: Case) -> str:
    """A model source as it must be written in the folder that pytest was called in."""
    text = source.text.replace("{variant}", case.variant.id)
    file, _, attribute = text.rpartition(":")
    taken = source.folder / Path(file or text).expanduser()
    if source.folder == Path.cwd() or not taken.exists():
        return text
    return f"{taken}:{attribute}" if file else str(taken)


def _keep(counterexample: Counterexample, options: Options) -> str:
    """Write a counterexample beside the report and say how to measure it again."""
    from pytest_mlff.laws.counterexample import write_counterexample

    beside = options.report
    folder = options.store_dir if beside is None else beside.parent
    folder = folder / "counterexamples"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = write_counterexample(counterexample, folder)
    except OSError as error:
        return f"  the counterexample could not be written to {folder} ({error.strerror or error})"
    device = None if options.device == "auto" else options.device
    return f"  repeat with: {counterexample.command(path, device=device, dtype=options.dtype)}"
