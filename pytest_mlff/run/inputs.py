"""What a case of a run has for its metric to measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.registry import metric_named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.integrity import IntegrityResult
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.metrics.registry import Metric
    from pytest_mlff.metrics.simulated import Simulated
    from pytest_mlff.potentials.protocol import Potential, Prediction
    from pytest_mlff.run.data_checks import Soundness
    from pytest_mlff.run.models import Models
    from pytest_mlff.run.options import Located
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.run.simulations import Simulations
    from pytest_mlff.specs import Case, Scalar
    from pytest_mlff.store import Store


@dataclass(frozen=True, eq=False)
class CaseInputs:
    """The `pytest_mlff.metrics.Inputs` of a case; all cases share passes, checks, simulations."""

    case: Case
    planned: PlannedSpec
    source: Located | None
    sets: FrameSets
    models: Models
    predict: Callable[[Potential, Frames], Prediction]
    checks: Soundness
    store: Store
    simulations: Simulations

    @cached_property
    def metric(self) -> Metric:
        """What is measured."""
        return metric_named(self.case.metric)

    @property
    def species(self) -> str | None:
        """Chemical symbol; None for all atoms."""
        return self.case.species

    @property
    def options(self) -> Mapping[str, Scalar]:
        """Settings of the case in its spec."""
        return self.case.options

    @cached_property
    def members(self) -> NDArray[np.int64] | None:
        """Test frames of the group that the case is of, by their index; None for all."""
        case = self.case
        if case.group_by is None or case.group is None:
            return None
        import numpy as np

        from pytest_mlff.datasets.grouping import groups_of

        return np.flatnonzero(groups_of(self.sets.test, case.group_by) == case.group)

    @cached_property
    def frames(self) -> Frames:
        """Test frames, of the case's group alone where it is of one."""
        frames = self.sets.test_frames
        return frames if self.members is None else frames.select(self.members)

    @property
    def training_frames(self) -> Frames | None:
        """Training frames; None where the spec cuts none."""
        return self.sets.train_frames

    @cached_property
    def potential(self) -> Potential:
        """The loaded model, which knows every species of the test frames."""
        if self.source is None:
            raise MlffError(f"metric {self.metric.id} asks for a model, which it does not need")
        potential = self.models.potential(self.source, self.case.variant.id, self.planned)
        info, species = potential.info, self.frames.species
        missing = [] if info.species is None else [s for s in species if s not in info.species]
        if info.species is not None and missing:
            raise NotSupportedError(
                f"{info.name} does not know {', '.join(missing)} "
                f"(it knows {', '.join(info.species)})"
            )
        if self.frames.pbc.any() and not info.capabilities.get("periodic", True):
            raise NotSupportedError(f"{info.name} does not take periodic cells, says its card")
        return potential

    @property
    def whole(self) -> tuple[Frames, Prediction]:
        """All test frames and the model's pass over them, which serves all cases."""
        frames = self.sets.test_frames
        return frames, self.predict(self.potential, frames)

    @property
    def prediction(self) -> Prediction:
        """What the pass says of `frames`."""
        frames, prediction = self.whole
        return prediction if self.members is None else prediction.select(frames, self.members)

    def set_of(self, name: str) -> tuple[Frames, Prediction]:
        """Another set of frames of the spec, and what the model says of them."""
        frames = self.sets.named[name].frames
        return frames, self.predict(self.potential, frames)

    def measured(self) -> Measurement:
        """The case's measurement, with frames counted in the test set, and groups named."""
        found: Measurement = self.metric.measured(self)
        if self.members is not None:
            found = found.at(self.members)
        if self.case.group_by is None or "worst_frame" not in found.evidence:
            return found
        from pytest_mlff.datasets.grouping import groups_of

        groups = groups_of(self.sets.test, self.case.group_by)
        worst = {"worst_frame_group": str(groups[int(found.evidence["worst_frame"])])}
        return replace(found, evidence={**found.evidence, **worst})

    @property
    def axes(self) -> Mapping[str, Scalar]:
        """Where the variant stands."""
        return self.case.variant.values

    def axis(self, name: str) -> tuple[Scalar, ...]:
        """All values of an axis in this run."""
        if name not in self.axes:
            raise MlffError(f"{self.metric.id} needs an axis {name!r} in its spec")
        return tuple(dict.fromkeys(one.values[name] for one in self.planned.variants))

    def across(self, **axes: Scalar) -> CaseInputs:
        """The same case at the variant with these values that is most like this one."""
        fits = [
            one
            for one in self.planned.variants
            if all(one.values.get(name) == value for name, value in axes.items())
        ]
        alike = [sum(one.values[name] == own for name, own in self.axes.items()) for one in fits]
        best = [one for one, same in zip(fits, alike, strict=True) if same == max(alike)]
        if len(best) != 1:
            asked = ", ".join(f"{name} {value}" for name, value in axes.items())
            found = "no variant" if not best else f"{len(best)} variants alike"
            raise MlffError(f"{self.metric.id}: the spec has {found} with {asked}")
        sets = self.models.frame_sets(self.planned, best[0])
        return replace(self, case=replace(self.case, variant=best[0]), sets=sets)

    def training_cost(self) -> float:
        """Core-seconds of the model's training and all before it."""
        from pytest_mlff.training.runner import stored_result

        job = None
        if self.source is not None and self.potential is not None:  # trained by now
            job = self.models.job(self.source, self.planned, self.case.variant)
        if job is None:
            raise NotSupportedError("a model that no recipe has trained has no cost")
        found = [stored_result(one) for one in job.lineage]
        return sum(one.core_seconds + one.label_seconds for one in found if one is not None)

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn."""
        return self.models.options.seed

    @property
    def strictness(self) -> str | None:
        """What the command line asks of laws."""
        return self.models.options.strictness

    def data_check(self) -> IntegrityResult:
        """What the check of data `metric` finds."""
        return self.checks.check(self.metric.id, self.sets)

    def simulated(self) -> Simulated:
        """The simulation that the spec asks for."""
        variant, plan = self.case.variant, self.planned.spec.simulate
        assert plan is not None  # checked when the spec was read
        return self.simulations.simulated(
            self.potential,
            self.frames,
            plan,
            self.seed,
            level=self.planned.test_level(variant),
            training=self.training_frames,
            folder=self.planned.path.parent,
        )

    def other_precisions(self) -> Mapping[str, Potential]:
        """The same model in its other precisions."""
        assert self.source is not None  # there is a potential
        return self.models.other_precisions(self.source, self.case.variant.id, self.potential)

    def guard(self) -> AbstractContextManager[None]:
        """Within it, a lost GPU is noticed."""
        info = self.potential.info
        return self.models.contexts.guard(info.device, info.name)
