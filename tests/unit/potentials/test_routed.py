"""The routed potential: frames go to the most similar window, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets import Frames, open_dataset
from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials import (
    Potential,
    PotentialInfo,
    Prediction,
    RecipeFile,
    evaluate,
    load_potential,
    parse_source,
)
from pytest_mlff.potentials.failures import FrameError, UnsupportedFrameError
from pytest_mlff.potentials.routed import RoutedPotential
from pytest_mlff.potentials.source import Card, Routed
from pytest_mlff.similarity import SoapSettings, mean_vector, soap_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytest.importorskip("dscribe")

SETTINGS = SoapSettings(r_cut=4.0, n_max=3, l_max=2, species=("C", "H", "N", "O"))


@dataclass
class LennardJones:
    """Repulsive pairs of a strength of its own; counts what it was asked."""

    epsilon: float
    species: tuple[str, ...] | None = None
    digest: str | None = "0" * 64
    stress: bool = False
    fails_on: bytes = b""
    asked: list[int] = field(default_factory=list)

    @property
    def info(self) -> PotentialInfo:
        return PotentialInfo(
            name=f"lj{self.epsilon:g}", family="fake", source="fake", digest=self.digest,
            species=self.species, cutoff=5.0, device="cpu", dtype="float64", versions={"fake": "1"},
        )  # fmt: skip

    def predict(self, frames: Frames) -> Prediction:
        self.asked.append(len(frames))
        energies, forces = [], []
        for index, atoms in enumerate(frames):
            if self.fails_on == atoms.positions.tobytes():
                raise FrameError(self.info.name, index, "is not to its taste")
            difference = atoms.positions[:, None] - atoms.positions[None]
            square = (difference**2).sum(axis=-1) + np.eye(len(atoms))
            pairs = self.epsilon * (1.0 / square**6) * (1 - np.eye(len(atoms)))
            energies.append(0.5 * pairs.sum())
            forces.append((12.0 * pairs / square)[..., None] * difference)
        return Prediction(
            np.array(energies),
            np.concatenate([one.sum(axis=1) for one in forces]),
            np.full((len(frames), 3, 3), self.epsilon) if self.stress else None,
        )


def embedded(molecule: str, *indices: int) -> Frames:
    return open_dataset("embedded").load(molecule).frames.select(list(indices)).without_labels()


WINDOWS = {name: embedded(name, *range(0, 40, 4)) for name in ("ethanol", "uracil")}


def routed(*members: tuple[LennardJones, Frames], **more: object) -> RoutedPotential:
    pairs = [(one, mean_vector(frames, SETTINGS)) for one, frames in members]
    return RoutedPotential(pairs, SETTINGS, "both", **more)  # type: ignore[arg-type]


def usual(**changes: object) -> tuple[LennardJones, LennardJones, RoutedPotential]:
    weak, strong = LennardJones(1.0), LennardJones(7.0)
    for key, value in changes.items():
        setattr(strong, key, value)
    return weak, strong, routed((weak, WINDOWS["ethanol"]), (strong, WINDOWS["uracil"]))


MIXED = Frames.concatenate(
    [embedded("uracil", 900), embedded("ethanol", 800, 900), embedded("uracil", 1000)]
)


def everywhere_right(potential: Potential, weak: LennardJones, strong: LennardJones) -> bool:
    """Whether uracil goes to the strong and ethanol to the weak model."""
    found = potential.predict(MIXED)
    first, second = weak.predict(MIXED), strong.predict(MIXED)
    by_strong = np.array([True, False, False, True])
    atoms = by_strong[MIXED.frame_of_atom][:, None]
    return np.array_equal(
        found.energy, np.where(by_strong, second.energy, first.energy)
    ) and np.array_equal(found.forces, np.where(atoms, second.forces, first.forces))


def test_frames_go_where_they_must() -> None:
    weak, strong, potential = usual()
    assert isinstance(potential, Potential)
    assert potential.route(MIXED).tolist() == [1, 0, 0, 1]
    potential.predict(MIXED)
    assert weak.asked == [2]
    assert strong.asked == [2]
    assert everywhere_right(potential, weak, strong)


def test_one_that_sends_all_to_the_first_is_caught() -> None:
    weak, strong, potential = usual()

    class First(RoutedPotential):
        def route(self, frames: Frames) -> NDArray[np.int64]:
            return np.zeros(len(frames), dtype=np.int64)

    potential.__class__ = First
    assert not everywhere_right(potential, weak, strong)


def test_the_route_is_that_of_brute_force_over_all_training_frames() -> None:
    windows = [embedded("aspirin", *range(start, start + 200, 20)) for start in (0, 1500, 3000)]
    settings = replace(SETTINGS, species=("C", "H", "O"))
    potential = RoutedPotential(
        [(LennardJones(k), mean_vector(one, settings)) for k, one in enumerate(windows)],
        settings,
        "three",
    )
    test = embedded("aspirin", *range(3600, 4000, 10))
    vectors = soap_vectors(test, settings)
    means = [
        [np.mean([row @ other for other in soap_vectors(one, settings)]) for one in windows]
        for row in vectors
    ]
    expected = np.argmax(means, axis=1)
    assert len(set(expected.tolist())) > 1
    assert np.array_equal(potential.route(test), expected)


def test_a_route_does_not_depend_on_the_batch() -> None:
    # Windows so alike that rounding could decide.
    window = embedded("aspirin", *range(0, 60))
    settings = replace(SETTINGS, species=("C", "H", "O"))
    mean = mean_vector(window, settings)
    rng = np.random.default_rng(0)
    members = [
        (LennardJones(k), mean * (1.0 + 1e-16 * rng.integers(-2, 3, size=len(mean))))
        for k in range(6)
    ]
    potential = RoutedPotential(members, settings, "alike")
    frames = embedded("aspirin", *range(2000, 2060))
    together = potential.route(frames)
    assert len(set(together.tolist())) > 1
    alone = [int(potential.route(frames.select([index]))[0]) for index in range(60)]
    order = rng.permutation(60)
    assert together.tolist() == alone
    assert np.array_equal(potential.route(frames.select(order)), together[order])


def test_ties_go_to_the_first() -> None:
    window = WINDOWS["ethanol"]
    potential = routed((LennardJones(1.0), window), (LennardJones(2.0), window))
    assert potential.route(MIXED).tolist() == [0, 0, 0, 0]


def test_evaluation_in_batches() -> None:
    _, _, potential = usual()
    frames = MIXED.select([0, 1, 2, 3, 3, 1, 0, 2])
    whole = potential.predict(frames)
    for batch in (1, 3, None):
        found = evaluate(potential, frames, batch=batch)
        np.testing.assert_allclose(found.energy, whole.energy, rtol=1e-12)
        np.testing.assert_allclose(found.forces, whole.forces, rtol=1e-10, atol=1e-12)


def test_stress_where_a_member_has_one() -> None:
    _, _, potential = usual(stress=True)
    found = potential.predict(MIXED).stress
    assert found is not None
    assert np.isnan(found[[1, 2]]).all()
    assert (found[[0, 3]] == 7.0).all()
    assert usual()[2].predict(MIXED).stress is None


def test_a_member_gets_only_frames_of_its_species() -> None:
    weak = LennardJones(1.0, species=("C", "H", "O"))
    strong = LennardJones(7.0)
    # The window of the one that does not know N is the more similar one.
    potential = routed((weak, WINDOWS["uracil"]), (strong, WINDOWS["ethanol"]))
    assert potential.route(MIXED).tolist() == [1, 1, 1, 1]
    carbon = replace(MIXED, numbers=np.where(MIXED.numbers == 7, 6, MIXED.numbers))
    assert potential.route(carbon).tolist() == [0, 1, 1, 0]


def test_a_frame_that_no_member_knows_is_not_supported() -> None:
    first, second = LennardJones(1.0, species=("C", "H")), LennardJones(2.0, species=("N", "O"))
    potential = routed((first, WINDOWS["ethanol"]), (second, WINDOWS["uracil"]))
    assert potential.info.species == ("C", "H", "N", "O")
    with pytest.raises(UnsupportedFrameError, match="both: frame 0 holds C, H, N, O; no member"):
        potential.predict(MIXED)


def test_a_species_of_no_window_is_not_supported() -> None:
    numbers = np.where(MIXED.numbers == 8, 16, MIXED.numbers)
    frames = Frames.concatenate([MIXED.select([1]), replace(MIXED, numbers=numbers)])
    with pytest.raises(UnsupportedFrameError, match="frame 1 holds S, which no training window"):
        usual()[2].predict(frames)


def test_a_failure_names_the_frame_of_the_batch() -> None:
    _, _, potential = usual(fails_on=MIXED.select([3]).positions.tobytes())
    with pytest.raises(FrameError, match="lj7: frame 3 is not to its taste"):
        potential.predict(MIXED)
    with pytest.raises(FrameError, match="lj7: frame 3 is not to its taste"):
        evaluate(potential, MIXED, batch=2)


def test_identity() -> None:
    ethanol, uracil = WINDOWS["ethanol"], WINDOWS["uracil"]
    one, two = LennardJones(1.0, digest="1" * 64), LennardJones(2.0, digest="2" * 64)
    digests = [
        routed((one, ethanol), (two, uracil)).info.digest,
        routed((two, ethanol), (one, uracil)).info.digest,
        routed((one, ethanol), (two, ethanol)).info.digest,
        routed((one, ethanol), (two, uracil), window_digests=["a", "b"]).info.digest,
    ]
    assert routed((one, ethanol), (two, uracil)).info.digest == digests[0]
    assert None not in digests
    assert len(set(digests)) == 4
    nameless = routed((one, ethanol), (LennardJones(2.0, digest=None), uracil))
    assert nameless.info.digest is None
    info = nameless.info
    assert (info.name, info.family, info.cutoff, info.dtype) == ("both", "routed", 5.0, "float64")
    assert {"fake", "dscribe"} <= set(info.versions)


def test_members_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(MlffError, match="at least one member"):
        RoutedPotential([], SETTINGS, "none")
    with pytest.raises(MlffError, match=r"mean vector 0 has shape \(3,\), the SOAP settings need"):
        RoutedPotential([(LennardJones(1.0), np.ones(3))], SETTINGS, "short")


# --- the YAML file ---

MODELS = """\
from ase.calculators.lj import LennardJones


