"""Fixtures for a repository's own tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from support.repos import CASES, SUPPORT, model_repo, run_case

if TYPE_CHECKING:
    from pytest import Pytester

DOCS = Path(__file__).parents[2] / "docs"
OWN_TESTS = """
import numpy as np
from hypothesis import given, settings, strategies as st

def test_model(mlff_model):
    assert mlff_model.info.family == "ase"

def test_predictions(mlff_case, mlff_predictions):
    assert mlff_case.case.metric in ("energy_mae", "force_mae")
    frames, prediction = mlff_predictions.frames, mlff_predictions.prediction
    assert prediction.forces.shape == frames.forces.shape
    np.testing.assert_allclose(prediction.energy, frames.energy)

@settings(max_examples=3, deadline=None)
@given(st.integers(0, 3))
def test_with_hypothesis(mlff_model, number):
    assert mlff_model.info.name == "exact"
"""


def test_they_work(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile(OWN_TESTS)
    run_case(pytester).assert_outcomes(passed=CASES + 1 + CASES + 1)


def test_the_page_on_own_tests_runs(pytester: Pytester) -> None:
    model_repo(pytester)
    text = (DOCS / "own-tests.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        (pytester.path / block.split('"""')[1]).write_text(block, encoding="utf-8")
    (law, *_) = re.findall(r"```python\n(.*?)```", (DOCS / "laws.md").read_text("utf-8"), re.DOTALL)
    (pytester.path / "test_law.py").write_text(law, encoding="utf-8")
    told = "--mlff-model=law_models.py:sound", "--mlff-suite=specs/small.yaml"
    models = (SUPPORT / "law_models.py").read_text(encoding="utf-8")
    (pytester.path / "law_models.py").write_text(models, encoding="utf-8")
    shown = pytester.runpytest_inprocess(*told, "test_model.py", "test_law.py", "test_cases.py")
    shown.assert_outcomes(passed=3 + CASES, skipped=CASES)
    run_case(pytester, "test_forces.py").assert_outcomes(passed=2 + CASES)
    # Another model's forces fail them.
    wrong = pytester.runpytest_inprocess(*told, "test_forces.py")
    wrong.assert_outcomes(failed=1, passed=1, skipped=CASES)


def test_without_a_model_they_skip_and_say_why(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile(OWN_TESTS)
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["*needs --mlff-model*"])


def test_models_are_offered_one_after_the_other(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile(
        "def test_name(mlff_model, request):\n"
        "    assert mlff_model.info.name in request.node.name\n"
    )
    result = pytester.runpytest_inprocess(
        "--mlff-model=models.py:exact", "--mlff-model=models.py:scaled", "-k", "test_name",
        "--mlff-suite=specs/small.yaml",
    )  # fmt: skip
    result.assert_outcomes(passed=2, deselected=2 * CASES)


def test_an_adapter_from_a_conftest(pytester: Pytester) -> None:
    model_repo(pytester)
    (pytester.path / "weights.mine").write_text("mine: exact\n")
    pytester.makeconftest(
        """
        import sys
        from pathlib import Path
        sys.path.insert(0, str(Path(__file__).parent))

        class Mine:
            family = "mine"
            extra = "none"
            def recognises(self, kind):
                return kind.path.suffix == ".mine"
            def load(self, kind, options):
                from models import exact
                from pytest_mlff.potentials.families.ase import AsePotential
                return AsePotential.wrap(exact(), source=options.source, name=options.name)

        def pytest_mlff_adapters(config):
            return [Mine()]
        """
    )
    run_case(pytester, model="weights.mine").assert_outcomes(passed=CASES)
