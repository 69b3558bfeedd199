"""The plan of a run: specs expanded into variants and cases, before any model is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.datasets.levels import NOT_STATED, same_level
from pytest_mlff.datasets.sources import open_sources
from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.specs import builtin_folder, cases_of, expand, find_specs, load_spec
from pytest_mlff.specs.cases import pooled_cases

if TYPE_CHECKING:
    from pytest_mlff.datasets.dataset import DatasetSource
    from pytest_mlff.run.options import Located, Options
    from pytest_mlff.specs import Case, Spec, Variant
    from pytest_mlff.specs.dataset_option import DatasetOption


@dataclass(frozen=True)
class PlannedSpec:
    """One spec with the dataset it runs on, opened, and others that single sets of frames name."""

    path: Path
    spec: Spec
    source: DatasetSource
    variants: tuple[Variant, ...]
    others: Mapping[str, DatasetSource] = field(default_factory=dict)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All cases, in the order of the variants; those over all variants come last."""
        single = tuple(
            case
            for variant in self.variants
            for case in cases_of(variant, self._symbols(variant), partial(self.groups, variant))
        )
        return (*single, *pooled_cases(self.spec, self.variants))

    @cached_property
    def _by_id(self) -> dict[str, Variant]:
        return {variant.id: variant for variant in self.variants}

    def variant(self, name: str) -> Variant:
        """The variant with an id."""
        return self._by_id[name]

    def test_molecules(self, variant: Variant) -> tuple[str, ...]:
        """Molecules that the test frames of a variant come from."""
        return variant.selections.test.molecules or self.test_source(variant).molecules

    def test_source(self, variant: Variant) -> DatasetSource:
        """The dataset that the test frames of a variant come from."""
        named = variant.selections.test.dataset
        return self.source if named is None else self.others[named]

    def test_option(self, variant: Variant) -> DatasetOption:
        """What the spec says of the dataset that the test frames come from."""
        return self.spec.datasets[variant.selections.test.dataset or variant.dataset]

    def on_own_data(self, variant: Variant) -> bool:
        """Whether the labels that are tested against are the user's: a file, or an own record."""
        record = getattr(self.test_source(variant), "record", None)
        own_record = record is not None and not record.is_builtin
        return own_record or self.test_option(variant).path is not None

    def test_level(self, variant: Variant) -> str:
        """Level of theory of the labels that are tested against."""
        return self.test_source(variant).load(self.test_molecules(variant)[0]).level_of_theory

    def training_level(self, variant: Variant) -> str | None:
        """Level of theory of the labels that a recipe trains on; None where it trains on none."""
        train = variant.selections.train
        if train is None:
            return None
        source = self.source if train.dataset is None else self.others[train.dataset]
        return source.load((train.molecules or source.molecules)[0]).level_of_theory

    def test_species(self, variant: Variant) -> tuple[str, ...]:
        """Chemical symbols of the test frames, alphabetically."""
        return tuple(
            sorted(
                {
                    symbol
                    for molecule in self.test_molecules(variant)
                    for symbol in self.test_source(variant).species(molecule)
                }
            )
        )

    def _symbols(self, variant: Variant) -> tuple[str, ...]:
        """As `test_species`; where cases are of pairs, twice what a frame holds twice."""
        found = self.test_species(variant)
        if not any(
            metric_named(one.metric).per_pair and "each" in one.species for one in self.spec.cases
        ):
            return found
        from pytest_mlff.datasets.splits import cut

        frame = cut(variant, self.source, self.others).test_frames.select([0])
        counts = Counter(frame.atoms(0).get_chemical_symbols())
        return tuple(symbol for symbol in found for _ in range(min(2, counts[symbol])))

    def groups(self, variant: Variant, label: str) -> tuple[str, ...]:
        """Values of a label of frames that occur in the test frames of a variant, sorted."""
        from pytest_mlff.datasets.grouping import groups_of
        from pytest_mlff.datasets.splits import cut

        return tuple(sorted(set(groups_of(cut(variant, self.source, self.others).test, label))))

    @property
    def is_builtin(self) -> bool:
        """Whether the spec ships with the package."""
        return self.path.is_relative_to(builtin_folder())

    def check_data(self) -> None:
        """Read every file that the cases need, so that bad data end the run before it starts.

        Raises
        ------
        MlffError
            If a file is missing, corrupt or does not hold what it should.
        """
        for variant in self.variants:
            for molecule in self.test_molecules(variant):
                self.test_source(variant).load(molecule)
        self.check_labels()
        self.check_oracle()

    def check_oracle(self) -> None:
        """An oracle that the spec names is there, and of the method that made the labels.

        Raises
        ------
        MlffError
            Else: the distance between two methods would pass for a model's error.
        """
        plan = self.spec.simulate
        if plan is None or plan.oracle is None:
            return
        from pytest_mlff.datasets.oracles import oracle_named

        at = self.spec.at("simulate", "oracle")
        try:
            level = plan.oracle_level or oracle_named(plan.oracle, self.path.parent).method
        except MlffError as error:
            raise MlffError(f"{at}: {error}") from error
        for labels in map(self.test_level, self.variants):
            if not (same_level(level, labels) or same_level(labels, NOT_STATED)):
                raise MlffError(f"{at}: computes {level}, but the labels are {labels}")

    def check_labels(self) -> None:
        """A threshold on what the data do not hold is a mistake of the spec.

        Raises
        ------
        MlffError
            With the case, the near keys of the file and how to map them.
        """
        for index, plan in enumerate(self.spec.cases):
            labels = metric_named(plan.metric).labels
            if labels is None or not plan.thresholds:
                continue
            for variant in self.variants:
                source = self.test_source(variant)
                datasets = [source.load(one) for one in self.test_molecules(variant)]
                if any(one.frames.labelled(labels).any() for one in datasets):
                    continue
                raise MlffError(
                    f"{self.spec.at('cases', index, 'metric')}: {plan.metric} has a threshold, "
                    f"but {datasets[0].source}: {datasets[0].labels.lacking(labels)}"
                )


