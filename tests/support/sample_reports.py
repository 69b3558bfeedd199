"""Made-up reports for tests of whatever reads one: made by formula, with noise from a seed.

The numbers are invented, but shaped like real ones: errors fall with more samples, rise
with the time between training window and test, and fall with similarity; every kind of
verdict and of missing value occurs.
"""

from __future__ import annotations

import functools
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.reports.model import (
    CaseRecord,
    LossPoint,
    ModelRecord,
    Report,
    RunRecord,
    StructureRecord,
    TrainingRecord,
    VariantRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LETTERS", "SPECIES", "TRAIN_SETS", "many_cases", "saibench_report", "structure"]

LETTERS = {
    "a": "aspirin", "b": "ethanol", "c": "malonaldehyde", "d": "naphthalene",
    "e": "salicylic_acid", "f": "toluene", "g": "uracil",
}  # fmt: skip
SPECIES = {"a": "CHO", "b": "CHO", "c": "CHO", "d": "CH", "e": "CHO", "f": "CH", "g": "CHNO"}
TRAIN_SETS = (
    "f", "b", "a", "ab", "bc", "de", "abg", "abd", "cef", "abeg", "bcdf", "abce", "abceg",
    "abcde", "bcdef",
)  # fmt: skip
COUNTS = (200, 400, 600, 800, 1000, 15000, 50000)
DATASET = "rmd17"
TRAJECTORY = 45_000  # frames: 50,000 never fit, 15,000 not into a window of 30 %
_FACTOR = {None: 1.0, "C": 1.15, "H": 0.7, "O": 1.3, "N": 1.2}


@functools.cache
def _trajectory(molecule: str) -> tuple[tuple[str, ...], np.ndarray]:
    found = read_trajectory(EMBEDDED_FOLDER / f"{molecule}.npz")
    return tuple(chemical_symbols[n] for n in found.numbers), found.positions


def structure(
    molecule: str, frame: int, error: float | None = None, seed: int = 0, note: str = ""
) -> StructureRecord:
    """A frame of the embedded data; with ``error`` (meV/Å) its atoms have errors about it."""
    symbols, positions = _trajectory(molecule)
    frame %= len(positions)
    rng = np.random.default_rng([seed, frame])
    errors = None
    if error is not None:
        errors = [round(float(e), 3) for e in error * rng.gamma(2.0, 0.6, len(symbols))]
    return StructureRecord(
        symbols=list(symbols),
        positions=[[round(float(x), 5) for x in row] for row in positions[frame]],
        note=note or f"{molecule}, frame {frame} of the test: largest error of the forces",
        atom_errors=errors,
    )


ROLES = {
    "train_start": "start", "train_end": "size", "train_count": "samples",
    "train_systems": "train_set", "test_systems": "test_molecule",
}  # fmt: skip


class _Maker:
    """Collects the records of one report."""

    def __init__(self, models: Sequence[str], seed: int) -> None:
        self.models = models
        self.seed = seed
        self.cases: list[CaseRecord] = []
        self.variants: list[VariantRecord] = []
        self.trainings: list[TrainingRecord] = []

    def rng(self, *names: object) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(repr(names).encode())])

    def variant(self, spec: str, name: str, axes: dict[str, Any], **fields: Any) -> VariantRecord:
        made = VariantRecord(
            suite="saibench", spec=spec, variant=name, dataset=DATASET, axes=axes, roles=ROLES,
            test_window=fields.pop("test_window", [90.0, 100.0]), **fields,
        )  # fmt: skip
        self.variants.append(made)
        return made

    def case(
        self, variant: VariantRecord, model: str | None, metric: str, unit: str,
        value: float | None, threshold: float | None, species: str | None = None,
        relative: float = 0.03, interval: bool = True, **fields: Any,
    ) -> CaseRecord:  # fmt: skip
        """One case; the verdict follows from value and threshold unless given."""
        bracket = f"[{species}]" if species else ""
        if variant.unsupported:
            value, fields["verdict"], fields["reason"] = None, "unsupported", variant.unsupported
        verdict, reason = "passed", "reported only"
        low = high = None
        if value is not None:
            if interval:
                low, high = value * (1 - relative), value * (1 + 1.15 * relative)
            if threshold is not None and value > threshold:
                verdict, reason = "failed", f"{value:.4g} > {threshold:.4g} {unit}"
            elif threshold is not None:
                reason = f"{value:.4g} ≤ {threshold:.4g} {unit}"
        content: dict[str, Any] = {
            "case_id": f"saibench/{variant.spec}/{variant.variant}/{metric}{bracket}",
            "suite": variant.suite, "spec": variant.spec, "variant": variant.variant,
            "metric": metric, "species": species, "model": model, "dataset": variant.dataset,
            "value": value, "unit": unit, "n_frames": None if value is None else variant.n_test,
            "n_atoms": None if value is None else 21 * (variant.n_test or 0),
            "ci_low": low, "ci_high": high, "threshold": threshold,
            "threshold_provenance": None if threshold is None
            else "own_baseline: shipped recipe, 400 frames, 3 seeds, plus its spread",
            "baseline": None, "regressed": None, "verdict": verdict, "reason": reason,
            "seconds": None if value is None else 0.8,
            "nodeid": f"saibench/{variant.spec}.yaml::test_accuracy[{model}:saibench/{variant.spec}"
            f"/{variant.variant}/{metric}{bracket}]",
            "evidence": {},
        }  # fmt: skip
        made = CaseRecord(**{**content, **fields})
        self.cases.append(made)
        return made

    def errors(
        self, variant: VariantRecord, model: str, force: float, energy: float, test: str,
        limits: tuple[float, float], species: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Force MAE over all atoms and per species, and energy MAE."""
        factor = 1.0 + 0.25 * self.models.index(model)
        for symbol in (None, *species):
            noise = math.exp(self.rng(variant.variant, model, symbol).normal(0, 0.03))
            value = force * factor * _FACTOR[symbol] * noise
            worst = None
            if symbol is None and not variant.unsupported:
                frame = zlib.crc32(variant.variant.encode()) % 500
                worst = structure(LETTERS[test], frame, 3 * value, self.seed)
            self.case(
                variant, model, "force_mae", "meV/Å", value,
                limits[0] * (1.3 if symbol else 1.0), symbol, worst_frame=worst,
            )  # fmt: skip
        noise = math.exp(self.rng(variant.variant, model, "E").normal(0, 0.05))
        self.case(
            variant, model, "energy_mae", "meV/atom", energy * factor * noise, limits[1],
            relative=0.08,
        )  # fmt: skip

    def training(self, variant: VariantRecord, model: str, level: float) -> None:
        if variant.unsupported:
            return
        rng = self.rng("loss", variant.variant, model)
        steps = [1, 3, 10, 30, *range(100, 2001, 100)]
        losses = [level * (1 + 60 / (1 + step / 12)) for step in steps]
        points = [
            LossPoint(
                step=step, seconds=0.03 * step,
                train_loss=loss * math.exp(rng.normal(0, 0.12)),
                validation=loss * 1.1 * math.exp(rng.normal(0, 0.04)) if step >= 100 else None,
            )
            for step, loss in zip(steps, losses, strict=True)
        ]  # fmt: skip
        cross = variant.spec == "cross_molecule"
        self.trainings.append(
            TrainingRecord(
                model=model, suite=variant.suite, spec=variant.spec, variant=variant.variant,
                digest=f"{zlib.crc32(f'{model}{variant.variant}'.encode()):08x}" * 8,
                trainer="nequip", seed=self.seed, budget_seconds=60.0, seconds=60.4,
                steps=steps[-1], loss=points,
                reference_energies={"C": -50.2, "H": -11.3, "O": -101.7} if cross else {},
                reference_note="rank-deficient: solution of minimum norm" if cross else "",
            )
        )  # fmt: skip


def _sample_efficiency(maker: _Maker) -> None:
    held = round(0.9 * TRAJECTORY)
    for n in COUNTS:
        fits = n <= held
        variant = maker.variant(
            "sample_efficiency", f"aspirin-n{n}", {"samples": n},
            train_molecules=["aspirin"], test_molecules=["aspirin"], train_window=[0.0, 90.0],
            n_train=n if fits else None, n_test=TRAJECTORY // 10 if fits else None,
            unsupported=None if fits else f"{n} frames asked for, the window 0–90 % of aspirin "
            f"holds {held}",
        )  # fmt: skip
        maker.case(
            variant, None, "train_test_overlap", "1", 0.0, 0.0, interval=False,
            reason="no test frame in train",
        )  # fmt: skip
        for model in maker.models:
            maker.errors(variant, model, 900 * n**-0.42, 70 * n**-0.5, "a", (60.0, 4.0), "CHO")
            maker.training(variant, model, 3.0 * n**-0.4)


def _time_extrapolation(maker: _Maker) -> None:
    for start in (0, 15, 30, 45, 60):
        for size in (30, 45, 60, 75, 90):
            if start + size > 90:
                continue
            gap = (90 - start - size) / 100
            for n in (1000, 15000):
                held = TRAJECTORY * size // 100
                fits = n <= held
                variant = maker.variant(
                    "time_extrapolation", f"aspirin-start{start}-size{size}-n{n}",
                    {"start": start, "size": size, "samples": n},
                    train_molecules=["aspirin"], test_molecules=["aspirin"],
                    train_window=[float(start), float(start + size)],
                    n_train=n if fits else None, n_test=TRAJECTORY // 10 if fits else None,
                    unsupported=None if fits else f"{n} frames asked for, the window "
                    f"{start}–{start + size} % of aspirin holds {held}",
                )  # fmt: skip
                level = 900 * n**-0.42 * (1 + 0.8 * gap) * (1 - 0.15 * size / 90)
                for model in maker.models:
                    maker.errors(variant, model, level, level / 12, "a", (70.0, 6.0), "CHO")
                    maker.training(variant, model, level / 20)
                wobble = maker.rng("soap", start, size).normal(0, 0.003)
                maker.case(
                    variant, None, "soap_similarity", "1", 0.985 - 0.09 * gap + wobble, None,
                    relative=0.002,
                )  # fmt: skip


def _cross_molecule(maker: _Maker) -> None:
    for train in TRAIN_SETS:
        known = {symbol for letter in train for symbol in SPECIES[letter]}
        first = True
        for test, species in SPECIES.items():
            if test in train or not set(species) <= known:
                continue
            variant = maker.variant(
                "cross_molecule", f"train-{train}-test-{test}",
                {"train_set": train, "test_molecule": test},
                train_molecules=[LETTERS[letter] for letter in train],
                test_molecules=[LETTERS[test]], train_window=[0.0, 100.0],
                test_window=[0.0, 100.0], n_train=1000 * len(train), n_test=1000,
            )  # fmt: skip
            spread = math.exp(maker.rng("pair", train, test).normal(0, 0.35))
            level = 900.0 / len(train) ** 0.8 * spread
            for model in maker.models:
                maker.errors(variant, model, level, level / 2, test, (450.0, 240.0))
                if first:  # one training serves all test molecules
                    maker.training(variant, model, 0.2)
            first = False


def _oddities(maker: _Maker) -> None:
    """Verdicts and gaps that a tidy formula never makes."""
    model = maker.models[0]

    def change(case_id: str, **fields: Any) -> None:
        for index, case in enumerate(maker.cases):
            if case.case_id == f"saibench/{case_id}" and case.model in (model, None):
                maker.cases[index] = case.model_copy(update=fields)

    change(
        "sample_efficiency/aspirin-n800/force_mae[O]",
        ci_low=None, ci_high=None,
        evidence={"undecided": "too few frames for an interval: 37, needs about 210"},
    )  # fmt: skip
    change(
        "sample_efficiency/aspirin-n600/energy_mae",
        baseline=1.9, regressed=True, verdict="regressed",
        reason="worse than the baseline by +0.95 (95 % interval +0.6 … +1.3) meV/atom",
    )  # fmt: skip
    change(
        "cross_molecule/train-cef-test-a/force_mae",
        value=None, ci_low=None, ci_high=None, n_frames=None, n_atoms=None, verdict="error",
        reason="the model returned NaN for 3 of 1000 frames", worst_frame=None,
        detail="frames 17, 401, 733: forces are NaN\nfirst: atom 4 (O)",
    )  # fmt: skip
    change(
        "sample_efficiency/aspirin-n400/train_test_overlap",
        value=2.0, verdict="failed",
        reason="data: 2 test frames stand in train (frames 120, 4031)",
    )  # fmt: skip
    law = VariantRecord(
        suite="laws", spec="rotation", variant="ethanol", dataset="embedded",
        axes={"molecule": "ethanol"}, train_molecules=[], test_molecules=["ethanol"],
        train_window=None, test_window=[90.0, 100.0], n_train=None, n_test=200,
    )  # fmt: skip
    maker.variants.append(law)
    maker.case(
        law, model, "rotation", "1", 37.4, 1.0, interval=False, suite="laws",
        case_id="laws/rotation/ethanol/rotation", dataset="embedded",
        threshold_provenance="physical_limit: holds exactly in physics",
        nodeid="laws/rotation.yaml::test_law[laws/rotation/ethanol/rotation]",
        evidence={"violation": 12.1, "tolerance": 0.32, "violation_unit": "meV/Å", "seed": 0},
        counterexample=structure("ethanol", 42, note="smallest structure that breaks rotation"),
        detail="largest violation 12.1 meV/Å, tolerance 0.32 meV/Å\n25 examples, seed 0",
    )  # fmt: skip


def _run(cases: Sequence[CaseRecord], models: Sequence[str], seed: int) -> RunRecord:
    bad = any(case.verdict in ("failed", "regressed", "error") for case in cases)
    return RunRecord(
        started="2026-03-01T09:30:00+00:00", seconds=1834.2, exit_code=1 if bad else 0,
        versions={"pytest_mlff": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0"}, device="cpu",
        dtype="float32", seeds={"laws": seed}, platform={"system": "Linux", "machine": "x86_64"},
        spec_digests={f"{c.suite}/{c.spec}": "ab" * 32 for c in cases},
        data_digests={f"{DATASET}/aspirin": "cd" * 32},
        model_digests=dict.fromkeys(models, "ef" * 32), collected=len(cases),
    )  # fmt: skip


def _model(name: str) -> ModelRecord:
    return ModelRecord(
        name=name, source=f"recipes/{name}.yaml", family="nequip", digest="ef" * 32,
        species=["C", "H", "N", "O"], cutoff=5.0, device="cpu", dtype="float32",
        versions={"nequip": "0.19.1"},
    )  # fmt: skip


def saibench_report(models: Sequence[str] = ("model",), seed: int = 0) -> Report:
    """All three SAIBench specs and one law: 7 + 30 + 44 + 1 variants.

    Errors, an interval that is undecided, a regression, unsupported sizes, failed data and
    a broken law with its counterexample come in all of them; later models are worse.
    """
    maker = _Maker(tuple(models), seed)
    _sample_efficiency(maker)
    _time_extrapolation(maker)
    _cross_molecule(maker)
    _oddities(maker)
    return Report(
        run=_run(maker.cases, models, seed),
        models=[_model(name) for name in models],
        cases=maker.cases,
        variants=maker.variants,
        trainings=maker.trainings,
    )


def many_cases(n: int = 5000, seed: int = 0) -> Report:
    """A report of exactly ``n`` cases of one spec, for whatever has to cope with many."""
    maker = _Maker(("model",), seed)
    rng = np.random.default_rng(seed)
    kinds = (("force_mae", None), ("force_mae", "C"), ("force_mae", "H"), ("energy_mae", None))
    for index in range(n):
        number, kind = divmod(index, len(kinds))
        molecule = list(LETTERS.values())[number % len(LETTERS)]
        if kind == 0:
            refused = "20 frames asked for, the window holds 12" if number % 50 == 49 else None
            variant = maker.variant(
                "many", f"{molecule}-t{number}", {"temperature": number},
                train_molecules=[molecule], test_molecules=[molecule], train_window=[0.0, 90.0],
                n_train=None if refused else 20, n_test=100, unsupported=refused,
            )  # fmt: skip
        metric, species = kinds[kind]
        force = metric == "force_mae"
        value = float((30.0 if force else 2.0) * rng.gamma(9.0, 0.1))
        maker.case(
            variant, "model", metric, "meV/Å" if force else "meV/atom", value,
            40.0 if force else 3.0, species,
        )  # fmt: skip
    return Report(
        run=_run(maker.cases, ("model",), seed),
        models=[_model("model")],
        cases=maker.cases,
        variants=maker.variants,
    )
