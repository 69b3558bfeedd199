"""What a case needs: the products behind its number, named before any of them is made.

A product's key holds digests, which are known once its model and its frames are loaded. Its
name is made of what the user wrote: the model as it was given, the dataset, the windows. So
it is known at collection, is the same on every machine, and serves the next checkpoint of the
same name, too. Cases that share a product have it under the same name; whoever groups cases,
remembers durations, guards a GPU or trains ahead asks here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlff.metrics.registry import metric_named

if TYPE_CHECKING:
    from pytest_mlff.run.planned_case import PlannedCase
    from pytest_mlff.specs import Variant
    from pytest_mlff.specs.expand import ResolvedSelection

__all__ = [
    "DATA",
    "LAW_RUN",
    "PASS",
    "POOLED",
    "TRAINING",
    "TRAJECTORY",
    "ProductName",
    "needs_of",
]

TRAINING, TRAJECTORY, PASS = "training", "trajectory", "pass"
LAW_RUN, DATA, POOLED = "law", "data", "pooled"


@dataclass(frozen=True, slots=True)
class ProductName:
    """A product that cases wait for; the same on every machine and in every run.

    Attributes
    ----------
    kind : str
        ``training``, ``trajectory``, ``pass``, ``law`` (what one case asks of a potential, which
        nobody shares), ``data`` (frames and what is computed of them alone) or ``pooled`` (what
        stands over all variants of a spec).
    text : str
        What it is made of.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def needs_of(one: PlannedCase) -> tuple[ProductName, ...]:
    """Every product that a case needs, in the order in which they are made; nothing is loaded.

    The first is what takes longest, and what the cases that share it should run beside.
    """
    if one.case.is_pooled and one.source is not None:
        spec = one.case.variant.spec
        members = (replace(one, case=replace(one.case, variant=some)) for some in one.variants)
        shared = dict.fromkeys(need for member in members for need in needs_of(member))
        return (ProductName(POOLED, f"{one.source.text}, {spec.suite}/{spec.name}"), *shared)
    variant = one.case.variant
    spec, chosen = variant.spec, variant.selections
    dataset = _dataset(variant)
    train, validation, test = (
        _window(some, spec.seed) for some in (chosen.train, chosen.validation, chosen.test)
    )
    if one.source is None:
        return (ProductName(DATA, f"{dataset}, train {train}, test {test}"),)
    model = one.source.text
    named: list[ProductName] = []
    if one.source.is_recipe and chosen.train is not None:
        text = f"{model}, {dataset}, train {train}, validation {validation}"
        # A recipe's stages have further sets, and it may name axes that cut no frames.
        more = {name: _window(some, spec.seed) for name, some in chosen.others.items()}
        more |= {axis: str(variant.values[axis]) for axis in variant.idle_axes}
        text += "".join(f", {name} {value}" for name, value in more.items())
        named.append(ProductName(TRAINING, text))
        model = text  # one model per training
    needs = metric_named(one.case.metric).needs
    text = f"{model.replace('{variant}', variant.id)}, {dataset}, test {test}"
    if "trajectories" in needs:
        assert spec.simulate is not None  # checked when the spec was read
        settings = ", ".join(f"{key} {value}" for key, value in spec.simulate if value is not None)
        named.append(ProductName(TRAJECTORY, f"{text}, {settings}"))
    if "potential" in needs:
        alone = f"{model}, {spec.suite}/{spec.name}/{variant.id}/{one.case.metric}"
        named.append(ProductName(LAW_RUN, alone))
    if "predictions" in needs:
        named.append(ProductName(PASS, text))
    return tuple(named)


def _window(selection: ResolvedSelection | None, seed: int) -> str:
    if selection is None:
        return "none"
    molecules = "+".join(selection.molecules) or "all"
    if selection.dataset is not None:
        molecules = f"{selection.dataset}: {molecules}"
    words = [molecules, f"{selection.start!r}-{selection.end!r}%"]
    if selection.pick != "all":
        words.append(f"{selection.pick} {selection.count}")
    if selection.pick == "random":
        words.append(f"seed {seed}")
    return " ".join(words)


def _dataset(variant: Variant) -> str:
    option = variant.option.model_dump(exclude={"axes", "where"}, exclude_none=True)
    if "path" in option:
        # The path starts from the spec's folder, so it names a file only together with the spec.
        option["spec"] = f"{variant.spec.suite}/{variant.spec.name}"
    settings = ", ".join(f"{key}={value}" for key, value in sorted(option.items()))
    return f"{variant.dataset} ({settings})" if settings else variant.dataset