def weak():
    return LennardJones(sigma=1.0, epsilon=1.0, rc=6.0)


def strong():
    return LennardJones(sigma=1.0, epsilon=7.0, rc=6.0)
"""
TWO = """\
routed:
  - checkpoint: models.py:weak
    frames: ethanol.extxyz
  - checkpoint: models.py:strong
    spec: quick
    variant: uracil
    dataset: embedded
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    text = extxyz_text(WINDOWS["ethanol"])
    (tmp_path / "ethanol.extxyz").write_text(text, encoding="utf-8")
    return tmp_path


def load(folder: Path, text: str) -> Potential:
    (folder / "two.yaml").write_text(text, encoding="utf-8")
    return load_potential("two.yaml", cwd=folder, device="cpu")


def test_a_file_is_routed_by_its_key(folder: Path) -> None:
    for text, kind in ((TWO, Routed), ("trainer: nequip\n", RecipeFile), ("model: demo", Card)):
        (folder / "two.yaml").write_text(text)
        source = parse_source("two.yaml", cwd=folder, families=())
        assert type(source) is kind
        assert source.text == "two.yaml"


def test_a_file_of_two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Paths start from the file, not from where the command is typed.
    monkeypatch.chdir("/")
    potential = load(folder, TWO)
    assert isinstance(potential, RoutedPotential)
    assert potential.route(MIXED).tolist() == [1, 0, 0, 1]
    assert potential.info.name == "two"
    assert potential.info.digest is None
    assert potential.info.source == "two.yaml"
    assert potential.one_by_one
    strong = load_potential("models.py:strong", cwd=folder)
    np.testing.assert_allclose(
        potential.predict(MIXED).energy[[0, 3]], strong.predict(MIXED.select([0, 3])).energy
    )


