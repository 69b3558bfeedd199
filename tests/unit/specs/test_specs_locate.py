"""Finding specs by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.specs import builtin_folder, find_specs, load_spec, locate
from pytest_mlff.specs.locate import suite_and_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of specs in the place of the builtin one."""
    folder = tmp_path / "benchmark_specs"
    for name in (
        "quick",
        "saibench/time_extrapolation",
        "saibench/cross_molecule",
        "laws/rotation",
    ):
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("title: x\n")
    monkeypatch.setattr(locate, "builtin_folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return folder


def names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize(
    "asked, found",
    [
        (["quick"], ["quick.yaml"]),
        (["saibench"], ["saibench/cross_molecule.yaml", "saibench/time_extrapolation.yaml"]),
        (["saibench/"], ["saibench/cross_molecule.yaml", "saibench/time_extrapolation.yaml"]),
        (["saibench/time_extrapolation"], ["saibench/time_extrapolation.yaml"]),
        (["saibench/time_extrapolation", "quick", "saibench"],
         ["saibench/time_extrapolation.yaml", "quick.yaml", "saibench/cross_molecule.yaml"]),
        (["benchmark_specs/quick.yaml", "quick"], ["quick.yaml"]),
        ([], []),
    ],
)  # fmt: skip
def test_names(folder: Path, tmp_path: Path, asked: list[str], found: list[str]) -> None:
    assert names(find_specs(asked, tmp_path), folder) == found


CHOICES = (
    "(suites: laws, laws/rotation, quick, saibench, saibench/cross_molecule, "
    "saibench/time_extrapolation; or a path to your own .yaml file)"
)


@pytest.mark.parametrize(
    "asked, message",
    [
        ("quik", f"unknown suite 'quik'; did you mean 'quick'? {CHOICES}"),
        ("saibench/time_extrapolatoin",
         "unknown suite 'saibench/time_extrapolatoin'; did you mean "
         f"'saibench/time_extrapolation'? {CHOICES}"),
        ("rotation", f"unknown suite 'rotation'; did you mean 'laws/rotation'? {CHOICES}"),
        ("xyz", f"unknown suite 'xyz' {CHOICES}"),
        ("", f"unknown suite '' {CHOICES}"),
        ("~nobody-has-this-name/x.yaml", f"no spec file ~nobody-has-this-name/x.yaml {CHOICES}"),
        ("x" * 5000 + ".yaml", f"no spec file {'x' * 5000}.yaml {CHOICES}"),
        ("../benchmark_specs", f"unknown suite '../benchmark_specs' {CHOICES}"),
        ("saibench/time_extrapolation.yaml",
         "no spec file saibench/time_extrapolation.yaml; did you mean "
         f"'saibench/time_extrapolation'? {CHOICES}"),
    ],
)  # fmt: skip
def test_unknown_names(folder: Path, tmp_path: Path, asked: str, message: str) -> None:
    with pytest.raises(MlffError) as caught:
        find_specs([asked], tmp_path)
    assert str(caught.value) == message


def test_own_file_relative_and_absolute(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "project" / "checks" / "mine.yml"
    own.parent.mkdir(parents=True)
    own.write_text("title: x\n")
    assert find_specs(["checks/mine.yml"], tmp_path / "project") == (own,)
    assert find_specs([str(own), "checks/../checks/mine.yml"], own.parents[1]) == (own,)
    assert suite_and_name(own) == ("checks", "mine")


@pytest.mark.parametrize(
    "path, expected",
    [
        ("quick.yaml", ("quick", "quick")),
        ("saibench/time_extrapolation.yaml", ("saibench", "time_extrapolation")),
        ("../my project/a [1].yaml", ("my_project", "a_1_")),
        ("/alone.yaml", ("alone", "alone")),
    ],
)
def test_suite_and_name(folder: Path, path: str, expected: tuple[str, str]) -> None:
    assert suite_and_name(folder / path) == expected


def test_two_files_with_the_same_ids(folder: Path, tmp_path: Path) -> None:
    for parent in ("one", "two"):
        (tmp_path / parent / "x").mkdir(parents=True)
        (tmp_path / parent / "x" / "s.yaml").write_text("title: x\n")
    with pytest.raises(MlffError) as caught:
        find_specs(["one/x/s.yaml", "two/x/s.yaml"], tmp_path)
    assert str(caught.value) == (
        "one/x/s.yaml and two/x/s.yaml are both called x/s: rename one, or run them one after "
        "the other"
    )


def test_builtin_folder_and_quick() -> None:
    assert builtin_folder().name == "benchmark_specs"
    (path,) = find_specs(["quick"], Path("/"))
    spec = load_spec(path)
    assert (spec.suite, spec.name) == ("quick", "quick")


def test_folder_inside_the_package_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "pytest_mlff"
    (package / "specs").mkdir(parents=True)
    monkeypatch.setattr(locate, "__file__", str(package / "specs" / "locate.py"))
    with pytest.raises(MlffError, match=r"^no benchmark_specs folder"):
        builtin_folder()
    (package.parent / "benchmark_specs").mkdir()
    assert builtin_folder() == package.parent / "benchmark_specs"
    (package / "benchmark_specs").mkdir()
    assert builtin_folder() == package / "benchmark_specs"
