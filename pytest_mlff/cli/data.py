"""``mlff data``: make data, export those of a variant, and what `datasets` adds."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.cli import datasets, relabel
from pytest_mlff.cli.parts import data_folder, positive
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.generate import Protocol

# Names are repeated here so that building the parser imports no numpy.
_MOLECULES = (
    "aspirin", "ethanol", "malonaldehyde", "naphthalene", "salicylic_acid", "toluene", "uracil",
)  # fmt: skip


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
    generate.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes")
    generate.add_argument(
        "--frames", type=positive, metavar="N", help="stored frames (default: as shipped)"
    )
    generate.add_argument(
        "--equilibration", type=float, metavar="FS", help="discarded time in fs before the first"
    )
    generate.add_argument(
        "--replicas",
        type=positive,
        metavar="N",
        help="N short independent trajectories of each molecule, in one file with an index",
    )
    generate.add_argument("--force", action="store_true", help="make existing files anew")
    generate.set_defaults(run=_generate)

    datasets.register(commands)
    relabel.register(commands)

    export = commands.add_parser("export", help="write the exact frames of a fixture variant")
    export.add_argument("spec", metavar="SPEC", help="e.g. saibench/sample_efficiency or a path")
    export.add_argument("variant", metavar="VARIANT", help="e.g. aspirin-n200")
    export.add_argument("--format", choices=("extxyz", "npz"), default="extxyz")
    export.add_argument("--out", type=Path, required=True, metavar="DIR")
    export.add_argument("--dataset", metavar="NAME", help="default: the spec's first")
    data_folder(export)
    export.set_defaults(run=_export)


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