def spec_paths(suites: Iterable[Located]) -> tuple[Path, ...]:
    """Files of the named suites, each once, in the order they were named."""
    found: dict[Path, None] = {}
    for suite in suites:
        for path in find_specs([suite.text], suite.folder):
            found.setdefault(path.resolve())
    return tuple(found)


def plan_spec(
    path: Path, dataset: str | None, data_dir: Path | None, strictness: str = ""
) -> PlannedSpec:
    """Load one spec, expand it and open its dataset.

    Raises
    ------
    MlffError
        If the spec, or the choice of dataset, is not in order.
    """
    spec = load_spec(path)
    if spec.simulate is not None:
        spec = spec.model_copy(update={"simulate": spec.simulate.at_strictness(strictness)})
    variants = expand(spec, dataset)
    source, others = open_sources(variants, data_dir)
    return PlannedSpec(path, spec, source, variants, others)


def make_plan(options: Options, paths: tuple[Path, ...]) -> tuple[PlannedSpec, ...]:
    """Plan every spec of a run.

    Raises
    ------
    MlffError
        At the first thing that is not in order; also if two specs claim the same name.
    """
    plan = tuple(
        plan_spec(path, options.dataset, options.data_dir, options.strictness) for path in paths
    )
    seen: dict[str, Path] = {}
    for planned in plan:
        name = f"{planned.spec.suite}/{planned.spec.name}"
        if name in seen:
            raise MlffError(
                f"{planned.path}: spec {name} is already taken by {seen[name]}; rename one of them"
            )
        seen[name] = planned.path
        # Cases are worked out now, so that a missing threshold is told before anything runs.
        _ = planned.cases
    return plan
