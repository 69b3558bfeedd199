"""Two versions of a spec, compared case by case: what may a model do that it might not before?"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.datasets.own_files import content_digest
from pytest_mlff.datasets.record import record_named
from pytest_mlff.errors import MlffError
from pytest_mlff.judge.edits import Edit
from pytest_mlff.specs import cases_of, expand, load_spec
from pytest_mlff.specs.cases import ANY_GROUP
from pytest_mlff.specs.schema import SpecFile

if TYPE_CHECKING:
    from pytest_mlff.judge.edits import EditKind
    from pytest_mlff.specs import Case, Spec, Variant

_EACH = "each"
"""Stands for the species that no threshold names: which there are, only the data say."""
_QUOTED: Final = re.compile(r"""["']([^"']+)["']""")
_NAMED = 3
_ELSEWHERE = {
    "schema_version", "title", "description", "source",  # words
    "datasets", "margin",  # compared by themselves
    "axes", "where", "variant", "frames", "cases",  # compared as the cases they expand to
}  # fmt: skip
_OF_A_CASE = {"variant", "metric", "species", "threshold", "options", "group_by", "group"}
_OF_A_THRESHOLD = {"limit", "larger_is_better", "provenance"}


def spec_edits(name: str, before: Path, after: Path) -> list[Edit]:
    """What a pull request changes in a spec.

    Raises
    ------
    MlffError
        If the base branch's spec is not in order.
    """
    old = load_spec(before)
    try:
        new = load_spec(after)
        edits = _settings(name, old, new)
        for dataset in old.datasets:
            if dataset in new.datasets:
                first = dataset == next(iter(old.datasets))
                edits += _cases(name if first else f"{name} on {dataset}", old, new, dataset)
    except MlffError as error:
        return [Edit("case removed", name, f"it can no longer be read: {error}")]
    return edits


def _settings(name: str, old: Spec, new: Spec) -> list[Edit]:
    edits = []
    if new.margin != old.margin:
        kind: EditKind = "margin widened" if new.margin > old.margin else "stricter"
        edits.append(Edit(kind, name, f"margin {old.margin:g} → {new.margin:g}", new.margin))
    if next(iter(new.datasets)) != next(iter(old.datasets)):
        first = f"{next(iter(old.datasets))} → {next(iter(new.datasets))}"
        edits.append(Edit("dataset changed", name, f"first dataset {first}"))
    for dataset in old.datasets:
        told = _dataset(old, dataset), _dataset(new, dataset)
        edits += [
            Edit("dataset changed", name, f"{dataset}: {key} {told[0].get(key)} → {one}")
            for key, one in told[1].items()
            if told[0].get(key) != one
        ]
        edits += [
            Edit("dataset changed", name, f"{dataset}: no {key} any more")
            for key in told[0].keys() - told[1].keys()
        ]
    for field in SpecFile.model_fields.keys() - _ELSEWHERE:
        if (was := getattr(old, field)) != (now := getattr(new, field)):
            edits.append(Edit("spec setting", name, f"{field} {was} → {now}"))
    return edits


def _dataset(spec: Spec, dataset: str) -> dict[str, Any]:
    """What a spec says of a dataset, and what lies in its file."""
    option = spec.datasets.get(dataset)
    if option is None:
        return {}
    told = {
        key: value
        for key, value in option.model_dump(mode="python", exclude={"axes", "where"}).items()
        if value is not None
    }
    if option.path is not None and spec.path is not None:
        told["content"] = content_digest(spec.path.parent, option.path)
    if option.path is None and spec.path is not None:
        told["record"] = _recorded(dataset, spec.path.parent)
    return {"there": True, **told}


def _recorded(name: str, folder: Path) -> str:
    """Digest of a dataset's record, and of what lies beside one of a repository."""
    try:
        record = record_named(name, folder)
    except MlffError:
        return "missing"
    digest = hashlib.sha256(record.model_dump_json().encode())
    for system in () if record.is_builtin else record.systems:
        for pattern in record.candidates(system):
            digest.update(content_digest(record.path.parent, pattern).encode())
    return digest.hexdigest()[:12]


