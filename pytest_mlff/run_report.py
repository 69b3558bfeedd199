"""What a run says of itself: its header, and its report put together."""

from __future__ import annotations

import hashlib
import platform
import sys
from typing import TYPE_CHECKING

from pytest_mlff.reports.environment import installed
from pytest_mlff.reports.model import ModelRecord, Report, RunRecord
from pytest_mlff.specs.metric_ids import LAW_IDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlff.potentials.protocol import PotentialInfo
    from pytest_mlff.reports.model import CaseRecord
    from pytest_mlff.session import Session

__all__ = ["build_report", "header"]


def _loaded(session: Session) -> list[PotentialInfo]:
    return [one.info for one in session.evaluation.loaded]


def header(session: Session, *, loaded: bool) -> list[str]:
    """Lines for the head of pytest's output: models with digests, suites with counts."""
    lines = []
    if loaded:
        for info in _loaded(session):
            digest = f"sha256 {info.digest[:12]}" if info.digest else "no digest"
            lines.append(
                f"mlff: model {info.name} ({info.family}, {digest}, {info.device}, {info.dtype})"
            )
    for planned in session.plan:
        variants = len(planned.variants)
        lines.append(
            f"mlff: spec {planned.spec.suite}/{planned.spec.name} on {planned.source.name}: "
            f"{variants} variant{'s' if variants != 1 else ''}, {len(planned.cases)} cases"
        )
    if any(case.metric in LAW_IDS for planned in session.plan for case in planned.cases):
        strictness = session.options.strictness or "ci unless a spec says otherwise"
        lines.append(f"mlff: laws: seed {session.options.seed}, strictness {strictness}")
    return lines + [f"mlff: warning: {line}" for line in session.warnings]


def build_report(
    session: Session, records: Sequence[CaseRecord], exit_code: int, seconds: float
) -> Report:
    """Put a run together as a report."""
    infos = _loaded(session)
    options = session.options
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
                f"{p.source.name}/{molecule}": p.source.load(molecule).digest
                for p in session.plan
                for molecule in sorted({m for v in p.variants for m in p.test_molecules(v)})
            },
            model_digests={info.name: info.digest for info in infos},
            collected=len(session.expected),
        ),
        models=[
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
    )
