"""``mlff data list | info | fetch | verify | convert``: datasets by their records."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from pytest_mlff.cli.parts import data_folder, print_table
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from tqdm import tqdm

    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.record import DatasetRecord


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommands; each sets ``run``, which returns the exit code."""
    listing = commands.add_parser(
        "list", help="every dataset that has a record, and what lies here"
    )
    data_folder(listing)
    listing.set_defaults(run=_list)

    info = commands.add_parser("info", help="what is known of a dataset, and of its files here")
    info.add_argument("dataset", metavar="DATASET")
    data_folder(info)
    info.set_defaults(run=_info)

    fetch = commands.add_parser("fetch", help="download a dataset by its DOI or address")
    fetch.add_argument("dataset", metavar="DATASET")
    fetch.add_argument(
        "--system", action="append", default=[], metavar="NAME", help="repeatable; default: all"
    )
    fetch.add_argument(
        "--out", "--data", "--mlff-data", dest="out", type=Path, metavar="DIR",
        help="the data folder (default: the user's cache folder)",
    )  # fmt: skip
    fetch.add_argument(
        "--archive", type=Path, metavar="FILE", help="unpack this download instead of fetching it"
    )
    fetch.add_argument(
        "--yes", action="store_true", help="also where its publisher states no licence"
    )
    fetch.set_defaults(run=_fetch)

    verify = commands.add_parser(
        "verify",
        help="check a dataset against its record, or recompute labels of embedded data",
    )
    verify.add_argument(
        "what", nargs="?", metavar="DATASET|DIR",
        help="a dataset, or a folder made by `generate` (default: the embedded data)",
    )  # fmt: skip
    verify.add_argument("--frames", type=int, default=5, metavar="N", help="per molecule")
    verify.add_argument("--seed", type=int, default=0)
    data_folder(verify)
    verify.set_defaults(run=_verify)

    convert = commands.add_parser("convert", help="write a dataset, or own files, in eV and Å")
    convert.add_argument("source", metavar="DATASET[:SYSTEM]|FILE")
    convert.add_argument("--out", type=Path, required=True, metavar="FILE", help=".extxyz or .npz")
    for name, text in (
        ("units", "of own files, e.g. kcal/mol"),
        ("format", "of own files, where the name does not tell"),
        ("energy-key", "key of energies"),
        ("forces-key", "key of forces"),
        ("stress-key", "key of stress"),
        ("virial-key", "key of virials"),
    ):
        convert.add_argument(f"--{name}", metavar="TEXT", help=text)
    data_folder(convert)
    convert.set_defaults(run=_convert)


def _folder(given: Path | None, record: DatasetRecord | None = None) -> Path:
    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER
    from pytest_mlff.datasets.locations import default_data_dir

    if record is not None and record.embedded:
        return EMBEDDED_FOLDER
    return (given or default_data_dir()).expanduser()


