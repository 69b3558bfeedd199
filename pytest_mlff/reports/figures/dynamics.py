"""Figures of simulations: structure, survival, errors on the way, and what error foretells.

Each kind of picture that cases hold becomes one figure: a panel for every variant, all models in
it, the reference and its noise floor behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.reports.figures.description import Axis, Figure, Limit, Series, XYPanel
from pytest_mlff.reports.figures.scales import limits, short, value_axis, with_interval
from pytest_mlff.reports.lifetimes import log_rank_between
from pytest_mlff.similarity.correlation import rank_correlation

if TYPE_CHECKING:
    from pytest_mlff.metrics.pictures import Curve, Picture
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import CaseRecord


@dataclass(frozen=True)
class _Kind:
    """How one kind of picture is drawn."""

    title: str
    caption: str
    x: tuple[str, str]
    y: tuple[str, str]
    level: str = ""
    steps: bool = False
    log: bool = False


_BAND = "The band holds four fifths of the replicas."
_KINDS: Final = {
    "survival": _Kind(
        "Survival of simulated replicas",
        "Share of replicas that are sound, by Kaplan and Meier; the band is its pointwise 95 % "
        "interval. Where nothing died there is no band, which shows no more than that.",
        ("Time", "ps"),
        ("Sound replicas", "share"),
        steps=True,
    ),
    "rdf": _Kind(
        "Radial distribution g(r)",
        "Model and reference; the band lies between the two halves of the reference, which is "
        "what it cannot tell apart.",
        ("r", "Å"),
        ("g(r)", "1"),
    ),
    "distances": _Kind(
        "Distribution of distances h(r)",
        "Density of a pair's distance; the band lies between the two halves of the reference.",
        ("r", "Å"),
        ("h(r)", "1/Å"),
    ),
    "vibrations": _Kind(
        "Vibrational density of states",
        "Power spectrum of the mass-weighted velocities, of area 1; the band lies between the "
        "two halves of the reference method's own simulation.",
        ("Frequency", "THz"),
        ("Density", "1/THz"),
    ),
    "on-the-way": _Kind(
        "Error along the trajectory",
        f"On the frames that the model visited: median over replicas. {_BAND}",
        ("Time", "ps"),
        ("", ""),
    ),
    "temperature": _Kind(
        "Temperature along the trajectory",
        f"Median over replicas. {_BAND}",
        ("Time", "ps"),
        ("Temperature", "K"),
        level="thermostat",
    ),
    "energy": _Kind(
        "Total energy along the trajectory",
        f"Change since the start, median over replicas. {_BAND}",
        ("Time", "ps"),
        ("Total energy", "meV/atom"),
        level="conserved",
    ),
    "displacement": _Kind(
        "Mean squared displacement",
        f"Mean over replicas by lag time; a sixth of its slope is the diffusivity. {_BAND}",
        ("Lag time", "ps"),
        ("Mean squared displacement", "Å²"),
    ),
    "warning": _Kind(
        "Early warning on the run",
        "Each point is a frame that the model visited: 1 - SOAP cosine with the nearest frame "
        "that is known, against the error of the forces there.",
        ("Distance to the nearest known frame", "1"),
        ("Force error", "meV/Å"),
        log=True,
    ),
}


def dynamics_figures(group: SpecRows, models: Sequence[str]) -> Iterator[Figure]:
    """Figures of the simulations of one spec, all models in each."""
    for kind, how in _KINDS.items():
        found: dict[tuple[str, str], dict[str, tuple[CaseRecord, Picture]]] = {}
        for (variant, _, _, model), case in group.cases.items():
            for picture in case.pictures:
                if picture.kind == kind and model is not None:
                    # Several metrics of a simulation show the same curves.
                    place = found.setdefault((variant, picture.part), {})
                    place.setdefault(model, (case, picture))
        order = [variant.variant for variant in group.variants]
        found = dict(sorted(found.items(), key=lambda one: order.index(one[0][0])))
        panels = [
            _panel(how, variant, part, shown, models) for (variant, part), shown in found.items()
        ]
        if panels:
            # A floor is the reference's alone, whatever the models.
            alone = len(models) < 2 or any(one.role == "floor" for one in _first(found).curves)
            notes = dict.fromkeys(
                f"{variant if alone else f'{variant}, {model}'}: {picture.note}"
                for (variant, part), shown in found.items()
                for model, (_, picture) in shown.items()
                if picture.note and part in ("", "all")
            )
            told = f" {'; '.join(notes)}." if notes else ""
            if kind == "survival":
                told = _compared(found)
            yield Figure(
                kind,
                how.title,
                how.caption + told,
                "dynamics",
                tuple(panels),
                columns=min(2, len(panels)),
            )


def _compared(found: dict[tuple[str, str], dict[str, tuple[CaseRecord, Picture]]]) -> str:
    """Whether the models of each variant live equally long."""
    chances = {
        variant: log_rank_between(case for case, _ in shown.values())
        for (variant, _), shown in found.items()
    }
    told = [f"{variant}: p = {p:.2g}" for variant, p in chances.items() if p is not None]
    return f" Log-rank test between the models: {'; '.join(told)}." if told else ""


def _first(found: dict[tuple[str, str], dict[str, tuple[CaseRecord, Picture]]]) -> Picture:
    return next(iter(next(iter(found.values())).values()))[1]


def _panel(
    how: _Kind,
    variant: str,
    part: str,
    shown: dict[str, tuple[CaseRecord, Picture]],
    models: Sequence[str],
) -> XYPanel:
    series: list[Series] = []
    case, first = next(iter(shown.values()))
    for curve in first.curves:
        # The same for every model.
        if curve.role == "floor":
            series.append(_series("noise floor", "empty", curve, band=True))
        elif curve.role == "reference":
            series.append(_series("reference", "all", curve, dashed=True))
    for model, (_, picture) in shown.items():
        role = f"series-{models.index(model)}" if model in models else "series-0"
        for curve in picture.curves:
            if curve.role == "model":
                if curve.low:
                    band = _series(f"{model}, band", role, curve, band=True, steps=how.steps)
                    series.append(band)
                series.append(_series(model, role, curve, steps=how.steps))
            elif curve.role == "points":
                series.append(_series(model, role, curve, points=True))
    metric = metric_named(case.metric)
    label, unit = how.y if how.y[0] else (metric.title, metric.unit)
    title = variant if part in ("", "all") else f"{variant}, {part}"
    points = [one for one in series if one.mark == "points"]
    return XYPanel(
        title=f"{variant}: {metric.id}" if not how.y[0] else title,
        x=value_axis(*how.x, [x for one in points for x in one.x], log=True)
        if how.log
        else Axis(*how.x),
        y=value_axis(label, unit, [y for one in points for y in one.y], log=True)
        if how.log
        else Axis(
            label if how.y[0] else "Error",
            unit,
            limits=(-0.03, 1.03) if how.steps else None,
        ),
        series=tuple(series),
        limits=() if first.level is None else (Limit(first.level, how.level),),
    )


def _series(
    label: str,
    role: str,
    curve: Curve,
    *,
    band: bool = False,
    dashed: bool = False,
    steps: bool = False,
    points: bool = False,
) -> Series:
    return Series(
        label,
        role,
        curve.x,
        curve.y,
        low=curve.low if band else (),
        high=curve.high if band else (),
        mark="band" if band else "points" if points else "line",
        dashed=dashed,
        steps=steps,
        in_legend=not band or role == "empty",
    )


def error_beside_stability(groups: Sequence[SpecRows], models: Sequence[str]) -> Figure | None:
    """Does the error on fixed frames tell how a simulation goes? One point a model and variant.

    None with fewer than three models that have both.
    """
    error = "force_mae"
    panels, told = [], []
    for hint in ("stability_time", "force_violation"):
        places: dict[str, list[tuple[CaseRecord, CaseRecord]]] = {}
        for group in groups:
            for model in models:
                places.setdefault(model, []).extend(
                    (mae, one)
                    for variant in group.variants
                    if (mae := group.measured(variant, error, None, model))
                    and (one := group.measured(variant, hint, None, model))
                )
        pairs = [
            (mae.value, one.value)
            for found in places.values()
            for mae, one in found
            if mae.value is not None and one.value is not None
        ]
        if sum(bool(found) for found in places.values()) < 3:
            continue
        shown = rank_correlation(*zip(*pairs, strict=True), p_value=False)
        value = "undecided" if shown.value is None else f"{shown.value:.2f}"
        if shown.ci_low is not None and shown.ci_high is not None:
            value += f" ({shown.ci_low:.2f} to {shown.ci_high:.2f})"
        told.append(f"{hint}: {value} over {len(pairs)} pairs")
        panels.append(_beside(error, hint, places, models))
    if not panels:
        return None
    return Figure(
        "error-beside-stability",
        "Error on fixed frames beside what simulations do",
        "Each point is one variant of one model, with its 95 % interval. Rank correlation "
        f"(Spearman, 95 % interval where ten pairs or more): {'; '.join(told)}.",
        "dynamics",
        tuple(panels),
        columns=len(panels),
    )


def _beside(
    error: str,
    hint: str,
    places: dict[str, list[tuple[CaseRecord, CaseRecord]]],
    models: Sequence[str],
) -> XYPanel:
    every = [pair for found in places.values() for pair in found]
    series = tuple(
        Series(
            model,
            f"series-{models.index(model)}",
            tuple(mae.value or 0.0 for mae, _ in found),
            tuple(one.value or 0.0 for _, one in found),
            low=tuple(one.ci_low for _, one in found),
            high=tuple(one.ci_high for _, one in found),
            hover=tuple(
                f"{model}, {one.variant}: {short(mae.value or 0.0)} {mae.unit}, "
                f"{with_interval(one)} {one.unit}"
                for mae, one in found
            ),
            mark="points",
        )
        for model, found in places.items()
        if found
    )
    ends = [v for _, one in every for v in (one.value, one.ci_low, one.ci_high)]
    unit = every[0][1].unit
    return XYPanel(
        title=metric_named(hint).title,
        x=value_axis(
            metric_named(error).name, every[0][0].unit, [mae.value for mae, _ in every], log=True
        ),
        y=Axis(metric_named(hint).name, unit, limits=limits(ends, log=False)),
        series=series,
    )
