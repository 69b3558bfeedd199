"""Check one law against one model: draw trials, keep the worst, shrink what breaks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.laws.asking import measured, measurements
from pytest_mlff.laws.context import Context, describe_frames
from pytest_mlff.laws.counterexample import Counterexample
from pytest_mlff.laws.law import Law, LawResult
from pytest_mlff.laws.registry import law_named
from pytest_mlff.laws.shrink import fewest_atoms
from pytest_mlff.laws.structures import StructurePool
from pytest_mlff.laws.trial import NonFiniteError, Parameter, Reading, Trial, VacuousCheckError
from pytest_mlff.potentials.failures import is_poisoned

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.potentials.protocol import Potential

EXAMPLES: Final[dict[str, int]] = {"fast": 10, "ci": 40, "thorough": 200}
"""Trials of a law at each strictness (laws that repeat one expensive thing make fewer)."""
REFERENCE_SHARE: Final = 0.4
"""Share of the trials that is made on reference frames, where there are any."""
_SHRINK_TRIALS: Final[dict[str, int]] = {"fast": 60, "ci": 150, "thorough": 600}


class _BrokenError(Exception):
    """A trial broke the law: tells hypothesis to shrink."""


class _Stop(BaseException):
    """Leaves hypothesis at once; not an `Exception`, so that it is not taken for a failure."""


class _Recorder:
    """Remembers what the trials said; hypothesis only decides which come next."""

    def __init__(self, law: Law, context: Context, shrink_trials: int) -> None:
        self.law = law
        self.context = context
        self.left = shrink_trials
        self.trials = 0
        self.on_reference = 0
        self.sums: dict[str, float] = {}
        self.worst: Reading | None = None
        self.smallest: Trial | None = None
        self.smallest_reading: Reading | None = None
        self.last: Reading | None = None
        self.remark = ""
        self.refusal: MlffError | None = None

    def read(self, measure: Callable[[], Reading]) -> Reading | None:
        """Measure a trial; None stands for an answer that is not finite."""
        try:
            reading = measure()
        except NonFiniteError:
            return None
        except MlffError as error:
            self.refusal = error
            raise _Stop from error
        if not math.isfinite(reading.violation):
            return None
        self.remark = self.remark or reading.remark
        if self.worst is None or reading.excess > self.worst.excess:
            self.worst = reading
        self.last = reading
        return reading

    def broken(self, trial: Trial, measure: Callable[[], Reading] | None = None) -> bool:
        """Measure a trial and remember it if it breaks the law and is not larger than before."""
        try:
            reading = self.read(measure or partial(measured, self.law, self.context, trial))
        except _Stop:
            if self.smallest is None or self.refusal is None or is_poisoned(self.refusal):
                raise
            # A smaller structure that the model refuses is no counterexample.
            self.refusal = None
            return False
        if reading is not None and reading.excess <= 1.0:
            return False
        size = len(trial.frames.numbers)
        if self.smallest is None or size <= len(self.smallest.frames.numbers):
            self.smallest, self.smallest_reading = trial, reading
        return True

    def first_broken(self, trials: Sequence[Trial]) -> int | None:
        """Measure trials in turn and count their evidence, up to the first that breaks the law."""
        ahead = measurements(self.law, self.context, trials)
        for index, (trial, measure) in enumerate(zip(trials, ahead, strict=True)):
            self.trials += 1
            self.last = None
            broken = self.broken(trial, measure)
            evidence: Mapping[str, float] = self.last.evidence if self.last is not None else {}
            for key, value in evidence.items():
                self.sums[key] = self.sums.get(key, 0.0) + float(value)
            if broken:
                return index
        return None

    def shrink_from(self, drawn: Sequence[Trial], sound: int) -> Callable[[Trial], None]:
        """What hypothesis calls to shrink: passes ``sound`` known trials, then breaks."""
        seen = 0
        known = drawn[sound].frames.structure_digest

        def attempt(trial: Trial) -> None:
            nonlocal seen
            seen += 1
            if seen <= sound:
                return
            if seen > sound + 1 or trial.frames.structure_digest != known:
                if self.left <= 0:
                    raise _Stop
                self.left -= 1
                if not self.broken(trial):
                    return
            raise _BrokenError

        return attempt


def _search(strategy: SearchStrategy[Trial], recorder: _Recorder, examples: int, seed: int) -> None:
    """Draw all trials, measure them, and draw the same again to shrink one that broke.

    What hypothesis draws next does not depend on what a trial said, as long as none broke. So
    drawing can be kept apart from measuring, which costs much less than taking turns.
    """
    drawn: list[Trial] = []
    _drive(strategy, drawn.append, examples, seed, shrink=False)
    try:
        broken = recorder.first_broken(drawn)
    except _Stop:
        return
    if broken is None or recorder.left <= 0:
        return
    with contextlib.suppress(_BrokenError, _Stop):
        _drive(strategy, recorder.shrink_from(drawn, broken), examples, seed, shrink=True)


def _drive(
    strategy: SearchStrategy[Trial],
    visit: Callable[[Trial], None],
    examples: int,
    seed: int,
    *,
    shrink: bool,
) -> None:
    from hypothesis import HealthCheck, Phase, Verbosity, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import HypothesisException

    @seeded(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def trial_of_the_law(trial: Trial) -> None:
        visit(trial)

    try:
        trial_of_the_law()
    except HypothesisException:
        # Flaky: the model answered differently when asked again. What was
        # recorded at the first answer stands.
        if not shrink:
            raise


def _search_all(recorder: _Recorder, examples: int, seed: int) -> None:
    """Reference frames first, so that few examples see them too; then grown structures."""
    law, context = recorder.law, recorder.context
    parts = context.pool.parts if law.uses_reference else None
    if parts is None or examples < 2:
        _search(law.trials(context), recorder, examples, seed)
        return
    first = math.ceil(REFERENCE_SHARE * examples)
    # Variants draw different grown structures too, or seven molecules would look at the same ones.
    seed += int(parts[0].digest[:6], 16)
    for pool, share in zip(parts, (first, examples - first), strict=True):
        _search(law.trials(context.drawing_from(pool)), recorder, share, seed)
        if pool.source == "reference":
            recorder.on_reference = recorder.trials
        if recorder.smallest is not None or recorder.refusal is not None:
            return


def run_law(
    law_id: str,
    potential: Potential,
    *,
    structures: StructurePool | None = None,
    strictness: str = "ci",
    seed: int = 0,
    examples: int | None = None,
    alternatives: Mapping[str, Potential] | None = None,
    options: Mapping[str, Parameter] | None = None,
) -> LawResult:
    """Check one law against one model.

    The same model, pool, strictness and seed give the same result. It may be called anywhere,
    in a test or out of one.

    Parameters
    ----------
    law_id : str
        Id of the law, e.g. ``"rotation"``.
    potential : Potential
        The model.
    structures : StructurePool, optional
        Where structures come from; by default grown from the model's species.
    strictness : {"fast", "ci", "thorough"}
        How many trials: see `EXAMPLES`.
    seed : int
        Seed of everything that is drawn.
    examples : int, optional
        Number of trials instead of that of the strictness.
    alternatives : mapping of str to Potential, optional
        The same model loaded otherwise, for the law ``precision``.
    options : mapping, optional
        Settings of one law: ``{"continuity": 2}`` makes a jump of the force slope break
        ``smoothness``.

    Raises
    ------
    MlffError
        Unknown law or strictness; the model raised.
    PoisonedContextError
        The model's GPU is lost to this process; nothing is shrunk on it.
    NotSupportedError
        The model cannot serve this law (no cells, no stress, unknown species).
    VacuousCheckError
        Nothing that was looked at could have broken the law.
    NonFiniteError
        The model answered NaN or infinity.
    """
    law = law_named(law_id)
    if strictness not in EXAMPLES:
        raise MlffError(f"strictness {strictness!r} is none of {', '.join(EXAMPLES)}")
    pool = structures or StructurePool.for_potential(potential)
    context = Context(potential, pool, alternatives, options)
    budget = _SHRINK_TRIALS[strictness] if law.shrinks else 0
    recorder = _Recorder(law, context, budget)
    wanted = law.examples(examples if examples is not None else EXAMPLES[strictness])
    _search_all(recorder, wanted, seed)
    if recorder.refusal is not None:
        raise recorder.refusal
    evidence: dict[str, Parameter] = {
        "examples": recorder.trials,
        "reference_examples": recorder.on_reference,
        "strictness": strictness,
        "seed": seed,
        "model_calls": context.calls,
    }
    for key, value in sorted(recorder.sums.items()):
        evidence[key] = value / max(1, recorder.trials)
    counterexample = None
    if recorder.smallest is not None:
        counterexample = _shrunk(recorder, seed, budget)
    _require_evidence(law, evidence, counterexample)
    if counterexample is not None and recorder.smallest_reading is None:
        raise NonFiniteError(
            f"{law.id}: {potential.info.name} answers NaN or infinity for "
            f"{describe_frames(counterexample.frames)} (seed {seed})"
        )
    worst = recorder.worst
    assert worst is not None  # no trial at all is vacuous, which was raised above
    return LawResult(
        law=law.id,
        excess=float(worst.excess),
        violation=float(worst.violation),
        tolerance=float(worst.tolerance),
        unit=worst.unit,
        headline=(recorder.smallest_reading or worst).headline,
        remark=recorder.remark,
        evidence=evidence,
        counterexample=counterexample,
    )


def _shrunk(recorder: _Recorder, seed: int, budget: int) -> Counterexample:
    assert recorder.smallest is not None
    law = recorder.law
    try:
        fewest_atoms(recorder.smallest, recorder.broken, law.min_atoms, budget)
    except _Stop as stop:
        assert recorder.refusal is not None
        raise recorder.refusal from stop
    source = recorder.context.potential.info.source
    return Counterexample.of(law.id, recorder.smallest, recorder.smallest_reading, seed, source)


def _require_evidence(
    law: Law, evidence: Mapping[str, Parameter], counterexample: Counterexample | None
) -> None:
    if evidence["examples"] == 0:
        raise VacuousCheckError(f"{law.id}: no example was drawn")
    if counterexample is not None:
        return
    for key in law.required_evidence:
        if not float(evidence.get(key, 0.0)) > 0.0:
            raise VacuousCheckError(
                f"{law.id}: {key} is zero over all {evidence['examples']} examples, "
                "so nothing could have broken the law"
            )


def measure_again(counterexample: Counterexample, potential: Potential) -> Reading:
    """Measure a counterexample once more.

    Raises
    ------
    MlffError
        Unknown law; the model raised, refuses the structure or answers NaN.
    """
    law = law_named(counterexample.law)
    pool = StructurePool.for_potential(potential, counterexample.frames)
    pool = replace(pool, periodic=True, stress=True)  # or the law itself says that it is refused
    return measured(law, Context(potential, pool), counterexample.trial)