def _list(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets.fetch import missing_systems
    from pytest_mlff.datasets.record import record_named, record_names

    rows = [("dataset", "here", "level of theory", "licence", "title")]
    for name in record_names(Path.cwd()):
        record = record_named(name, Path.cwd())
        here = len(record.systems) - len(missing_systems(record, _folder(options.data, record)))
        levels = {one.level_of_theory for one in record.systems.values()} - {None}
        level = record.level_of_theory or ("by system" if levels else "not stated")
        licence = record.licence or "not stated"
        rows.append((name, f"{here}/{len(record.systems)}", level, licence, record.title))
    print_table(rows)
    print(f"data folder: {_folder(options.data)}")
    return 0


def _loaded(record: DatasetRecord, data: Path | None, system: str) -> Dataset:
    from pytest_mlff.datasets import open_dataset

    # Opened anew each time: a source keeps all that it has loaded.
    return open_dataset(record.name, data_dir=data, spec_dir=Path.cwd()).load(system)


def _info(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets.fetch import missing_systems
    from pytest_mlff.datasets.record import record_named

    record = record_named(options.dataset, Path.cwd())
    print(f"{record.name}: {record.title}")
    facts = {
        "licence": record.stated_licence,
        "level of theory": record.level_of_theory,
        "units": record.units,
        "time step": None if record.timestep_fs is None else f"{record.timestep_fs:g} fs",
        "temperature": None if record.temperature_k is None else f"{record.temperature_k:g} K",
        "cite": record.citation,
    }
    for key, value in facts.items():
        print(f"{key}: {value or 'not known'}")
    for one in record.sources:
        known = f", {one.checksum}" if one.checksum else ", checksum not known" if one.place else ""
        note = f" ({one.note})" if one.note else ""
        print(f"source: {one.file} at {one.place or 'no address known'}{known}{note}")
    for split in record.splits:
        watched = f"; validation: {split.validation}" if split.validation else ""
        print(f"split of {split.by}: train: {split.train}{watched}; test: {split.test}")
    for trap in record.traps:
        print(f"trap: {trap}")
    absent = missing_systems(record, _folder(options.data, record))
    rows = [("system", "atoms", "frames", "span", "level of theory", "digest")]
    for name, system in record.systems.items():
        atoms = "any" if system.atoms is None else str(system.atoms)
        if name in absent:
            rows.append((name, atoms, str(system.frames or "?"), "–", "not here", "–"))
            continue
        try:
            found = _loaded(record, options.data, name)
        except MlffError as error:
            print(f"! {error}", file=sys.stderr)
            rows.append((name, atoms, "?", "–", "damaged", "–"))
            continue
        for note in found.notes:
            print(f"! {found.title}: {note}", file=sys.stderr)
        span = "–" if found.span_ps is None else f"{found.span_ps:.2f} ps"
        frames = str(len(found.frames))
        rows.append((name, atoms, frames, span, found.level_of_theory, found.digest[:12]))
    print_table(rows)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from pytest_mlff.datasets.fetch import checksum_of, fetch, missing_systems, sources_of
    from pytest_mlff.datasets.record import record_named

    record = record_named(options.dataset, Path.cwd())
    for name in options.system:
        if name not in record.systems:
            raise MlffError(
                f"{record.name} has no system {name!r}; it has {', '.join(record.systems)}"
            )
    folder = _folder(options.out, record)
    wanted = tuple(options.system) or tuple(record.systems)
    if not set(wanted) & set(missing_systems(record, folder)):
        print(f"{record.name} is already complete in {folder}")
        return 0
    if record.licence is None and not options.yes:
        raise MlffError(
            f"{record.name}: its publisher states no licence, so you have to know that you may use "
            f"it ({record.citation}); then run the command again with --yes"
        )
    bars: dict[str, tqdm[Never]] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(desc=stage, unit="B", unit_scale=True, disable=None, file=sys.stderr)
        bar = bars[stage]
        bar.total = total or None
        bar.update(done - bar.n)

    try:
        written = fetch(record, folder, wanted, progress=progress, given=options.archive)
    finally:
        for bar in bars.values():
            bar.close()
    unchecked = {one.file for one in sources_of(record, wanted) if one.checksum is None}
    for path in written:
        said = (
            f" (no checksum is known; it is {checksum_of(path)})" if path.name in unchecked else ""
        )
        print(f"{path}{said}")
    for one in sources_of(record, wanted):
        if one.note:
            print(f"! {one.file}: {one.note}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, GATE_FOLDER
    from pytest_mlff.datasets.record import record_named, record_names

    what: str | None = options.what
    if what not in (None, "embedded", "gate") and what in record_names(Path.cwd()):
        record = record_named(str(what), Path.cwd())
        failed = [name for name in record.systems if not _as_recorded(record, options.data, name)]
        return 1 if failed else 0
    ours = {"embedded": EMBEDDED_FOLDER, "gate": GATE_FOLDER}
    named = "embedded" if what is None else what
    return _relabelled(ours.get(named, Path(named)), options.frames, options.seed)


def _as_recorded(record: DatasetRecord, data: Path | None, system: str) -> bool:
    """Print how a system's file compares with the record; absence is no failure."""
    from pytest_mlff.datasets.fetch import checksum_of
    from pytest_mlff.datasets.locations import find_system

    said = record.systems[system]
    try:
        path = find_system(record, system, _folder(data, record))
    except MlffError as error:
        if "not found" not in str(error):
            raise
        print(f"absent {record.name} {system}")
        return True
    faults = []
    for one in record.sources:
        if one.checksum is not None and one.file == path.name and not one.members:
            found = checksum_of(path, one.checksum.partition(":")[0])
            if found != one.checksum:
                faults.append(f"{found} is not the published {one.checksum}")
    try:
        frames = _loaded(record, data, system).frames
    except MlffError as error:
        faults.append(str(error))
    else:
        if said.atoms is not None and set(frames.counts.tolist()) != {said.atoms}:
            faults.append(f"{sorted(set(frames.counts.tolist()))} atoms, not {said.atoms}")
        if said.frames is not None and len(frames) != said.frames:
            faults.append(f"{len(frames)} frames, not {said.frames}")
        labels = [name for name in ("energy", "forces", "stress") if frames.labelled(name).any()]
        if not labels:
            faults.append("no labels")
    if faults:
        print(f"FAILED {path}: {'; '.join(faults)}")
    else:
        print(f"ok     {path}: {len(frames)} frames with {', '.join(labels)}, as its record says")
    return not faults


def _relabelled(folder: Path, frames: int, seed: int) -> int:
    from pytest_mlff.datasets.record import record_names
    from pytest_mlff.datasets.relabel import relabel

    if frames < 1:
        raise MlffError("--frames: must be 1 or more")
    if not folder.is_dir():
        known = ", ".join(record_names(Path.cwd()))
        raise MlffError(f"{folder}: no such folder, and no dataset ({known})")
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise MlffError(f"{folder}: holds no .npz file")
    failed = 0
    for path in paths:
        try:
            found = relabel(path, frames, seed)
        except MlffError as error:
            failed += 1
            print(f"FAILED {error}")
            continue
        failed += not found.passed
        print(
            f"{'ok    ' if found.passed else 'FAILED'} {path}: digest right; {len(found.frames)} "
            f"frames relabelled, largest difference {found.energy_error:.1e} eV, "
            f"{found.force_error:.1e} eV/Å"
        )
    return 1 if failed else 0


def opened(source: str, said: Mapping[str, Any], data: Path | None) -> list[Dataset]:
    """The systems that ``DATASET[:SYSTEM]`` or a path of own files names.

    Parameters
    ----------
    source : str
        As on the command line.
    said : mapping
        What the command line says of the files, by the keys of specs.
    data : Path or None
        Where published datasets lie.

    Raises
    ------
    MlffError
        If there is none, or a file is not in order.
    """
    from pytest_mlff.datasets import open_dataset
    from pytest_mlff.datasets.record import record_names
    from pytest_mlff.specs import DatasetOption

    name, _, system = source.partition(":")
    if name in record_names(Path.cwd()) and not Path(source).exists():
        found = open_dataset(name, DatasetOption(**said), data_dir=data, spec_dir=Path.cwd())
    else:
        system = ""
        option = DatasetOption(path=source, **said)
        found = open_dataset("own", option, spec_dir=Path.cwd())
    if system and system not in found.molecules:
        raise MlffError(f"{name} has no system {system!r}; it has {', '.join(found.molecules)}")
    return [found.load(one) for one in ([system] if system else found.molecules)]


def _convert(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets import Frames
    from pytest_mlff.datasets.export import write_frames

    said = {
        key: getattr(options, key)
        for key in ("units", "format", "energy_key", "forces_key", "stress_key", "virial_key")
        if getattr(options, key) is not None
    }
    datasets = opened(options.source, said, options.data)
    frames = Frames.concatenate([one.frames for one in datasets])
    levels = ", ".join(sorted({one.level_of_theory for one in datasets}))
    write_frames(frames, options.out, levels)
    held = [one for one in ("energy", "forces", "stress") if frames.labelled(one).any()]
    print(f"{options.out}: {len(frames)} frames with {', '.join(held) or 'no labels'}, in eV and Å")
    return 0