def _cases(name: str, old: Spec, new: Spec, dataset: str) -> list[Edit]:
    species = sorted(_symbols(old) | _symbols(new))
    groups = sorted({ANY_GROUP} | _groups(old) | _groups(new))
    before = dict(_expanded(old, dataset, species, groups))
    after = dict(_expanded(new, dataset, species, groups))
    found: dict[tuple[EditKind, str, str, float], list[str]] = defaultdict(list)
    for key, case in before.items():
        variant, metric = key
        now = after.get(key)
        if now is None:
            found["case removed", metric, "is gone", 0.0].append(variant)
            continue
        for kind, what, size in _differences(case, now):
            found[kind, metric, what, size].append(variant)
    for variant, metric in after.keys() - before.keys():
        found["stricter", metric, "is new", 0.0].append(variant)
    return [
        Edit(kind, f"{name}: {metric}", f"{what} ({_listed(variants)})", size)
        for (kind, metric, what, size), variants in found.items()
    ]


def _listed(variants: list[str]) -> str:
    shown = sorted(variants)[:_NAMED]
    more = len(variants) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _symbols(spec: Spec) -> set[str]:
    """Species that a spec names."""
    words = [word for plan in spec.cases for word in plan.species]
    words += [word for plan in spec.cases for one in plan.thresholds for word in one.species or ()]
    return set(words) - {"all", "each"}


def _groups(spec: Spec) -> set[str]:
    """Groups of frames that thresholds name; which there are, only the data say."""
    plans = [one for plan in spec.cases if plan.group_by for one in plan.thresholds]
    found = {text for plan in plans if plan.where for text in _QUOTED.findall(plan.where.text)}
    for plan in plans:
        if "group" in plan.by:
            found |= {str(row[plan.by.index("group")]) for row in plan.rows}
    return found - {"all"}


def _expanded(
    spec: Spec, dataset: str, species: list[str], groups: list[str]
) -> Iterator[tuple[tuple[str, str], Case]]:
    for variant in expand(spec, dataset):
        for case in _cases_of(variant, species, groups):
            yield (variant.id, case.name), case


def _cases_of(variant: Variant, species: list[str], groups: list[str]) -> tuple[Case, ...]:
    # Thresholds may name every species or group, and none be left for others.
    named = [one for one in groups if one != ANY_GROUP]
    each = [*species, _EACH]
    for symbols, names in ((each, groups), (species, groups), (each, named)):
        try:
            return cases_of(variant, symbols, partial(_always, names))
        except MlffError:
            continue
    return cases_of(variant, species, lambda _: named)


def _always(groups: list[str], _label: str) -> list[str]:
    return groups


def _limits(case: Case) -> dict[str, float]:
    """The side on which a threshold bounds a value."""
    if case.threshold is None:
        return {}
    return {"min" if case.threshold.larger_is_better else "max": case.threshold.limit}


def _differences(old: Case, new: Case) -> Iterator[tuple[EditKind, str, float]]:
    before, after = _limits(old), _limits(new)
    unit = "" if old.threshold is None else f" {old.threshold.unit}"
    for side in before.keys() | after.keys():
        was, now = before.get(side), after.get(side)
        if was == now:
            continue
        text = f"{side} {_number(was)} → {_number(now)}{unit}"
        looser = now is None or (was is not None and (now > was) == (side == "max"))
        if not looser:
            yield "stricter", text, 0.0
        else:
            yield "threshold loosened", text, _factor(was, now)
    for name, was, now in _others(old.threshold, new.threshold, _OF_A_THRESHOLD):
        yield "threshold loosened", f"{name} {was} → {now}", float("inf")
    for name, was, now in _others(old, new, _OF_A_CASE):
        yield "spec setting", f"{name} {was} → {now}", 0.0
    if old.variant.selections != new.variant.selections:
        yield "frames changed", f"{old.variant.selections.test} → {new.variant.selections.test}", 0
    if dict(old.options) != dict(new.options):
        yield "spec setting", f"options {_options(old.options)} → {_options(new.options)}", 0.0


def _others(old: Any, new: Any, known: set[str]) -> Iterator[tuple[str, Any, Any]]:
    """Fields that differ and are told nowhere else, so that no new one goes unseen."""
    if old is None or new is None:
        return
    for field in dataclasses.fields(old):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if field.name not in known and was != now:
            yield field.name, was, now


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _factor(was: float | None, now: float | None) -> float:
    if was is None or now is None or not min(was, now) > 0:
        return float("inf")
    return max(was, now) / min(was, now)


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(options.items())) or "none"
