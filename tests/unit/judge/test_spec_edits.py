"""What a pull request changes in a spec, case by case."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from support.branches import JUDGE, SPEC, told

from pytest_mlff.judge.changes import changes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("max: 2,", "max: 4,",
         ["threshold loosened: specs/first.yaml: energy_mae: max 2 → 4 meV/atom "
          "(ethanol, uracil)"]),
        ("max: 1, unit: meV/atom", "max: 3, unit: meV/atom",
         ["threshold loosened: specs/first.yaml: energy_mae: max 1 → 3 meV/atom (aspirin)"]),
        ("max: 5,", "max: 50,",
         ["threshold loosened: specs/first.yaml: force_mae[C]: max 5 → 50 meV/Å "
          "(aspirin, ethanol, uracil)",
          "threshold loosened: specs/first.yaml: force_mae[H]: max 5 → 50 meV/Å "
          "(aspirin, ethanol, uracil)"]),
        # The same limit, by another rule: H is now one of those that nothing else names.
        ("species: [C, H]", "species: [C]",
         ["threshold loosened: specs/first.yaml: force_mae[H]: max 5 → 9 meV/Å "
          "(aspirin, ethanol, uracil)"]),
        ("where: molecule == 'aspirin'", "where: molecule == 'uracil'",
         ["threshold loosened: specs/first.yaml: energy_mae: max 1 → 2 meV/atom (aspirin)",
          "stricter: specs/first.yaml: energy_mae: max 2 → 1 meV/atom (uracil)"]),
        ("margin: 0.02", "margin: 0.2", ["margin widened: specs/first.yaml: margin 0.02 → 0.2"]),
        ("margin: 0.02\n", "", ["stricter: specs/first.yaml: margin 0.02 → 0.01"]),
        ("[ethanol, aspirin, uracil]", "[ethanol, aspirin]",
         ["case removed: specs/first.yaml: energy_mae: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae[C]: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae[H]: is gone (uracil)",
          "case removed: specs/first.yaml: force_mae[each]: is gone (uracil)",
          "case removed: specs/first.yaml: rotation: is gone (uracil)"]),
        ("species: [all, each]", "species: [each]",
         ["case removed: specs/first.yaml: force_mae: is gone (aspirin, ethanol, uracil)"]),
        ("examples: 10", "examples: 1",
         ["spec setting: specs/first.yaml: rotation: options examples=10 → examples=1 "
          "(aspirin, ethanol, uracil)"]),
        ("cases:", "seed: 7\ncases:", ["spec setting: specs/first.yaml: seed 0 → 7"]),
        ("cases:", "undecided_bound: 0.15\ncases:",
         ["spec setting: specs/first.yaml: undecided_bound 0.2 → 0.15"]),
        ("  embedded:\n", "  rmd17:\n  embedded:\n",
         ["dataset changed: specs/first.yaml: first dataset embedded → rmd17"]),
        ("title: Errors", "title: The errors", []),
        ("reference: made for this test}", "reference: said otherwise}", []),
        ("axes:", "axes: # of molecules", []),
        # What an anchor holds counts where it is named.
        ("margin: 0.02", "undecided_bound: &wide 0.15\nmargin: *wide",
         ["margin widened: specs/first.yaml: margin 0.02 → 0.15",
          "spec setting: specs/first.yaml: undecided_bound 0.2 → 0.15"]),
    ],
)  # fmt: skip
def test_edits_of_a_spec(
    branches: tuple[Path, Path], old: str, new: str, expected: list[str]
) -> None:
    assert old in SPEC
    (branches[1] / "specs" / "first.yaml").write_text(SPEC.replace(old, new), encoding="utf-8")
    assert told(branches) == expected


def test_of_many_variants_three_are_named(branches: tuple[Path, Path]) -> None:
    for root, most in zip(branches, (2, 4), strict=True):
        text = SPEC.replace("uracil]", "uracil, toluene, benzene]")
        text = text.replace("max: 2,", f"max: {most},")
        (root / "specs" / "first.yaml").write_text(text, encoding="utf-8")
    assert told(branches) == [
        "threshold loosened: specs/first.yaml: energy_mae: max 2 → 4 meV/atom "
        "(benzene, ethanol, toluene and 1 more)"
    ]


def test_other_frames(branches: tuple[Path, Path]) -> None:
    text = SPEC.replace("start: 90", "start: 80")
    (branches[1] / "specs" / "first.yaml").write_text(text, encoding="utf-8")
    found = changes(JUDGE, *branches)
    assert {edit.kind for edit in found} == {"frames changed"}
    assert "start=90.0" in found[0].what
    assert "start=80.0" in found[0].what


def test_other_data_under_the_same_name(branches: tuple[Path, Path]) -> None:
    text = SPEC.replace("  embedded:\n", "  mine: {path: water.npz, units: eV}\n")
    for root, content in zip(branches, (b"one", b"two"), strict=True):
        (root / "specs" / "first.yaml").write_text(text, encoding="utf-8")
        (root / "specs" / "water.npz").write_bytes(content)
    (one,) = changes(JUDGE, *branches)
    assert one.kind == "dataset changed"
    assert one.what.startswith("mine: content ")


RECORD = """\
schema_version: 1
title: our helium
format: extxyz
units: Hartree, Bohr
files: "{system}.xyz"
systems: {cold: {species: [He], atoms: 1}, warm: {species: [He], atoms: 1}}
level_of_theory: HF
licence: CC-BY-4.0
citation: ours
"""


def test_other_data_beside_a_record_of_the_repository(branches: tuple[Path, Path]) -> None:
    text = SPEC.replace("  embedded:\n", "  embedded:\n  ours:\n")
    for root in branches:
        (root / "pyproject.toml").write_text("")
        (root / "specs" / "first.yaml").write_text(text, encoding="utf-8")
        (root / "datasets").mkdir()
        (root / "datasets" / "ours.yaml").write_text(RECORD)
        for system in ("cold", "warm"):
            (root / "datasets" / f"{system}.xyz").write_text("1\n\nHe 0 0 1\n")
    assert told(branches) == []
    (branches[1] / "datasets" / "warm.xyz").write_text("1\n\nHe 0 0 2\n")
    (one,) = changes(JUDGE, *branches)
    assert (one.kind, one.what.partition(" record ")[0]) == ("dataset changed", "ours:")


@pytest.mark.parametrize("limit, kind", [(0.8, "threshold loosened"), (0.95, "stricter")])
def test_a_smallest_acceptable_value(branches: tuple[Path, Path], limit: float, kind: str) -> None:
    """Where larger is better, the lower limit is the looser one."""
    for root, least in zip(branches, (0.9, limit), strict=True):
        text = SPEC + (
            "  - metric: soap_similarity\n"
            f"    thresholds: [{{min: {least}, unit: '1', provenance: *why}}]\n"
        )
        (root / "specs" / "first.yaml").write_text(text, encoding="utf-8")
    (one,) = changes(JUDGE, *branches)
    assert one.kind == kind
    assert one.what.startswith(f"min 0.9 → {limit} ")


OF_FORCES = """\
    thresholds:
      - {max: 5, unit: meV/Å, species: [C, H], provenance: *why}
      - {max: 9, unit: meV/Å, provenance: *why}
"""


def test_a_case_that_is_reported_and_no_longer_held_to_anything(
    branches: tuple[Path, Path],
) -> None:
    base, head = branches
    (head / "specs" / "first.yaml").write_text(SPEC.replace(OF_FORCES, ""), encoding="utf-8")
    found = changes(JUDGE, base, head)
    assert {(edit.kind, edit.size) for edit in found} == {("threshold loosened", math.inf)}
    assert {edit.what for edit in found} == {
        f"max {limit} → none meV/Å (aspirin, ethanol, uracil)" for limit in (5, 9)
    }
    # The other way round more is asked for.
    assert [edit.kind for edit in changes(JUDGE, head, base)] == ["stricter"] * len(found)


def test_a_dataset_that_a_spec_no_longer_names(branches: tuple[Path, Path]) -> None:
    text = SPEC.replace("  embedded:\n", "  embedded:\n  rmd17: {level_of_theory: PBE}\n")
    (branches[0] / "specs" / "first.yaml").write_text(text, encoding="utf-8")
    found = changes(JUDGE, *branches)
    assert {edit.kind for edit in found} == {"dataset changed"}
    assert {edit.what for edit in found} == {
        f"rmd17: no {key} any more" for key in ("there", "level_of_theory", "record")
    }
