"""The regression gate of a run: which baseline each model has, and how a case stands to it.

A verdict is given once, on the item, and stays: pytest, JUnit, the terminal and the JSON
report all repeat it. So a case is judged where it is measured, without waiting for
others: at α over the number of cases of its spec, which the spec fixes beforehand. That
is the first step of Holm's procedure, so a spec is red exactly where Holm's correction
over all of its cases would make it red. What its later steps add is told at the end
(`pytest_mlff.run.baseline_summary`).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.standing import Standing, standing_of
from pytest_mlff.gate.threshold import Verdict
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.potentials.failures import ModelFailure

if TYPE_CHECKING:
    from pytest_mlff.gate.baseline import Baseline
    from pytest_mlff.gate.outcome import Outcome
    from pytest_mlff.gate.records import KeptCase
    from pytest_mlff.run.options import Located, Options
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.run.planned_case import PlannedCase
    from pytest_mlff.run.session import Session

_FOLDER = "baselines"


def check_options(options: Options) -> None:
    """Refuse options that contradict each other, before anything runs.

    Raises
    ------
    MlffError
        With one line.
    """
    reason = options.accept_regression
    if reason is not None and not reason.strip():
        raise MlffError(
            "--mlff-accept-regression needs a reason, which is kept in the baseline: "
            '--mlff-accept-regression="what is gained"'
        )
    if reason is not None and not options.update_baseline:
        raise MlffError(
            "--mlff-accept-regression changes nothing by itself: add --mlff-update-baseline"
        )
    if not options.update_baseline or options.baseline is None:
        return
    if _as_model(options) is not None:
        raise MlffError(
            f"--mlff-update-baseline: {options.baseline} is a model of this run, which holds no "
            "baseline to update: name a file, e.g. baselines/model.json"
        )
    if len(options.models) > 1 and not _is_folder(options.baseline):
        raise MlffError(
            f"--mlff-update-baseline: {options.baseline} holds the baseline of one model, but "
            "there are several: name a folder, which holds one file for each"
        )


def _is_folder(path: Path) -> bool:
    return path.is_dir() or (path.suffix != ".json" and not path.exists())


def _as_model(options: Options) -> Located | None:
    """The model of the run that ``--mlff-baseline`` names, if it names one."""
    if options.baseline is None or options.baseline.is_dir():
        return None
    return next((one for one in options.models if one.path == options.baseline), None)


def margin_of(one: PlannedCase) -> float:
    """Relative worsening that the spec of a case tolerates."""
    return one.planned.spec.margin


def family_size(planned: PlannedSpec, *, pooled: bool = False) -> int:
    """Size of a family of tests: cases of a spec that could be compared with a baseline.

    Counted from the spec and not from the run, so that a case gets the same verdict
    whichever others run beside it. Where a spec has pooled cases these share one half of the
    level and its single cases the other, as if there were twice as many of each.
    """
    counts = Counter(
        case.is_pooled for case in planned.cases if metric_named(case.metric).comparable
    )
    return counts[pooled] * (2 if counts[True] else 1)


class RegressionGate:
    """Baselines of the models of a run, as one process knows them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.options = session.options
        self._labels: dict[Located, str] = {}
        self._baselines: dict[Located, Baseline | MlffError | None] = {}
        self._tests: dict[tuple[Path, bool], int] = {}

    @property
    def active(self) -> bool:
        """Whether anything is compared."""
        return self.options.baseline is not None or self.options.update_baseline

    @property
    def keeps(self) -> bool:
        """Whether a report or a baseline will want more than the measured values."""
        options = self.options
        return bool(options.report or options.writes or options.update_baseline)

    @property
    def wanted(self) -> bool:
        """Whether per-frame values are needed."""
        return self.active or self.keeps

    def label(self, source: Located) -> str:
        """Name of a model in baselines and in ``residuals`` of a report.

        The name of the model itself; of a set of checkpoints, that of its folder. Where
        two models of a run share one, what ``--mlff-model`` said.
        """
        if not self._labels:
            names = {one: self._name(one) for one in self.options.models}
            found = list(names.values())
            self._labels = {
                one: name if found.count(name) == 1 else one.text for one, name in names.items()
            }
        return self._labels[source]

    def _name(self, source: Located) -> str:
        named = self.session.evaluation.models.name(source)
        if named is not None:
            return named
        if "{variant}" in source.text:
            before = Path(source.text.partition("{variant}")[0])
            return before.name or "variants"
        try:
            return self.session.evaluation.models.info(source).name
        except ModelFailure:  # its cases say so
            return source.text

    def size_of(self, one: PlannedCase) -> int:
        """Size of a case's family, counted once."""
        key = (one.planned.path, one.case.is_pooled)
        if key not in self._tests:
            self._tests[key] = family_size(one.planned, pooled=one.case.is_pooled)
        return self._tests[key]

    @cached_property
    def session_cases(self) -> frozenset[str]:
        """Ids of all cases of the run's specs that could be compared, run or deselected."""
        return frozenset(
            case.case_id
            for planned in self.session.plan
            for case in planned.cases
            if metric_named(case.metric).comparable
        )

    @cached_property
    def session_specs(self) -> frozenset[str]:
        """``<suite>/<spec>`` of the run's specs."""
        return frozenset(f"{one.spec.suite}/{one.spec.name}" for one in self.session.plan)

    def check_inputs(self) -> None:
        """Read every baseline before anything runs.

        Raises
        ------
        MlffError
            If one is missing, damaged, or cannot be updated although it should be.
        """
        if not self.active or _as_model(self.options) is not None:
            return
        from pytest_mlff.store import can_write

        for source in self.options.models:
            baseline = self.baseline(source)
            if not self.options.update_baseline or baseline is None:
                continue
            if baseline.is_report:
                raise MlffError(
                    f"--mlff-update-baseline: {baseline.path} is a report, which cannot be "
                    "updated: name a baseline file, e.g. baselines/model.json"
                )
            if not can_write(baseline.path.parent):
                raise MlffError(f"--mlff-update-baseline: cannot write to {baseline.path.parent}")

    def path(self, source: Located) -> Path:
        """File that holds a model's baseline, or will hold it."""
        given = self.options.baseline
        if given is None:
            given = self.session.rootpath / _FOLDER
        elif not _is_folder(given):
            return given
        safe = "".join(c if c.isalnum() or c in "._+-" else "-" for c in self.label(source))
        return given / f"{safe}.json"

    def baseline(self, source: Located) -> Baseline | None:
        """The baseline of a model, read once; None without one.

        Raises
        ------
        MlffError
            If it is missing or damaged.
        """
        if not self.active or _as_model(self.options) is not None:
            return None
        if source not in self._baselines:
            try:
                self._baselines[source] = self._read(source)
            except MlffError as error:
                self._baselines[source] = error
        found = self._baselines[source]
        if isinstance(found, MlffError):
            raise found
        return found

    def _read(self, source: Located) -> Baseline:
        from pytest_mlff.gate.baseline import Baseline, load_baseline

        path, label = self.path(source), self.label(source)
        given = self.options.baseline
        if not path.exists() and self.options.update_baseline:
            return Baseline(path, label)
        if given is not None and given.is_dir() and not path.exists():
            held = ", ".join(sorted(one.name for one in given.glob("*.json"))) or "none"
            raise MlffError(
                f"--mlff-baseline: folder {given} holds no {path.name} (its files: {held})"
            )
        return load_baseline(path, model=label, any_name=True)

    def named(self, source: Located) -> str | None:
        """What a model is compared with, for people; None if with nothing."""
        from pytest_mlff.specs.wording import shown

        other = _as_model(self.options)
        if other is not None:
            return None if other == source else self.label(other)
        baseline = self.baseline(source)
        return shown(baseline.path) if baseline is not None and baseline.cases else None

    def record(self, one: PlannedCase, outcome: Outcome) -> KeptCase | None:
        """What is kept of a measured case for comparison; None where there is no series."""
        from pytest_mlff.gate.records import kept_case
        from pytest_mlff.store import digest_of

        if one.source is None or outcome.measurement is None or outcome.measurement.series is None:
            return None
        if not metric_named(one.case.metric).comparable:
            return None
        evaluation, case = self.session.evaluation, one.case
        potential = evaluation.potential(one.source, one.variants[0].id, one.planned)
        digests = [evaluation.frame_sets(one.planned, v).test_frames.digest for v in one.variants]
        return kept_case(
            case.case_id,
            case.metric,
            case.species,
            outcome.measurement,
            data=digest_of({"systems": digests}) if case.is_pooled else digests[0],
            spec=digest_of(_said(one)),
            dtype=potential.info.dtype,
        )

    def standing(self, one: PlannedCase, outcome: Outcome, record: KeptCase | None) -> Standing:
        """Hold a case against its baseline."""
        level = None if outcome.measurement is None else outcome.measurement.evidence.get("level")
        # Accuracy on labels of another level says nothing of the model, now or then.
        if not self.active or one.source is None or level not in (None, "unknown"):
            return Standing()
        try:
            baseline = self._for_case(one)
        except MlffError as error:
            return Standing(verdict=Verdict.ERROR, reason=f"no baseline: {error}")
        if baseline is None or not baseline.cases:
            return Standing()
        accepted = self.options.accept_regression
        if record is None:
            missing = outcome.judgement.verdict is Verdict.UNSUPPORTED and accepted is None
            if missing and one.case.case_id in baseline.cases:
                why = f"baseline {baseline.path} holds a value for it, so it was supported"
                return Standing(verdict=Verdict.ERROR, reason=why)
            return Standing()
        from pytest_mlff.gate.baseline import check, family_of

        size = self.size_of(one)
        tests = {family_of(record.case_id): size}
        result = check(baseline, [record], margin=margin_of(one), tests=tests)
        found = standing_of(
            record.case_id,
            result,
            baseline,
            size,
            accepted,
            bound=one.planned.spec.undecided_bound,
            digest=self.digest(one.source),
        )
        # Of a level that nobody states a worsening binds, but nothing of it is green.
        passed = level is not None and found.verdict is Verdict.PASSED
        return replace(found, verdict=None) if passed else found

    def digest(self, source: Located) -> str | None:
        """Digest of a model; None for a set of checkpoints and where it has none."""
        models = self.session.evaluation.models
        with contextlib.suppress(ModelFailure):  # none of its cases was measured
            return None if models.needs_variant(source) else models.info(source).digest
        return None

    def _for_case(self, one: PlannedCase) -> Baseline | None:
        other = _as_model(self.options)
        if other is None:
            return None if one.source is None else self.baseline(one.source)
        if other == one.source:
            return None
        from pytest_mlff.gate.baseline import Baseline, BaselineCase

        twin = replace(one, source=other)
        outcome = self.session.evaluation.evaluate(one.case, one.planned, other)
        record = self.record(twin, outcome)
        if record is None and outcome.judgement.verdict is not Verdict.PASSED:
            raise MlffError(f"{self.label(other)}: {outcome.judgement.reason}")
        digest = self.digest(other)
        cases = {} if record is None else {record.case_id: BaselineCase(_stored(record), digest)}
        return Baseline(Path(other.text), self.label(other), cases)


def _stored(record: KeptCase) -> KeptCase:
    from pytest_mlff.gate.records import as_stored

    return replace(record, series=as_stored(record.series))


def _said(one: PlannedCase) -> dict[str, Any]:
    """What the spec says of a case's variant, as far as a value depends on it."""
    selections = [asdict(variant.selections) for variant in one.variants]
    simulated = one.planned.spec.simulate if metric_named(one.case.metric).ensembles else None
    return {
        "selections": selections[0] if not one.case.is_pooled else selections,
        "options": dict(one.case.options),
        "seed": one.planned.spec.seed,
        **({} if simulated is None else {"simulate": simulated.model_dump(mode="json")}),
    }
