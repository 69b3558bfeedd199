"""From a spec's axes to its fixture variants."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.specs.expression import Expression, ExpressionError
from pytest_mlff.specs.molecule_names import molecules_named
from pytest_mlff.specs.template import SAFE_ID, fill, template_names

if TYPE_CHECKING:
    from pytest_mlff.specs.dataset_option import DatasetOption
    from pytest_mlff.specs.frame_sets import Selection
    from pytest_mlff.specs.operations import Scalar
    from pytest_mlff.specs.schema import Spec

_MAX_POINTS = 200_000


@dataclass(frozen=True, slots=True)
class ResolvedSelection:
    """A selection with every number known.

    Attributes
    ----------
    molecules : tuple of str
        Full names, each once.
    start, end : float
        Window in percent of the time-ordered trajectory, 0 ≤ start < end ≤ 100.
    pick : str
        ``all``, ``first``, ``evenly`` or ``random``.
    count : int or None
        Frames per molecule, at least 1; None for ``all``.
    dataset : str or None
        Key in ``spec.datasets`` that the frames come from; None for the variant's own.
    """

    molecules: tuple[str, ...]
    start: float
    end: float
    pick: Literal["all", "first", "evenly", "random"]
    count: int | None
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedSelections:
    """The selections of one variant by name; ``others`` are sets that the spec made up."""

    train: ResolvedSelection | None
    validation: ResolvedSelection | None
    test: ResolvedSelection
    others: Mapping[str, ResolvedSelection] = field(default_factory=dict, hash=False)

    @property
    def named(self) -> dict[str, ResolvedSelection]:
        """Every set that there is, by its name."""
        roles = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: one for name, one in roles.items() if one is not None} | dict(self.others)


@dataclass(frozen=True, slots=True)
class Variant:
    """One point of a spec's axes on one dataset.

    Attributes
    ----------
    spec : Spec
        Where it comes from.
    dataset : str
        Key in ``spec.datasets``.
    id : str
        Unique within the spec; safe in case ids and file names.
    values : mapping of str to scalar
        Value of each axis.
    selections : ResolvedSelections
        What to train on, validate on and test on.
    """

    spec: Spec = field(hash=False, repr=False)
    dataset: str
    id: str
    values: Mapping[str, Scalar] = field(hash=False)
    selections: ResolvedSelections = field(repr=False)

    @property
    def roles(self) -> dict[str, str]:
        """Axes by what they set: ``train_start``, ``train_end``, ``train_count``, ``…_systems``.

        Of the window's two ends, ``train_end`` is the axis that moves the end alone.
        """
        plan = self.spec.frames
        used = {"test_systems": _templated(plan.test)}
        if plan.train is not None:
            start, end = _named(plan.train.start), _named(plan.train.end)
            used |= {
                "train_systems": _templated(plan.train),
                "train_start": start,
                "train_end": end - start,
                "train_count": _named(plan.train.count),
            }
        return {role: axes.pop() for role, axes in used.items() if len(axes) == 1}

    @property
    def idle_axes(self) -> tuple[str, ...]:
        """Axes that no set of frames names: what is left for a recipe to read."""
        plans = self.spec.frames.by_role().values()
        used = {
            axis
            for plan in plans
            for axis in (
                _templated(plan) | _named(plan.start) | _named(plan.end) | _named(plan.count)
            )
        }
        return tuple(axis for axis in self.values if axis not in used)

    @property
    def option(self) -> DatasetOption:
        """What the spec says of this variant's dataset."""
        return self.spec.datasets[self.dataset]

    @property
    def names(self) -> dict[str, Scalar]:
        """What expressions of the spec may refer to: the axes and ``dataset``."""
        return {**self.values, "dataset": self.dataset}


def expand(spec: Spec, dataset: str | None = None) -> tuple[Variant, ...]:
    """Expand a spec's axes into variants.

    The order is that of the axes as declared, the last running fastest, the values of
    each sorted: numbers by size, then texts alphabetically.

    Parameters
    ----------
    spec : Spec
        A checked spec.
    dataset : str, optional
        Key in ``spec.datasets``; that of the test set or the first otherwise. Its axis
        values and its ``where`` replace those of the spec.

    Raises
    ------
    MlffError
        With one line if the dataset is unknown, no variant is left, ids are not unique
        or not safe, or a selection cannot be resolved: windows that are empty, leave
        0-100 or share frames with those of the test, counts that are no positive
        whole numbers.
    """
    name = dataset or spec.frames.test.dataset or next(iter(spec.datasets))
    if name not in spec.datasets:
        raise MlffError(
            f"{spec.at('datasets')}: {spec.suite}/{spec.name} does not run on dataset {name!r}"
            f"{did_you_mean(name, spec.datasets)} (datasets: {', '.join(spec.datasets)})"
        )
    taken: dict[str, Mapping[str, Scalar]] = {}
    variants = []
    for values in _points(spec, name):
        names = {**values, "dataset": name}
        variant_id = fill(spec.variant, names)
        if not SAFE_ID.fullmatch(variant_id):
            raise MlffError(
                f"{spec.at('variant')}: id {variant_id!r} has characters other than letters, "
                "digits and . _ + - or is longer than 120"
            )
        if variant_id in taken:
            raise MlffError(
                f"{spec.at('variant')}: {_written(taken[variant_id])} and {_written(values)} are "
                f"both called {variant_id!r}; put every axis into the template"
            )
        taken[variant_id] = values
        selections = _resolve(spec, variant_id, names)
        variants.append(Variant(spec, name, variant_id, values, selections))
    return tuple(variants)


