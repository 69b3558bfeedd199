"""``mlff data``: make, list, fetch, check and export data."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Never

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tqdm import tqdm

    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.generate import Protocol

__all__ = ["register"]

# Names are repeated here so that building the parser imports no numpy.
_MOLECULES = (
    "aspirin", "ethanol", "malonaldehyde", "naphthalene", "salicylic_acid", "toluene", "uracil",
)  # fmt: skip


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``mlff data`` and its subcommands; each sets ``run``, which returns the exit code."""
    data = subparsers.add_parser("data", help="make, list, fetch, check and export data")
    commands = data.add_subparsers(dest="data_command", required=True, metavar="COMMAND")

    generate = commands.add_parser(
        "generate", help="make the embedded data anew: GFN2-xTB dynamics (resumable)"
    )
    generate.add_argument(
        "--molecule", action="append", choices=_MOLECULES, help="repeatable; default: all"
    )
    generate.add_argument("--out", type=Path, default=Path("embedded_data"), metavar="DIR")
    generate.add_argument("--jobs", type=_positive, default=1, metavar="N", help="processes")
    generate.add_argument(
        "--frames", type=_positive, metavar="N", help="stored frames (default: as shipped)"
    )
    generate.add_argument(
        "--equilibration", type=float, metavar="FS", help="discarded time in fs before the first"
    )
    generate.add_argument(
        "--replicas",
        type=_positive,
        metavar="N",
        help="N short independent trajectories of each molecule, in one file with an index",
    )
    generate.add_argument("--force", action="store_true", help="make existing files anew")
    generate.set_defaults(run=_generate)

    listing = commands.add_parser("list", help="what data lie where")
    _data_dir(listing)
    listing.set_defaults(run=_list)

    fetch = commands.add_parser("fetch", help="download a published dataset by its DOI")
    fetch.add_argument("dataset", choices=("rmd17",))
    fetch.add_argument("--out", type=Path, metavar="DIR", help="default: the user's cache folder")
    fetch.add_argument(
        "--archive", type=Path, metavar="FILE", help="unpack this download instead of fetching it"
    )
    fetch.set_defaults(run=_fetch)

    verify = commands.add_parser(
        "verify", help="check digests and recompute labels of a seeded sample"
    )
    verify.add_argument(
        "folder", type=Path, nargs="?", metavar="DIR", help="default: embedded data"
    )
    verify.add_argument("--frames", type=_positive, default=5, metavar="N", help="per molecule")
    verify.add_argument("--seed", type=int, default=0)
    verify.set_defaults(run=_verify)

    export = commands.add_parser("export", help="write the exact frames of a fixture variant")
    export.add_argument("spec", metavar="SPEC", help="e.g. saibench/sample_efficiency or a path")
    export.add_argument("variant", metavar="VARIANT", help="e.g. aspirin-n200")
    export.add_argument("--format", choices=("extxyz", "npz"), default="extxyz")
    export.add_argument("--out", type=Path, required=True, metavar="DIR")
    export.add_argument("--dataset", metavar="NAME", help="default: the spec's first")
    _data_dir(export)
    export.set_defaults(run=_export)


def _data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", "--mlff-data", dest="data", type=Path, metavar="DIR",
        help="where published datasets lie (default: the user's cache folder)",
    )  # fmt: skip


