"""What a run says of itself: its header, and its report put together."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlff.metrics.registry import is_law
from pytest_mlff.reports.environment import installed
from pytest_mlff.reports.model import ModelRecord, Report, RunRecord
from pytest_mlff.reports.spreads import spreads_of
from pytest_mlff.run.model_names import infos_told_apart

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import PotentialInfo
    from pytest_mlff.reports.model import CaseRecord
    from pytest_mlff.run.baselines import RegressionGate
    from pytest_mlff.run.session import Session

NOT_JOINED = "specs not run: paths of own tests were given; --mlff-suite=NAME adds them"
"""What a run says whose command line names own tests and no spec."""


def model_line(info: PotentialInfo) -> str:
    """Which model is tested, and where."""
    digest = f"sha256 {info.digest[:12]}" if info.digest else "no digest"
    return f"model {info.name} ({info.family}, {digest}, {info.device}, {info.dtype})"


def header(session: Session, gate: RegressionGate, *, loaded: bool) -> list[str]:
    """Lines for the head of pytest's output: models with digests, baselines, suites."""
    if not session.joins:
        return [f"mlff: {NOT_JOINED}"]
    lines = []
    if loaded:
        lines += [f"mlff: {model_line(one)}" for one in session.evaluation.models.infos.values()]
        for source in session.options.models:
            opened = session.evaluation.models.recipe(source)
            if opened is not None:
                recipe, trainer = opened
                stages = (
                    f", stages {', '.join(recipe.content.stages)}" if recipe.content.stages else ""
                )
                lines.append(
                    f"mlff: recipe {recipe.name} (trainer {trainer.name}, seed "
                    f"{recipe.content.seed}, {recipe.content.budget} s a training{stages})"
                )
        lines += [
            f"mlff: baseline of {gate.label(source)}: {name}"
            for source in session.options.models
            if (name := gate.named(source)) is not None
        ]
    for planned in session.plan:
        variants, cases = len(planned.variants), len(planned.cases)
        lines.append(
            f"mlff: spec {planned.spec.suite}/{planned.spec.name} on {planned.source.name}: "
            f"{variants} variant{'s' if variants != 1 else ''}, "
            f"{cases} case{'s' if cases != 1 else ''}"
        )
    if any(is_law(case.metric) for planned in session.plan for case in planned.cases):
        strictness = session.options.strictness or "ci unless a spec says otherwise"
        lines.append(f"mlff: laws: seed {session.options.seed}, strictness {strictness}")
    return lines + [f"mlff: warning: {line}" for line in session.warnings]


def build_report(
    session: Session,
    gate: RegressionGate,
    records: Sequence[CaseRecord],
    counts: Mapping[str, dict[str, Any]],
    *,
    exit_code: int | None,
    seconds: float,
) -> Report:
    """Put a run together as a report.

    ``counts`` holds predictions against references by node id; ``exit_code`` is None while the run
    goes on, which has taken ``seconds`` so far.
    """
    from pytest_mlff.run.variants import recipe_records, training_records, variant_records

    infos = infos_told_apart(list(session.evaluation.models.infos.values()))
    recipes = recipe_records(session)
    options = session.options
    ended = exit_code is not None
    return Report(
        run=RunRecord(
            started=session.started.isoformat(timespec="seconds"),
            seconds=seconds,
            exit_code=exit_code,
            versions=installed(),
            device=options.device,
            dtype=options.dtype,
            seeds={"laws": options.seed}
            | {f"{p.spec.suite}/{p.spec.name}": p.spec.seed for p in session.plan},
            platform={
                "system": platform.system(),
                "machine": platform.machine(),
                "python": sys.version.split()[0],
            },
            spec_digests={
                f"{p.spec.suite}/{p.spec.name}": hashlib.sha256(p.path.read_bytes()).hexdigest()
                for p in session.plan
            },
            data_digests={
                f"{p.test_source(v).name}/{molecule}": p.test_source(v).load(molecule).digest
                for p in session.plan
                for v in p.variants
                for molecule in p.test_molecules(v)
            },
            model_digests={info.name: info.digest for info in infos}
            | {recipe.name: recipe.digest for recipe in recipes},
            sources=[source.text for source in options.models],
            collected=len(session.expected),
            undecided_blocks=options.undecided == "fail",
            deselected=session.deselected,
            baselines={
                gate.label(source): name
                for source in options.models
                if (name := gate.named(source)) is not None
            },
            git=session.git,
            command=session.command,
        ),
        models=recipes
        + [
            ModelRecord(
                name=info.name,
                source=info.source,
                family=info.family,
                digest=info.digest,
                species=None if info.species is None else list(info.species),
                cutoff=info.cutoff,
                device=info.device,
                dtype=info.dtype,
                versions=dict(info.versions),
            )
            for info in infos
        ],
        cases=list(records),
        # What a killed run leaves need not hold what its specs and its store say anyway.
        variants=variant_records(session) if ended else [],
        trainings=training_records(session) if ended else [],
        spreads=spreads_of(records, counts) if ended else [],
    )
