"""What a case that did not pass says to whoever has to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlff.reports.terminal import change, measurement
from pytest_mlff.units import in_unit

if TYPE_CHECKING:
    from pytest_mlff.gate.outcome import Outcome
    from pytest_mlff.reports.model import CaseRecord


def shorten(report: Any, name: str) -> None:
    """Head the failure with the case, and leave the reason where pytest sums up in one line.

    Parameters
    ----------
    report : TestReport
        Of a case; its failure section keeps all lines.
    name : str
        What the reports call the case.
    """
    report.location = (*report.location[:2], name)
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = (
            crash.message.partition("\n")[0].removeprefix("Failed: ").removeprefix("failed: ")
        )


def explain(outcome: Outcome, record: CaseRecord) -> str:
    """Several aligned lines: verdict, value, threshold, baseline, frames and the worst of them."""
    rows = []
    if record.model is not None:
        rows.append(("model", record.model))
    if "violation_unit" in record.evidence:
        # The reason says it in physical units; this is the number that tables and baselines hold.
        rows.append(("excess", f"{measurement(record)}, the violation over what rounding explains"))
    elif record.value is not None:
        rows.append(("measured", in_unit(measurement(record), record.unit)))
    if record.threshold is not None and "violation_unit" not in record.evidence:
        limit = in_unit(record.limit, record.unit)
        rows.append(("threshold", f"{limit} ({record.threshold_provenance})"))
    if record.baseline is not None:
        before = in_unit(f"{record.baseline:.4g}", record.unit)
        rows.append(("baseline", f"{before} ({change(record)})"))
    if record.n_atoms:
        rows.append(("frames", f"{record.n_frames} of {record.dataset}, {record.n_atoms} atoms"))
    if "worst_frame" in record.evidence:
        worst = record.evidence
        rows.append(
            (
                "worst frame",
                f"{worst['worst_frame']} with "
                + in_unit(f"{worst['worst_frame_value']:.4g}", record.unit)
                + (f", of {group}" if (group := worst.get("worst_frame_group")) else ""),
            )
        )
    lines = [f"{record.verdict}: {record.reason}"]
    lines += [f"  {name:<12} {text}" for name, text in rows]
    lines += [f"  {line}" for line in outcome.detail.splitlines()]
    return "\n".join(lines)