def _generate(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets import oracle
    from pytest_mlff.datasets.generate import default_protocol, molecule_named

    oracle.calculator()  # says at once what is not installed
    names = tuple(dict.fromkeys(options.molecule or _MOLECULES))
    if options.replicas is None:
        return _make(options, options.out, {n: default_protocol(molecule_named(n)) for n in names})
    from pytest_mlff.datasets.replicas import folder_of, pack_replicas, replica_protocol

    folders = [folder_of(options.out, number) for number in range(options.replicas)]
    for number, folder in enumerate(folders):
        code = _make(options, folder, dict.fromkeys(names, replica_protocol(number)))
        if code:
            return code
    for name in names:
        target = options.out / f"{name}.npz"
        pack_replicas([folder / f"{name}.npz" for folder in folders], target)
        print(target)
    return 0


def _make(options: argparse.Namespace, out: Path, wanted: dict[str, Protocol]) -> int:
    """Generate one trajectory of each molecule into a folder, unless it is there."""
    from tqdm import tqdm

    from pytest_mlff.datasets.workers import generate_all

    asked = {"frames": options.frames, "equilibration_fs": options.equilibration}
    asked = {key: value for key, value in asked.items() if value is not None}
    protocols = {}
    for name, protocol in wanted.items():
        target = out / f"{name}.npz"
        if target.exists() and not options.force:
            print(f"{target}: already there (--force makes it anew)")
        else:
            protocols[name] = replace(protocol, **asked)
    if not protocols:
        return 0
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MlffError(f"{out}: cannot be made ({error.strerror})") from error
    done = dict.fromkeys(protocols, 0)
    total = sum(protocol.frames for protocol in protocols.values())
    with tqdm(total=total, unit="frame", disable=None, file=sys.stderr) as bar:

        def progress(name: str, frames: int) -> None:
            done[name] = frames
            bar.set_postfix_str(name, refresh=False)
            bar.update(sum(done.values()) - bar.n)

        try:
            written = generate_all(protocols, out, options.jobs, progress)
        except KeyboardInterrupt:
            bar.close()
            print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
            return 130
        except OSError as error:
            raise MlffError(f"{out}: cannot be written ({error.strerror})") from error
    for path in written:
        print(path)
    return 0


def _present(data_dir: Path | None) -> Iterator[tuple[str, Dataset]]:
    """Title and content of every dataset that lies here."""
    from pytest_mlff.datasets import open_dataset
    from pytest_mlff.specs import BUILTIN_DATASETS

    for name in BUILTIN_DATASETS:
        for molecule in open_dataset(name, data_dir=data_dir).molecules:
            try:
                # Opened anew each time: a source keeps all that it has loaded.
                dataset = open_dataset(name, data_dir=data_dir).load(molecule)
            except MlffError as error:
                # Absence is what this command reports; damage is not.
                if "not found" not in str(error) and "no such" not in str(error):
                    print(f"! {error}", file=sys.stderr)
                continue
            yield molecule, dataset


def _list(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets import default_data_dir

    rows = [("dataset", "molecule", "frames", "span", "level of theory", "licence", "digest")]
    files: dict[str, None] = {}
    for molecule, dataset in _present(options.data):
        span = "–" if dataset.span_ps is None else f"{dataset.span_ps:.2f} ps"
        rows.append(
            (
                dataset.name, molecule, str(len(dataset.frames)), span,
                dataset.level_of_theory, dataset.licence, dataset.digest[:12],
            )
        )  # fmt: skip
        files[str(Path(dataset.source).parent)] = None
        for note in dataset.notes:
            print(f"! {dataset.title}: {note}", file=sys.stderr)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        )
    print(f"folders: {', '.join(files) or 'none'}")
    print(f"data folder: {options.data or default_data_dir()}")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from pytest_mlff.datasets import default_data_dir
    from pytest_mlff.datasets.fetch import fetch_rmd17, missing_molecules

    folder = (options.out or default_data_dir()).expanduser()
    if not missing_molecules(folder):
        print(f"rmd17 is already complete in {folder}")
        return 0
    bars: dict[str, tqdm[Never]] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(desc=stage, unit="B", unit_scale=True, disable=None, file=sys.stderr)
        bar = bars[stage]
        bar.total = total or None
        bar.update(done - bar.n)

    try:
        written = fetch_rmd17(folder, progress=progress, given=options.archive)
    finally:
        for bar in bars.values():
            bar.close()
    print(f"{len(written)} files in {folder / 'rmd17'}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER
    from pytest_mlff.datasets.relabel import relabel

    folder: Path = options.folder or EMBEDDED_FOLDER
    if not folder.is_dir():
        raise MlffError(f"{folder}: no such folder")
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise MlffError(f"{folder}: holds no .npz file")
    failed = 0
    for path in paths:
        try:
            found = relabel(path, options.frames, options.seed)
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


def _export(options: argparse.Namespace) -> int:
    from pytest_mlff.datasets import cut
    from pytest_mlff.datasets.export import export_frame_sets
    from pytest_mlff.datasets.sources import open_sources
    from pytest_mlff.specs import expand, find_specs, load_spec

    paths = find_specs([options.spec], Path.cwd())
    if len(paths) != 1:
        raise MlffError(f"{options.spec!r} names {len(paths)} specs; name one of them")
    spec = load_spec(paths[0])
    variants = {variant.id: variant for variant in expand(spec, options.dataset)}
    if options.variant not in variants:
        shown = list(variants)[:8]
        more = f" … ({len(variants)} in all)" if len(variants) > len(shown) else ""
        raise MlffError(
            f"{options.spec}: no variant {options.variant!r}; it has {', '.join(shown)}{more}"
        )
    variant = variants[options.variant]
    source, others = open_sources([variant], options.data)
    written = export_frame_sets(
        cut(variant, source, others),
        options.out,
        options.format,
        {
            "spec": f"{spec.suite}/{spec.name}",
            "variant": variant.id,
            "dataset": variant.dataset,
            "seed": spec.seed,
        },
    )
    for path in written:
        print(path)
    return 0
