"""The one registry: every metric, law and check of data is one object, found here by its id.

This half is light, since it is read whenever a spec is: ids, units, directions and needs. What
measures is named (``"module:function"``) and imported when it is first called.

Builtin ones stand in the files of :mod:`pytest_mlff.metrics.catalogue`, each of which has a
tuple ``METRICS``: a new file there is found without being named anywhere. Other packages add
theirs by an entry point (group ``pytest_mlff.metrics`` or ``pytest_mlff.laws``) or, for one
run of pytest, by the hook ``pytest_mlff_metrics``.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from numbers import Real
from typing import Any, Final, Literal

from pytest_mlff.entry_points import entry_points, named_object
from pytest_mlff.errors import MlffError, did_you_mean

Kind = Literal["metric", "law", "data"]
Need = Literal[
    "frames",
    "training_frames",
    "validation_frames",
    "in_distribution",
    "datasets",
    "predictions",
    "potential",
    "trajectories",
]
Label = Literal["energy", "forces", "stress"]
EvidenceKind = Literal["frames", "replicates", "none"]

_CATALOGUE: Final = "pytest_mlff.metrics.catalogue"
_GROUPS: Final = ("pytest_mlff.metrics", "pytest_mlff.laws")
_ID: Final = re.compile(r"[a-z][a-z0-9_]*")
_OF_A_MODEL: Final[frozenset[Need]] = frozenset({"predictions", "potential", "trajectories"})


@dataclass(frozen=True)
class Metric:
    """A metric, a law or a check of data: all that the house knows of it.

    Attributes
    ----------
    id : str
        Name in specs, case ids and reports: small letters, digits and ``_``.
    unit : str
        Unit of values and thresholds; ``"1"`` for dimensionless.
    title : str
        One line for lists.
    measure : callable or str
        From :class:`~pytest_mlff.metrics.inputs.Inputs` to a
        :class:`~pytest_mlff.metrics.measurement.Measurement`; or where it is, as
        ``"module:name"``.
    needs : collection of str
        What a case has to have: test ``frames``, ``training_frames``, ``validation_frames``,
        frames ``in_distribution``, whole ``datasets``; and of a model ``predictions`` on the test
        frames, the ``potential`` itself, or ``trajectories`` that it ran.
    larger_is_better : bool
        A threshold is then a ``min``, else a ``max``.
    per_species : bool
        Whether it can be taken over the atoms of one species.
    per_pair : bool
        Whether it can be taken over pairs of two elements, such as ``C-H``.
    evidence : {"frames", "replicates", "none"}
        What stands behind a value: correlated frames, independent repetitions, or nothing that
        can be compared with a baseline.
    kind : {"metric", "law", "data"}
        A law's value is its excess: the largest violation over the tolerance that applied to it,
        so 1 is the limit. A check of data judges a variant before any model is blamed.
    subject : object or str
        What ``measure`` works with: the law, or the check of data; or where it is.
    labels : {"energy", "forces", "stress"}, optional
        Reference labels that it compares with, if any.
    ensembles : collection of str
        Ensembles of a simulation (key `simulate` of a spec) that it is taken of; empty if of none.
    label : str
        Name in figures; an error against labels that has one has panels of its own there.
    has_floor : bool
        Whether its evidence holds a ``noise_floor``: what the reference makes of itself.
    foretells : str or None
        Id of the metric whose per-frame error this one should foretell.
    """

    id: str
    unit: str
    title: str
    measure: Callable[..., Any] | str = field(repr=False, compare=False)
    needs: frozenset[Need] | Iterable[Need] = frozenset({"frames", "predictions"})
    larger_is_better: bool = False
    per_species: bool = False
    evidence: EvidenceKind = "none"
    kind: Kind = "metric"
    subject: Any = field(default=None, repr=False, compare=False)
    labels: Label | None = None
    label: str = ""
    foretells: str | None = None
    ensembles: tuple[str, ...] = ()
    per_pair: bool = False
    has_floor: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", frozenset(self.needs))
        if ("trajectories" in self.needs) != bool(self.ensembles):
            raise MlffError(
                f"metric {self.id!r}: what needs trajectories names the ensembles that they are of"
            )
        if not _ID.fullmatch(self.id):
            raise MlffError(f"metric {self.id!r}: an id is small letters, digits and _")

    @property
    def name(self) -> str:
        """What figures call it."""
        return self.label or self.id

    @property
    def needs_model(self) -> bool:
        """Whether a model is measured; else a case depends on the data alone."""
        return not _OF_A_MODEL.isdisjoint(self.needs)

    @property
    def of_frames(self) -> bool:
        """Whether it is taken over test frames, so that some of them have a value as well."""
        return self.kind == "metric" and "frames" in self.needs and not self.ensembles

    @property
    def comparable(self) -> bool:
        """Whether a case of it can be held against a baseline: of a model, with evidence."""
        return self.needs_model and self.evidence != "none"

    @property
    def needs_threshold(self) -> bool:
        """Whether a spec has to judge it, as laws and data; a metric may be reported alone."""
        return self.kind != "metric"

    @property
    def limit(self) -> Literal["max", "min"]:
        """Key of its thresholds in a spec."""
        return "min" if self.larger_is_better else "max"

    def resolved(self) -> Any:
        """The law or check itself."""
        return named_object(self.subject) if isinstance(self.subject, str) else self.subject

    def measured(self, inputs: Any) -> Any:
        """Measure a case.

        Parameters
        ----------
        inputs : Inputs
            What the case has.

        Returns
        -------
        Measurement

        Raises
        ------
        MlffError
            If the value is no number or in another unit; and what the measurement itself raises.
        """
        measure = named_object(self.measure) if isinstance(self.measure, str) else self.measure
        found = measure(inputs)
        value = getattr(found, "value", None)
        # Numbers of NumPy are real, too; its arrays, complex numbers and texts are not.
        if not isinstance(value, Real) or isinstance(value, bool):
            what = (
                f"a {type(found).__name__}"
                if value is None
                else f"a value of type {type(value).__name__}"
            )
            raise MlffError(
                f"metric {self.id} measured {what}; it is to give a Measurement of "
                "pytest_mlff.metrics whose value is one real number"
            )
        if found.unit != self.unit:
            raise MlffError(f"metric {self.id} is in {self.unit}, but measured {found.unit}")
        return found


# Filled by pytest's side, once a run, with what the hook gives.
_ADDED: dict[str, Metric] = {}


def add_metrics(added: Iterable[Metric]) -> None:
    """Make the metrics of a run known, instead of those that an earlier run added.

    Raises
    ------
    MlffError
        If something is no metric, or takes the id of another one.
    """
    _ADDED.clear()
    for one in added:
        _ADDED.update(_joined({**_standing(), **_ADDED}, one, "the hook pytest_mlff_metrics"))


def metrics(kind: Kind | None = None) -> dict[str, Metric]:
    """Every known metric by id, or those of one kind: builtin ones first."""
    known = {**_standing(), **_ADDED}
    return {name: one for name, one in known.items() if kind is None or one.kind == kind}


def metric_named(name: str) -> Metric:
    """Look a metric up.

    Raises
    ------
    MlffError
        If there is no such metric; names the nearest and all that exist.
    """
    known = metrics()
    if name not in known:
        raise MlffError(
            f"unknown metric {name!r}{did_you_mean(name, known)} "
            f"(metrics: {', '.join(sorted(known))})"
        )
    return known[name]


def is_law(name: str) -> bool:
    """Whether an id is a law's; an id of a report that is not known here is none."""
    return name in metrics("law")


@cache
def _standing() -> dict[str, Metric]:
    """Those that do not depend on a run: of this package, and of installed ones."""
    found: dict[str, Metric] = {}
    folder = importlib.import_module(_CATALOGUE)
    for module in pkgutil.iter_modules(folder.__path__, f"{_CATALOGUE}."):
        for one in importlib.import_module(module.name).METRICS:
            found.update(_joined(found, one, module.name))
    for group in _GROUPS:
        for place, content in entry_points(group):
            for one in content if isinstance(content, list | tuple) else (content,):
                found.update(_joined(found, one, place))
    return found


def _joined(known: dict[str, Metric], one: object, place: str) -> dict[str, Metric]:
    if not isinstance(one, Metric):
        raise MlffError(f"{place} gives {type(one).__name__}, not a pytest_mlff.metrics.Metric")
    if one.id in known:
        raise MlffError(f"{place}: the metric {one.id} exists already; choose another id")
    return {one.id: one}
