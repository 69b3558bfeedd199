"""What the first spec of ``mlff init`` judges on: embedded frames, or the user's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.specs.template import SAFE_ID

if TYPE_CHECKING:
    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.frames import Frames

MOLECULES: Final = ("ethanol", "malonaldehyde", "uracil")
"""Small embedded molecules that hold C, H, N and O."""
_START: Final = 90
"""Begin of the test window in percent: the shipped demo model never saw what lies behind."""
_FEWEST_REPLICAS: Final = 5
_FEWEST_FRAMES: Final = 31


@dataclass(frozen=True)
class Ground:
    """The frames that a first spec judges on.

    Attributes
    ----------
    systems : tuple of str
        Variants, one a system.
    lines : tuple of str
        The part of the spec that says where frames are and how they are cut.
    metrics : tuple of str
        What can be asked of them.
    source : str
        Whose frames they are.
    comment : tuple of str
        Lines that the spec begins with.
    remarks : tuple of str
        What the user has to know of them.
    own : bool
        Whether they are the user's own.
    """

    systems: tuple[str, ...]
    lines: tuple[str, ...]
    metrics: tuple[str, ...]
    source: str
    comment: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    own: bool = True

    def only(self, systems: Sequence[str]) -> Ground:
        """The same without the other systems."""
        was, now = _axis(self.systems), _axis(systems)
        lines = tuple(now if line == was else line for line in self.lines)
        return replace(self, systems=tuple(systems), lines=lines)

    def elsewhere(self, folder: Path) -> Ground:
        """The same for a spec outside of the repository: paths of own files from its folder."""
        start = json.dumps(f"{folder}/", ensure_ascii=False)[:-1]
        lines = tuple(line.replace('path: "../', f"path: {start}") for line in self.lines)
        return replace(self, lines=lines)


def _axis(systems: Sequence[str]) -> str:
    return f"  system: [{', '.join(map(_quoted, systems))}]"


def _quoted(text: str) -> str:
    return text if text.isidentifier() else json.dumps(text, ensure_ascii=False)


def constant_errors(frames: Frames) -> dict[str, float]:
    """``energy_mae`` (meV/atom), ``force_mae`` (meV/Å) of an energy a composition and no forces."""
    import numpy as np

    from pytest_mlff.units import MEV

    found: dict[str, float] = {}
    if frames.energy is not None:
        sizes = [tuple(np.bincount(atoms.numbers)) for atoms in frames]
        per_atom = np.asarray(frames.energy) / frames.counts
        parts = [
            np.abs(own - own.mean())
            for one in dict.fromkeys(sizes)
            for own in [per_atom[[one == other for other in sizes] & ~np.isnan(per_atom)]]
            if len(own)
        ]
        found["energy_mae"] = MEV * float(np.concatenate(parts).mean())
    if frames.forces is not None:
        found["force_mae"] = MEV * float(np.nanmean(np.abs(frames.forces)))
    return found


def constants_of(spec: Path) -> dict[str, dict[str, float]]:
    """`constant_errors` of the test frames of each variant of a spec."""
    from pytest_mlff.datasets.splits import cut
    from pytest_mlff.run.plan import plan_spec

    planned = plan_spec(spec, None, None)
    return {
        one.id: constant_errors(cut(one, planned.source, planned.others).test_frames)
        for one in planned.variants
    }


def embedded_ground() -> Ground:
    """Small molecules that ship with the package."""
    return Ground(
        systems=MOLECULES,
        lines=(
            "datasets:",
            "  embedded:",
            "axes:",
            _axis(MOLECULES),
            'variant: "{system}"',
            "frames:",
            f'  test: {{systems: "{{system}}", start: {_START}}}',
        ),
        metrics=("energy_mae", "force_mae"),
        source="this repository's own check, after pytest_mlff's quick spec",
        comment=(
            "Written by `mlff init`. The frames are the last tenth of trajectories that ship with",
            "pytest-mlff (GFN2-xTB): a model of another level of theory has other energies and",
            "forces. Gate on your own with `mlff init --data FILE`.",
        ),
        remarks=(
            "the frames are pytest-mlff's own, of GFN2-xTB; a model of another level of theory is "
            "gated on data of its own: mlff init --data FILE",
        ),
        own=False,
    )


def settings(given: Sequence[str]) -> dict[str, Any]:
    """What ``--data-option KEY=VALUE`` says of the file, as a spec says it."""
    import yaml

    found: dict[str, Any] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise MlffError(f"--data-option {one!r}: write KEY=VALUE, e.g. units=kcal/mol")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise MlffError(f"--data-option {one!r}: the value is no YAML") from error
    return found


def own_ground(folder: Path, data: str, told: Mapping[str, Any]) -> Ground:
    """The user's own frames, cut in time or by replica.

    The last fifth of the trajectory is tested; of independent replicas the last fifth, but at
    least five.

    Parameters
    ----------
    folder : Path
        The model repository.
    data : str
        File, folder or glob in it.
    told : mapping
        What a spec may say of a dataset (``units``, ``replica`` …).

    Raises
    ------
    MlffError
        If the files are not there, lie outside, or hold no labels.
    """
    from pydantic import ValidationError

    from pytest_mlff.datasets.registry import open_dataset
    from pytest_mlff.specs.dataset_option import DatasetOption

    place = (folder / data).resolve()
    if not place.is_relative_to(folder):
        raise MlffError(f"--data {data!r} lies outside {folder}: the workflow has the repository")
    path = f"../{place.relative_to(folder).as_posix()}"
    try:
        option = DatasetOption(path=path, **told)
    except (ValidationError, TypeError) as error:
        known = ", ".join(sorted(set(DatasetOption.model_fields) - {"path", "axes", "where"}))
        why = "path: is given by --data"
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise MlffError(f"--data-option: {why} (keys: {known})") from None
    source = open_dataset("ours", option.model_copy(update={"path": str(place)}))
    found = {name: source.load(name) for name in source.molecules}
    said = dict(told)
    by_replica = all(one.frames.replica is not None for one in found.values())
    if not by_replica and "time_ordered" not in said:
        said["time_ordered"] = True
    if not by_replica and not said["time_ordered"]:
        raise MlffError(
            f"--data {data}: frames in no order cannot be cut in time; say what is independent: "
            "--data-option replica=KEY or independent=true"
        )
    cuts, remarks = _cut(found, by_replica)
    entry = "".join(
        f", {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in said.items()
    )
    several = len(found) > 1
    odd = [name for name in found if not SAFE_ID.fullmatch(name)]
    if odd:
        raise MlffError(f"--data {data}: {odd[0]!r} cannot name a system; use letters, digits, ._-")
    named = 'systems: "{system}", ' if several else ""
    test = f"{named}start: {cuts[1]}" if cuts else named.rstrip(", ")
    frames = [f"  test: {{{test}}}"]
    if cuts:
        frames = [
            f"  train: {{{named}end: {cuts[0]}}}",
            f"  validation: {{{named}start: {cuts[0]}, end: {cuts[1]}}}",
            *frames,
        ]
    metrics = tuple(
        metric
        for label, measured in _METRICS.items()
        if all(one.frames.labelled(label).any() for one in found.values())
        for metric in measured
    )
    if not metrics:
        raise MlffError(f"--data {data}: no system has energies or forces that were understood")
    return Ground(
        systems=tuple(found),
        lines=(
            "datasets:",
            f"  ours: {{path: {json.dumps(path, ensure_ascii=False)}{entry}}}",
            *(
                ("axes:", _axis(tuple(found)), 'variant: "{system}"')
                if several
                else (f"variant: {_quoted(next(iter(found)))}",)
            ),
            "frames:",
            *frames,
        ),
        metrics=metrics,
        source="this repository's own data",
        comment=(
            "Written by `mlff init --data`. `mlff specs validate specs/first.yaml` checks edits.",
        ),
        remarks=tuple(remarks),
    )


_METRICS: Final = {
    "energy": ("energy_mae",),
    "forces": ("force_mae", "force_rmse"),
    "stress": ("stress_mae",),
}


def _cut(
    found: Mapping[str, Dataset], by_replica: bool
) -> tuple[tuple[int, int] | None, list[str]]:
    """Percent where validation and test frames begin, and what is to be said of it."""
    import numpy as np

    fewest = min(found, key=lambda name: len(found[name].frames))
    frames = found[fewest].frames
    if not by_replica:
        tested = len(frames) - len(frames) * 80 // 100
        told = [
            "the frames of each file are taken for one trajectory in time order; if they are of "
            "several runs or independent draws, say --data-option replica=KEY or independent=true"
        ]
        if tested < _FEWEST_FRAMES:
            told.append(
                f"{fewest}: {tested} test frames of one trajectory are too few to compare models "
                f"by: {_FEWEST_FRAMES} are the least"
            )
        return (70, 80), told
    n = min(len(set(np.asarray(one.frames.replica).tolist())) for one in found.values())
    tested = max(_FEWEST_REPLICAS, math.ceil(n / 5))
    if n < tested + 2:
        told = [f"{n} replicas are too few to hold some back for training: all are tested"]
        if n < _FEWEST_REPLICAS:
            told.append(f"{n} replicas decide nothing; {_FEWEST_REPLICAS} are the least")
        return None, told
    watched = max(1, n // 10)
    start = math.ceil(100 * (n - tested) / n)
    return (min(start - 1, math.ceil(100 * (n - tested - watched) / n)), start), []
