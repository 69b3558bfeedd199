"""One case at a time against all at once: the same specs are red."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.gate.baseline import family_of
from pytest_mlff.statistics.evidence import FrameSeries
from pytest_mlff.statistics.multiple_tests import holm, judge_regressions
from pytest_mlff.statistics.paired import ALPHA, PairedComparison, compare_paired


def comparison(factor: float, seed: int, n: int = 300) -> PairedComparison:
    rng = np.random.default_rng(seed)
    base = rng.gamma(4.0, 10.0, n)
    errors = factor * base + 12.0 * rng.normal(size=n)
    ones, order = np.ones(n), np.arange(n)
    return compare_paired(
        FrameSeries(np.abs(errors), ones, order, (n,)), FrameSeries(base, ones, order, (n,))
    )


def test_missing_tests_count_as_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        p = list(rng.uniform(size=rng.integers(1, 8)) ** 3)
        missing = int(rng.integers(0, 5))
        padded = holm([*p, *[1.0] * missing])[: len(p)]
        assert holm(p, len(p) + missing) == pytest.approx(padded, rel=1e-15)
        assert holm(p, 1) == holm(p)


@pytest.mark.parametrize("missing", [0, 3])
def test_a_spec_is_red_case_by_case_where_it_is_red_as_a_whole(missing: int) -> None:
    """That any case is rejected does not depend on judging them together; which ones may."""
    red = extra = 0
    for repeat in range(60):
        one = {f"s/p/v/m{i}": comparison(1.04, 10 * repeat + i) for i in range(4)}
        size = len(one) + missing
        together = judge_regressions(one, tests=size)
        alone = {
            name: judge_regressions({name: compared}, tests=size)[name]
            for name, compared in one.items()
        }
        by_item = {name for name, found in alone.items() if found.regressed}
        as_whole = {name for name, found in together.items() if found.regressed}
        assert by_item <= as_whole
        assert bool(by_item) == bool(as_whole)
        red += bool(by_item)
        extra += len(as_whole - by_item)
        for name in one:
            assert alone[name].p == together[name].p
            p = alone[name].p
            assert (alone[name].word == "worse") == (p is not None and size * p <= ALPHA)
    # The cases are such that all outcomes occur; later steps gain little in a large family.
    assert 0 < red < 60
    assert extra > 0 or missing


def test_a_share_of_alpha_bounds_and_detectable_effect() -> None:
    one = comparison(1.05, 3)
    wide = judge_regressions({"a": one}, tests=10)["a"]
    narrow = judge_regressions({"a": one})["a"]
    assert wide.lower < narrow.lower
    assert wide.minimum_detectable > narrow.minimum_detectable
    assert wide.lower == one.bounds(ALPHA / 10)[0]


def test_a_family_is_a_spec_and_its_pooled_cases_are_one_of_their_own() -> None:
    assert family_of("suite/spec/variant/force_mae[C]") == "suite/spec"
    assert family_of("suite/spec/other/energy_mae") == "suite/spec"
    assert family_of("suite/spec/pooled/force_mae") == "suite/spec/pooled"