def test_two_checkpoints_with_digests(folder: Path) -> None:
    pytest.importorskip("nequip")
    text = "routed:\n- {checkpoint: demo, frames: ethanol.extxyz}\n"
    text += "- {checkpoint: demo, spec: quick, variant: uracil}\n"
    potential, demo = load(folder, text), load_potential("demo", device="cpu")
    assert potential.info.digest is not None
    assert potential.info.digest != demo.info.digest
    assert potential.info.species == ("C", "H", "N", "O")
    found, expected = potential.predict(MIXED), demo.predict(MIXED)
    np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-6)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-4)


WEAK = "routed:\n- checkpoint: models.py:weak\n  "


@pytest.mark.parametrize(
    "text, part",
    [
        ("routed: []\n", "two.yaml:1: routed: must be a list of at least one"),
        ("routed:\n", "two.yaml:1: routed: must be a list"),
        ("routed: [demo]\n", "two.yaml:1: routed[0]: must be a mapping"),
        (TWO + "trainer: nequip\n", "two.yaml:8: trainer: unknown key (keys: routed)"),
        (WEAK + "frame: e.xyz\n", "two.yaml:3: routed[0].frame: unknown key; did you mean"),
        (WEAK + "frames: 3\n", "two.yaml:3: routed[0].frames: must be text, is 3"),
        ("routed:\n- frames: ethanol.extxyz\n", "two.yaml:2: routed[0]: `checkpoint` is missing"),
        ("routed:\n- checkpoint: demo\n", "needs either `frames` or `spec` and `variant`"),
        (WEAK + "frames: a\n  spec: quick\n  variant: uracil\n", "needs either `frames` or `spec`"),
        (WEAK + "spec: quick\n", "`spec` and `variant` belong together"),
        (WEAK + "frames: ethanol.extxyz\n  dataset: embedded\n", "two.yaml:4: routed[0].dataset:"),
        (WEAK + "frames: none.extxyz\n", "none.extxyz: no such file"),
        (WEAK + "spec: quick\n  variant: urasil\n", "no variant 'urasil'; did you mean 'uracil'"),
        (WEAK + "spec: quik\n  variant: uracil\n", "unknown suite 'quik'"),
        (WEAK + "spec: quick\n  variant: uracil\n  dataset: rmd18\n", "rmd18"),
        (TWO.replace("models.py:weak", "none.ckpt"), "no such checkpoint"),
        (TWO.replace("models.py:weak", "models.py:none"), "has no 'none'"),
        (TWO.replace("models.py:weak", "two.yaml"), "a routed source cannot be a"),
        (TWO.replace("models.py:weak", "r.yaml"), "a recipe cannot be a member"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, part: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "r.yaml").write_text("trainer: nequip\n")
    with pytest.raises(MlffError) as caught:
        load(folder, text)
    assert part in str(caught.value)
    assert str(caught.value).startswith("two.yaml:")
    assert "\n" not in str(caught.value)


def test_a_window_that_holds_too_few_frames(folder: Path) -> None:
    spec = """\
schema_version: 1
title: a spec
source: {paper: none, section: none}
datasets: {embedded: {}}
axes: {samples: [9000]}
variant: "n{samples}"
frames:
  train: {molecules: ethanol, end: 85, pick: first, count: samples}
  test: {molecules: ethanol, start: 99}
cases:
  - metric: force_mae
    thresholds: [{max: 50, unit: meV/Å, provenance: {source: paper, reference: none}}]
"""
    (folder / "many.yaml").write_text(spec, encoding="utf-8")
    with pytest.raises(MlffError, match="asks for 9000 frames, its window holds 1700") as caught:
        load(folder, WEAK + "spec: many.yaml\n  variant: n9000\n")
    assert not isinstance(caught.value, NotSupportedError)
