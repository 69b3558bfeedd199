"""The key `simulate`: what it may say, and which metrics need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.run.plan import plan_spec
from pytest_mlff.run.simulations import settings_of
from pytest_mlff.specs import cases_of, expand, load_spec

if TYPE_CHECKING:
    from conftest import Writer

CASE = ("metric: force_mae\n    species: [all, each]", "metric: rdf_jsd")
UNIT = ("unit: meV/Å", 'unit: "1"')
SIMULATE = (
    "simulate: {ensemble: nvt_langevin, temperature: 300, timestep: 0.5, ps: 1, stride: 10, "
    "replicas: 4}\n"
)


def with_key(text: str) -> tuple[str, str]:
    return ("cases:\n", f"{text}cases:\n")


def test_what_a_spec_asks_for_becomes_settings(write_spec: Writer) -> None:
    spec = load_spec(write_spec(CASE, UNIT, with_key(SIMULATE)))
    assert spec.simulate is not None
    settings = settings_of(spec.simulate, seed=7)
    assert (settings.ensemble, settings.steps, settings.stride) == ("nvt_langevin", 2000, 10)
    assert (settings.temperature_k, settings.timestep_fs) == (300.0, 0.5)
    assert (settings.replicas, settings.n_starts, settings.seed) == (4, 4, 7)


@pytest.mark.parametrize("strictness, steps", [("", 2000), ("ci", 2000), ("thorough", 6000)])
def test_a_thorough_run_simulates_longer(write_spec: Writer, strictness: str, steps: int) -> None:
    text = SIMULATE.replace("ps: 1", "ps: 1, thorough_ps: 3")
    spec = plan_spec(write_spec(CASE, UNIT, with_key(text)), None, None, strictness).spec
    assert spec.simulate is not None
    assert spec.simulate.n_steps == steps
    # A run of the usual length is comparable with those of a spec that names no other.
    plain = plan_spec(write_spec(CASE, UNIT, with_key(SIMULATE)), None, None, strictness).spec
    assert (spec.simulate == plain.simulate) == (strictness != "thorough")


@pytest.mark.parametrize(
    "old, new, said",
    [
        (SIMULATE, "", r"cases\[0\]\.metric: rdf_jsd needs the key simulate"),
        ("ps: 1", "ps: 1, steps: 20", "give one of them"),
        ("ps: 1, ", "", "give either steps or ps"),
        ("ps: 1", "steps: 25", r"must be a multiple of stride \(10\), is 25"),
        ("replicas: 4", "replicas: 1", "replicas"),
        ("replicas: 4", "replicas: 4, starts: 5", r"must not be above replicas \(4\), is 5"),
        ("replicas: 4", "replicas: 4, skip: 1", "must be below the simulated time of 1 ps"),
        ("ps: 1", "ps: 1, thorough_ps: 1", "must be above the simulated time of 1 ps, is 1"),
        ("nvt_langevin", "npt", "ensemble"),
        ("replicas: 4", "replicas: 4, oracle: 'lab:make'", "oracle_level: is missing; say what"),
        ("replicas: 4", "replicas: 4, oracle: emt, oracle_level: EMT", "oracle_level: goes with"),
        ("temperature: 300", "temperature: 0", "temperature"),
    ],
)
def test_what_makes_no_sense_is_one_line(write_spec: Writer, old: str, new: str, said: str) -> None:
    path = write_spec(CASE, UNIT, with_key(SIMULATE.replace(old, new)))
    with pytest.raises(MlffError, match=said) as caught:
        load_spec(path)
    assert "spec.yaml:" in str(caught.value).splitlines()[0]


def test_each_takes_the_pairs_that_are_there(write_spec: Writer) -> None:
    pairs = (CASE[0], "metric: rdf_jsd\n    species: [all, each]")
    spec = load_spec(write_spec(pairs, UNIT, with_key(SIMULATE)))
    variant = expand(spec, "rmd17")[0]
    # Two carbons, one oxygen: no pair of oxygens.
    found = [case.name for case in cases_of(variant, ["O", "C", "C"])]
    assert found == ["rdf_jsd", "rdf_jsd[C-C]", "rdf_jsd[C-O]"]


@pytest.mark.parametrize(
    "species, said",
    [
        ("[all, C]", "rdf_jsd is of pairs such as C-H, not of 'C'"),
        ("[H-C]", "'H-C' is no chemical symbol"),
        ("[C-H, each]", "'each' already has every symbol"),
    ],
)
def test_pairs_are_named_in_one_way(write_spec: Writer, species: str, said: str) -> None:
    pairs = (CASE[0], f"metric: rdf_jsd\n    species: {species}")
    with pytest.raises(MlffError, match=said):
        load_spec(write_spec(pairs, UNIT, with_key(SIMULATE)))


def test_errors_of_atoms_are_of_no_pairs(write_spec: Writer) -> None:
    with pytest.raises(MlffError, match="force_mae is not taken over pairs such as 'C-H'"):
        load_spec(write_spec(("species: [all, each]", "species: [all, C-H]")))


def test_a_metric_needs_its_ensemble(write_spec: Writer) -> None:
    drift = (CASE[0], "metric: energy_drift")
    path = write_spec(drift, (UNIT[0], "unit: meV/atom/ps"), with_key(SIMULATE))
    with pytest.raises(MlffError, match="energy_drift needs simulate: ensemble: nve"):
        load_spec(path)


def test_a_simulation_that_nobody_measures_is_an_error(write_spec: Writer) -> None:
    with pytest.raises(MlffError, match="simulate: is of no use"):
        load_spec(write_spec(with_key(SIMULATE)))
