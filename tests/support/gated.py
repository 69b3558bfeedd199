"""Models and a spec for tests of the gate: errors of known size on many independent frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.repos import SUPPORT, read_json

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester, RunResult

MODELS = """

class _Seeded(Knows):
    \"\"\"Errors drawn anew for each frame, in energies (meV) and forces (meV/Å).\"\"\"

    def __init__(self, size: float, seed: int, forces: float = 1.0) -> None:
        super().__init__()
        self.size, self.seed, self.forces = size, seed, forces

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        number = self._index.get(atoms.positions.tobytes(), 0)
        # Part of an error belongs to the frame, part to the model: seeds are alike, not equal.
        common, own = np.random.default_rng(number), np.random.default_rng([self.seed, number])
        shape = self.results["forces"].shape
        noise = 0.8 * common.normal(size=shape) + 0.6 * own.normal(size=shape)
        shift = 0.8 * common.normal() + 0.6 * own.normal()
        self.results["energy"] += self.size * shift * 0.1 * len(atoms)
        self.results["forces"] = self.results["forces"] + self.forces * self.size * noise


def base():
    return _Seeded(0.010, 1)


def typed(dtype):
    return base()


def reseeded():
    return _Seeded(0.010, 2)


def worse():
    return _Seeded(0.016, 3)


def better():
    return _Seeded(0.008, 4)


def slightly_worse():
    return _Seeded(0.0112, 5, forces=0.92)


class _Blind(_Seeded):
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"] * np.nan


def blind():
    return _Blind(0.010, 1)
"""

SPEC = """\
schema_version: 1
title: Last frames of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  molecule: [ethanol]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 85}
cases:
  - metric: energy_mae
    thresholds: [{max: 100, unit: meV/atom, provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
  - metric: force_mae
    species: [all, each]
    thresholds: [{max: 100, unit: meV/Å, provenance: *limit}]
"""
IDS = tuple(
    f"specs/small/ethanol/{name}"
    for name in ("energy_mae", "force_mae", "force_mae[C]", "force_mae[H]", "force_mae[O]")
)


def gated_repo(pytester: Pytester, spec: str = SPEC) -> Path:
    """A model repository with ``gated.py`` and ``specs/small.yaml``."""
    root = pytester.path
    text = (SUPPORT / "models.py").read_text(encoding="utf-8")
    (root / "gated.py").write_text(text + MODELS, encoding="utf-8")
    (root / "specs").mkdir(exist_ok=True)
    (root / "specs" / "small.yaml").write_text(spec, encoding="utf-8")
    return root


def gate_run(
    pytester: Pytester, model: str, *arguments: str, report: str | None = "report.json", **how: Any
) -> RunResult:
    """Run the small spec on a model of ``gated.py`` (or on a path)."""
    source = model if "/" in model or "." in model else f"gated.py:{model}"
    written = () if report is None else (f"--mlff-report={report}",)
    return pytester.runpytest_inprocess(
        f"--mlff-model={source}", "--mlff-suite=specs/small.yaml", *written, *arguments, **how
    )


def cases(pytester: Pytester, report: str = "report.json") -> dict[str, dict[str, Any]]:
    """Cases of a report by their id."""
    return {case["case_id"]: case for case in read_json(pytester.path / report)["cases"]}


def only_line(result: RunResult) -> str:
    """The one line of a usage error."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [one for one in result.stderr.lines if one.strip()]
    assert "Traceback" not in result.stdout.str()
    return line
