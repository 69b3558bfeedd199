"""``mlff similarity``: how alike two sets of frames are, and whether that goes with errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.cli.parts import data_folder, positive, print_json
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report
    from pytest_mlff.similarity.correlation import RankCorrelation

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``mlff similarity``; it sets ``run``, which returns the exit code."""
    parser = subparsers.add_parser(
        "similarity",
        help="SOAP similarity of two sets of frames, or of a report's windows with their errors",
        description="A and B are files of structures, SPEC:VARIANT:train (or validation, test), "
        "or DATASET:MOLECULE such as embedded:aspirin.",
    )
    parser.add_argument("a", metavar="A", nargs="?", help="frames, e.g. those of the test")
    parser.add_argument("b", metavar="B", nargs="?", help="frames, e.g. those of the training")
    parser.add_argument(
        "--report", type=Path, metavar="FILE",
        help="instead: pair soap_similarity with force_mae of a JSON report",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--r-cut", type=float, default=5.0, metavar="Å", help="default: 5")
    parser.add_argument("--n-max", type=int, default=8, metavar="N", help="default: 8")
    parser.add_argument("--l-max", type=int, default=6, metavar="L", help="default: 6")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes")
    parser.add_argument("--store", type=Path, metavar="DIR", help="keep mean vectors here")
    parser.add_argument("--dataset", metavar="NAME", help="of a spec; default: its first")
    data_folder(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.report is not None:
        if options.a is not None:
            raise MlffError("name two sets of frames, or --report=FILE, not both")
        return _report(options.report, as_json=options.json)
    if options.b is None:
        raise MlffError("name two sets of frames, A and B, or --report=FILE")
    return _compare(options)


def _compare(options: argparse.Namespace) -> int:
    import numpy as np
    from tqdm import tqdm

    from pytest_mlff.similarity.frame_source import frames_named
    from pytest_mlff.similarity.nearest import nearest
    from pytest_mlff.similarity.soap import SoapSettings, dscribe_version
    from pytest_mlff.similarity.windows import similarity
    from pytest_mlff.store import Store

    settings = SoapSettings(r_cut=options.r_cut, n_max=options.n_max, l_max=options.l_max)
    dscribe_version()  # says at once what is not installed
    a, b = (
        frames_named(text, cwd=Path.cwd(), dataset=options.dataset, data_dir=options.data)
        for text in (options.a, options.b)
    )
    settings = settings.covering(a, b)
    store = None if options.store is None else Store(options.store)
    mean = similarity(a, b, settings, store, n_jobs=options.jobs)
    with tqdm(
        total=len(a) + len(b), unit="frame", disable=None, file=sys.stderr, leave=False
    ) as bar:
        found = nearest(a, b, settings, n_jobs=options.jobs, progress=bar.update)
    quantiles = np.quantile(found.best, _QUANTILES).tolist()
    if options.json:
        print_json(
            {
                "a": {"name": options.a, "frames": len(a), "species": list(a.species)},
                "b": {"name": options.b, "frames": len(b), "species": list(b.species)},
                "settings": settings.key,
                "mean_cosine": mean,
                "nearest_quantiles": {
                    f"{q:g}": value for q, value in zip(_QUANTILES, quantiles, strict=True)
                },
            }
        )
        return 0
    for word, text, frames in (("A", options.a, a), ("B", options.b, b)):
        print(f"{word}: {text} ({len(frames)} frames; {', '.join(frames.species)})")
    print(f"mean cosine over all pairs: {mean:.6f}")
    print("cosine of each of A's frames with the nearest of B's:")
    names = ("smallest", *(f"{100 * q:g} %" for q in _QUANTILES[1:-1]), "largest")
    for name, value in zip(names, quantiles, strict=True):
        print(f"  {name:>8}  {value:.6f}  (1 − {1.0 - value:.2e})")
    return 0


@dataclass(frozen=True)
class WindowPoint:
    """One variant of a report that has both numbers.

    Attributes
    ----------
    model, spec, variant : str
        Spec with its suite, ``suite/spec``.
    samples : int or None
        Value of the axis ``samples``, where the variant has one.
    similarity : float
        Mean cosine of training and test frames.
    force_mae : float
        Over all atoms, in ``unit``.
    unit : str
        Unit of ``force_mae``.
    """

    model: str
    spec: str
    variant: str
    samples: int | None
    similarity: float
    force_mae: float
    unit: str


def window_points(report: Report) -> tuple[tuple[WindowPoint, ...], tuple[str, ...]]:
    """Pair ``soap_similarity`` with ``force_mae`` over all species, variant by variant.

    A similarity that stands under no model belongs to all of them.

    Returns
    -------
    tuple of WindowPoint
        In the order of the report.
    tuple of str
        ``model variant`` of those that have a similarity case but lack one of the values.
    """
    similarity: dict[tuple[str | None, str, str], CaseRecord] = {}
    samples: dict[tuple[str, str], int] = {}
    for record in report.variants:
        value = record.axes.get(record.roles.get("train_count", ""))
        if isinstance(value, int):
            samples[f"{record.suite}/{record.spec}", record.variant] = value
    for case in report.cases:
        if case.group is not None:
            continue
        if case.metric == "soap_similarity" and case.species is None:
            similarity[case.model, f"{case.suite}/{case.spec}", case.variant] = case
    points, lacking = [], []
    for case in report.cases:
        if case.metric != "force_mae" or case.species is not None or case.model is None:
            continue
        where = (f"{case.suite}/{case.spec}", case.variant)
        other = similarity.get((case.model, *where)) or similarity.get((None, *where))
        if other is None:
            continue
        if case.value is None or other.value is None:
            lacking.append(f"{case.model} {case.variant}")
            continue
        points.append(
            WindowPoint(case.model, *where, samples.get(where), other.value, case.value, case.unit)
        )
    return tuple(points), tuple(lacking)


def _groups(points: Sequence[WindowPoint]) -> dict[str, list[WindowPoint]]:
    """Points that one correlation may be taken over: one model, spec and number of samples."""
    groups: dict[str, list[WindowPoint]] = {}
    for point in points:
        name = f"{point.model}, {point.spec}"
        if point.samples is not None:
            name += f", {point.samples} samples"
        groups.setdefault(name, []).append(point)
    return groups


def _said(found: RankCorrelation) -> str:
    if found.value is None:
        return f"undefined: {found.reason}"
    text = f"{found.value:+.3f}"
    if found.ci_low is not None and found.ci_high is not None:
        text += f", 95 % interval {found.ci_low:+.3f} to {found.ci_high:+.3f}"
    else:
        text += f" ({found.reason})"
    if found.p_value is not None:
        kind = "all permutations" if found.p_exact else "drawn permutations"
        text += f", p = {found.p_value:.2g} ({kind})"
    return text


def _report(path: Path, *, as_json: bool) -> int:
    from pytest_mlff.reports.json_report import load_report
    from pytest_mlff.similarity.correlation import rank_correlation

    points, lacking = window_points(load_report(path))
    if not points:
        why = f"; {len(lacking)} have a case without a value" if lacking else ""
        raise MlffError(
            f"{path}: no variant has both soap_similarity and force_mae (over all species){why}"
        )
    groups = {
        name: (
            members,
            rank_correlation([p.similarity for p in members], [p.force_mae for p in members]),
        )
        for name, members in _groups(points).items()
    }
    if as_json:
        print_json(
            {
                "groups": [
                    {
                        "name": name,
                        "windows": [asdict(point) for point in members],
                        "rank_correlation": asdict(found),
                    }
                    for name, (members, found) in groups.items()
                ],
                "without_value": list(lacking),
            }
        )
        return 0
    width = max(len("variant"), *(len(point.variant) for point in points))
    for name, (members, found) in groups.items():
        print(name)
        print(f"  {'variant':<{width}}  similarity  force MAE / {members[0].unit}")
        for point in sorted(members, key=lambda one: -one.similarity):
            print(f"  {point.variant:<{width}}  {point.similarity:10.6f}  {point.force_mae:.4g}")
        print(f"  rank correlation over {found.n} windows: {_said(found)}")
    if lacking:
        print(f"without a value: {', '.join(lacking)}")
    return 0
