"""The end of a gated run: per-frame values for the report, what is said aloud, the update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import family_of, spec_of

if TYPE_CHECKING:
    from pytest_mlff.gate.records import KeptCase
    from pytest_mlff.gate.update import Update
    from pytest_mlff.reports import model as reports
    from pytest_mlff.run.baselines import RegressionGate
    from pytest_mlff.run.options import Located

_SHOWN = 5
_WORDS = ("worse", "undecided", "better", "same")


@dataclass(frozen=True)
class Notice:
    """A line for the terminal; an alarm is shown in red."""

    text: str
    alarm: bool = False


@dataclass
class KeptValues:
    """Per-frame values of the run's cases, in the form in which they are written.

    Arrays are known by content, so that what cases share is held once.
    """

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)

    def add(self, label: str, case_id: str, entry: Mapping[str, Any], arrays: Any) -> None:
        """Keep one case of a model."""
        self.entries.setdefault(label, {})[case_id] = dict(entry)
        self.arrays.update(arrays)

    def residuals(
        self, sidecar: str, model_digests: Mapping[str, str | None]
    ) -> tuple[dict[str, Any] | None, bytes | None]:
        """``residuals`` of a report and the bytes of its sidecar; None where nothing was kept."""
        if not self.entries:
            return None, None
        from pytest_mlff.gate.files import seal_entries

        return seal_entries(self.entries, self.arrays, sidecar, model_digests)

    def records(self, label: str) -> list[KeptCase]:
        """Records of a model's cases."""
        from pytest_mlff.gate.records import unpack

        kept = self.entries.get(label, {})
        return [unpack(name, entry, self.arrays) for name, entry in kept.items()]


def _of_model(
    gate: RegressionGate, source: Located, cases: Iterable[reports.CaseRecord]
) -> list[reports.CaseRecord]:
    planned = gate.session.by_nodeid
    return [
        case
        for case in cases
        if (one := planned.get(case.nodeid)) is not None and one.source == source
    ]


def _few(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def closing_lines(gate: RegressionGate, cases: Iterable[reports.CaseRecord]) -> list[Notice]:
    """What a gated run says beside its verdicts: how much was compared, and what was not."""
    found: list[Notice] = []
    everything = list(cases)
    for source in gate.options.models:
        name = gate.named(source)
        if name is not None:
            found += _lines(gate, source, name, _of_model(gate, source, everything))
    return found


def _lines(
    gate: RegressionGate, source: Located, name: str, cases: Sequence[reports.CaseRecord]
) -> list[Notice]:
    baseline = gate.baseline(source)
    known = set() if baseline is None else set(baseline.cases)
    label = gate.label(source)
    compared = [case for case in cases if case.baseline is not None]
    words = Counter(case.against for case in compared)
    comparable = [case for case in cases if case.case_id in gate.session_cases]
    new = [case.case_id for case in comparable if case.value is not None]
    new = [one for one in new if known and one not in known]
    told = ", ".join(f"{words[word]} {word}" for word in _WORDS if words[word]) or "none compared"
    text = f"{label} against {name}: {len(compared)} cases: {told}"
    if compared and all("identical checkpoint" in case.reason for case in compared):
        text = f"identical checkpoint: {text}"
    lines = [Notice(text, alarm=bool(words["worse"]))]
    if words["better"] and not gate.options.update_baseline:
        lines.append(Notice("tighten the baseline by what is better: --mlff-update-baseline"))
    if len(compared) == words["undecided"]:
        lines.append(Notice("nothing could be told from it, so a regression would go unseen", True))
    if new:
        lines.append(Notice(f"not in {name}: {_few(new)}"))
    planned = gate.session_specs
    orphans = [one for one in sorted(known) if one not in gate.session_cases]
    here = [one for one in orphans if spec_of(one) in planned]
    if here:
        lines.append(Notice(f"{name} has entries that no case has any more: {_few(here)}", True))
    if len(here) < len(orphans):
        specs = sorted({spec_of(one) for one in orphans} - planned)
        lines.append(Notice(f"{name} has entries of specs outside of this run: {_few(specs)}"))
    later = _later_steps(compared)
    if later:
        lines.append(
            Notice(
                "taken together with the cases of its spec that regressed (Holm), also worse: "
                f"{_few(later)}",
                True,
            )
        )
    return lines


def _later_steps(compared: Iterable[reports.CaseRecord]) -> list[str]:
    """Cases that only the later steps of Holm's procedure reject."""
    from pytest_mlff.statistics.multiple_tests import holm
    from pytest_mlff.statistics.paired import ALPHA

    specs: dict[str, list[reports.CaseRecord]] = {}
    for case in compared:
        if "baseline_p" in case.evidence:
            specs.setdefault(family_of(case.case_id), []).append(case)
    found = []
    for cases in specs.values():
        tests = int(cases[0].evidence["baseline_tests"])
        adjusted = holm([float(case.evidence["baseline_p"]) for case in cases], tests)
        found += [
            case.case_id
            for case, p in zip(cases, adjusted, strict=True)
            if p <= ALPHA and not case.regressed
        ]
    return sorted(found)


def update_baselines(
    gate: RegressionGate, kept: KeptValues, cases: Iterable[reports.CaseRecord]
) -> tuple[list[Notice], bool]:
    """Take a run's measured cases into the baselines of its models.

    Lines of what changed, and whether every file was written.
    """
    lines: list[Notice] = []
    written = True
    everything = list(cases)
    for source in gate.options.models:
        try:
            lines += _update(gate, kept, source, _of_model(gate, source, everything))
        except MlffError as error:
            lines.append(Notice(str(error), alarm=True))
            written = False
    return lines, written


def _update(
    gate: RegressionGate,
    kept: KeptValues,
    source: Located,
    cases: Sequence[reports.CaseRecord],
) -> list[Notice]:
    from pytest_mlff.gate.baseline import save_baseline
    from pytest_mlff.gate.update import update_baseline
    from pytest_mlff.run.baselines import margin_of

    baseline = gate.baseline(source)
    records = kept.records(gate.label(source))
    if baseline is None or not records:
        return [
            Notice(f"{gate.label(source)}: nothing was measured, no baseline was changed", True)
        ]
    planned = gate.session.by_nodeid
    done = update_baseline(
        baseline,
        records,
        model_digest=gate.digest(source),
        accept_regression=gate.options.accept_regression,
        today=gate.session.started.date(),
        # Entries of specs outside of this run are none of its business.
        collected=gate.session_cases
        | {one for one in baseline.cases if spec_of(one) not in gate.session_specs},
        margin={case.case_id: margin_of(planned[case.nodeid]) for case in cases},
        tests={family_of(one.case.case_id): gate.size_of(one) for one in planned.values()},
    )
    save_baseline(done.baseline)
    return _changes(done)


def _changes(done: Update) -> list[Notice]:
    counts = Counter(change.kind for change in done.changes)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    lines = [Notice(f"baseline {done.baseline.path}: {told}")]
    for change in done.changes:
        loud = change.kind in ("refused", "orphaned")
        if change.kind == "kept" and "--mlff-accept-regression" not in change.reason:
            continue
        if change.kind == "added" and counts["added"] > _SHOWN:
            continue
        values = " → ".join(
            f"{value:.4g}" for value in (change.before, change.after) if value is not None
        )
        lines.append(Notice(f"  {change.kind} {change.case_id} ({values}): {change.reason}", loud))
    return lines