def _sort_key(value: Scalar) -> tuple[int, float, str]:
    if isinstance(value, str):
        return 2, 0.0, value
    return int(not isinstance(value, bool)), value, ""


def _points(spec: Spec, dataset: str) -> Iterator[dict[str, Scalar]]:
    option = spec.datasets[dataset]
    axes = {axis: option.axes.get(axis, values) for axis, values in spec.axes.items()}
    where, at = spec.where, spec.at("where")
    if option.where is not None:
        where, at = option.where, spec.at("datasets", dataset, "where")
    total = math.prod(len(values) for values in axes.values())
    if total > _MAX_POINTS:
        raise MlffError(f"{spec.at('axes')}: {total} combinations; at most {_MAX_POINTS} are taken")
    left = 0
    for point in itertools.product(*(sorted(values, key=_sort_key) for values in axes.values())):
        values = dict(zip(axes, point, strict=True))
        try:
            keep = where is None or where.condition({**values, "dataset": dataset})
        except ExpressionError as error:
            raise MlffError(f"{at}: {error} at {_written(values)}") from None
        if keep:
            left += 1
            yield values
    if not left:
        raise MlffError(f"{at}: {str(where)!r} leaves none of {total} variants")


def _written(values: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{axis}={value!r}" for axis, value in values.items()) or "no axes"


def _resolve(spec: Spec, variant: str, names: Mapping[str, Scalar]) -> ResolvedSelections:
    frames = spec.frames
    found = {
        role: _selection(spec, variant, role, selection, names)
        for role, selection in frames.by_role().items()
    }
    test = found.pop("test")
    selections = ResolvedSelections(
        found.pop("train", None), found.pop("validation", None), test, found
    )
    named = selections.named
    pairs = [(role, one, "test", test) for role, one in named.items() if role != "test"]
    if selections.train is not None and selections.validation is not None:
        pairs.append(("validation", selections.validation, "train", selections.train))
    for role, one, other_role, other in pairs:
        if one.end <= other.start or other.end <= one.start or one.dataset != other.dataset:
            continue
        if other_role == "train" and _drawn_together(one, other):
            continue
        shared = [name for name in one.molecules if name in other.molecules]
        if not one.molecules or not other.molecules:
            shared = ["every system"]
        if shared:
            raise MlffError(
                f"{spec.at('frames', role)}: variant {variant}: window {one.start:g}-{one.end:g} % "
                f"overlaps that of {other_role}, {other.start:g}-{other.end:g} %, for {shared[0]}"
            )
    return selections


def _named(value: object) -> set[str]:
    return set(value.names) if isinstance(value, Expression) else set()


def _templated(selection: Selection) -> set[str]:
    return {name for text in selection.molecules for name in template_names(text)}


def _drawn_together(one: ResolvedSelection, other: ResolvedSelection) -> bool:
    """Whether two random picks come from opposite ends of one permutation, so share nothing."""
    same_window = (one.start, one.end) == (other.start, other.end)
    return same_window and one.pick == other.pick == "random"


def _selection(
    spec: Spec, variant: str, role: str, selection: Selection, names: Mapping[str, Scalar]
) -> ResolvedSelection:
    at = ("frames", role)
    start = _number(spec, variant, (*at, "start"), selection.start, names)
    end = _number(spec, variant, (*at, "end"), selection.end, names)
    if not 0 <= start < end <= 100:
        raise MlffError(
            f"{spec.at(*at)}: variant {variant}: window {start:g}-{end:g} % is not within 0-100 % "
            "or is empty"
        )
    count = None
    if selection.count is not None:
        asked = _number(spec, variant, (*at, "count"), selection.count, names)
        if asked < 1 or asked != int(asked):
            raise MlffError(
                f"{spec.at(*at, 'count')}: variant {variant}: must be a whole number of at least "
                f"1, is {asked:g}"
            )
        count = int(asked)
    molecules = _molecules(spec, selection, names)
    if len(set(molecules)) < len(molecules):
        twice = next(name for name in molecules if molecules.count(name) > 1)
        raise MlffError(f"{spec.at(*at, 'molecules')}: variant {variant}: {twice} is named twice")
    return ResolvedSelection(
        molecules, float(start), float(end), selection.pick, count, selection.dataset
    )


def _number(
    spec: Spec,
    variant: str,
    at: tuple[str, ...],
    value: int | float | Expression,
    names: Mapping[str, Scalar],
) -> int | float:
    if not isinstance(value, Expression):
        return value
    try:
        return value.number(names)
    except ExpressionError as error:
        raise MlffError(f"{spec.at(*at)}: variant {variant}: {error}") from None


def _molecules(spec: Spec, selection: Selection, names: Mapping[str, Scalar]) -> tuple[str, ...]:
    filled = [fill(template, names) for template in selection.molecules]
    if spec.datasets[selection.dataset or str(names["dataset"])].path is not None:
        # A user's own file may be called anything, also by letters a to g.
        return tuple(filled)
    return tuple(name for text in filled for name in molecules_named(text))
