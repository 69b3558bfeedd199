"""``mlff specs``: list, show and check benchmark specs, print their JSON Schema."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.cli import thresholds
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import builtin_specs, cases_of, expand, find_specs, load_spec
from pytest_mlff.specs.cases import ANY_GROUP, POOLED, pooled_cases
from pytest_mlff.specs.json_schema import schema_text

if TYPE_CHECKING:
    from pytest_mlff.specs import Case, Spec, Variant

_USAGE_ERROR = 4
# Stands for the symbols where the dataset cannot be asked for them.
_UNKNOWN_SPECIES = "each"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``specs list | show | validate | thresholds | schema``; each sets ``run``."""
    parser = subparsers.add_parser("specs", help="list, show and check benchmark specs")
    commands = parser.add_subparsers(dest="specs_command", required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="list the specs that come with the package")
    listing.set_defaults(run=lambda _arguments: list_specs())

    showing = commands.add_parser("show", help="print variants and cases of a spec")
    showing.add_argument("name", metavar="NAME", help="as for --mlff-suite")
    showing.add_argument("--dataset", help="one of the spec's datasets (default: its first)")
    showing.set_defaults(run=lambda arguments: show(arguments.name, arguments.dataset))

    checking = commands.add_parser("validate", help="check spec files")
    checking.add_argument("paths", metavar="PATH", nargs="+", help="YAML file, or a builtin name")
    checking.add_argument(
        "--data", "--mlff-data", dest="data", type=Path, metavar="DIR",
        help="where published datasets lie; they are opened, too, as own files always are",
    )  # fmt: skip
    checking.set_defaults(run=lambda arguments: validate(arguments.paths, arguments.data))

    thresholds.register(commands)

    printing = commands.add_parser("schema", help="print the JSON Schema of spec files")
    printing.add_argument("--output", type=Path, metavar="FILE", help="write it to a file instead")
    printing.set_defaults(run=lambda arguments: schema(arguments.output))


def list_specs() -> int:
    """Print every builtin spec: name, title, datasets with their numbers of variants."""
    try:
        specs = {name: load_spec(path) for name, path in builtin_specs().items()}
        width = max((len(name) for name in specs), default=0)
        for name, spec in specs.items():
            counts = ", ".join(f"{key}: {len(expand(spec, key))}" for key in spec.datasets)
            print(f"{name:<{width}}  {spec.title} (variants on {counts})")
    except MlffError as error:
        return _failed(error)
    return 0


def show(name: str, dataset: str | None = None) -> int:
    """Print variants and case ids of the specs that ``name`` finds; 4 after a line of error."""
    try:
        for path in find_specs([name], Path.cwd()):
            print("\n".join(_described(load_spec(path), dataset)))
    except MlffError as error:
        return _failed(error)
    return 0


def validate(paths: Sequence[str], data: Path | None = None) -> int:
    """Check spec files, on each of their datasets; prints ``OK`` or the one-line error of each.

    Without ``data``, a folder of published datasets, those that are not here are not opened.
    """
    worst = 0
    for name in paths:
        try:
            for path in find_specs([name], Path.cwd()):
                spec = load_spec(path)
                counts = [_checked(spec, key, data) for key in _runs_on(spec)]
                print(f"OK {spec.suite}/{spec.name} ({', '.join(counts)})")
        except MlffError as error:
            worst = _failed(error)
    return worst


def schema(output: Path | None = None) -> int:
    """Print the JSON Schema of spec files, or write it to a file."""
    if output is None:
        print(schema_text(), end="")
        return 0
    try:
        output.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        return _failed(MlffError(f"{output}: cannot be written ({error.strerror})"))
    return 0


def _failed(error: MlffError) -> int:
    print(error, file=sys.stderr)
    return _USAGE_ERROR


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _described(spec: Spec, dataset: str | None) -> list[str]:
    variants = expand(spec, dataset)
    cases = [
        (variant.id, cases_of(variant, _species(variant), partial(_groups, variant)))
        for variant in variants
    ]
    if pooled := pooled_cases(spec, variants):
        cases.append((POOLED, pooled))
    total = sum(len(found) for _, found in cases)
    lines = [
        f"{spec.suite}/{spec.name}: {spec.title}",
        f"  source: {spec.source.paper}, {spec.source.section}",
        f"  dataset: {variants[0].dataset} (choices: {', '.join(spec.datasets)})",
        f"  {_count(len(variants), 'variant')}, {_count(total, 'case')}",
    ]
    for name, found in cases:
        lines.append(f"  {name} ({_count(len(found), 'case')})")
        lines += [f"    {case.case_id}  {_limit(case)}".removesuffix(" 1") for case in found]
    return lines


def _limit(case: Case) -> str:
    if case.threshold is None:
        return "reported"
    return str(case.threshold)


def _checked(spec: Spec, dataset: str, data: Path | None) -> str:
    """Number of variants on a dataset; its files are read as a run would read them."""
    variants = expand(spec, dataset)
    for variant in variants:
        cases_of(variant, _species(variant), partial(_groups, variant))
    count = f"{dataset}: {_count(len(variants), 'variant')}"
    if spec.path is None or spec.path in builtin_specs().values():
        return count
    used = {one.dataset or dataset for one in variants[0].selections.named.values()}
    absent = sorted({system for key in used for system in _absent(variants, key, data)})
    if absent:
        return f"{count}, not opened since {', '.join(absent)} is not here: --data DIR"
    from pytest_mlff.datasets.splits import cut
    from pytest_mlff.run.plan import plan_spec

    planned = plan_spec(spec.path, dataset, data)
    planned.check_data()
    for variant in planned.variants:
        cut(variant, planned.source, planned.others)
    return count


def _absent(variants: Sequence[Variant], dataset: str, data: Path | None) -> set[str]:
    """Systems of a published dataset that are not here; of others, absence is an error later."""
    from pytest_mlff.datasets.fetch import missing_systems
    from pytest_mlff.datasets.locations import default_data_dir
    from pytest_mlff.datasets.record import record_named

    spec = variants[0].spec
    if spec.datasets[dataset].path is not None:
        return set()
    record = record_named(dataset, None if spec.path is None else spec.path.parent)
    if data is not None or record.embedded or not record.is_builtin:
        return set()
    taken = [one for variant in variants for one in variant.selections.named.values()]
    wanted = {
        system
        for one in taken
        if one.dataset in (None, dataset)
        for system in one.molecules or record.systems
    }
    return wanted & set(missing_systems(record, default_data_dir()))


def _runs_on(spec: Spec) -> list[str]:
    """Datasets that a run may be on: not those that only single sets of frames name."""
    named = {one.dataset for one in spec.frames.by_role().values()}
    own = [key for key in spec.datasets if key not in named]
    return own or [spec.frames.test.dataset or next(iter(spec.datasets))]


def _groups(variant: Variant, label: str) -> Sequence[str]:
    """Values of a label in the test frames; one that stands for all where no data lie here."""
    from pytest_mlff.datasets.grouping import groups_of
    from pytest_mlff.datasets.sources import open_sources
    from pytest_mlff.datasets.splits import cut

    source, others = open_sources([variant], None)
    try:
        frames = cut(variant, source, others).test
    except MlffError:
        return (ANY_GROUP,)
    return sorted(set(groups_of(frames, label)))


def _species(variant: Variant) -> tuple[str, ...]:
    """Symbols in the test frames, as far as they can be told without the data."""
    from pytest_mlff.datasets.sources import open_sources

    source, others = open_sources([variant], None)
    test = variant.selections.test
    try:
        of = source if test.dataset is None else others[test.dataset]
        found = {s for name in test.molecules or of.molecules for s in of.species(name)}
    except MlffError:
        named = {word for case in variant.spec.cases for word in case.species}
        return tuple(sorted(named - {"all", "each"})) or (_UNKNOWN_SPECIES,)
    return tuple(sorted(found))
