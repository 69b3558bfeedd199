"""The models of a run: loaded once each, trained first where a recipe says so."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.failures import LostContexts, ModelFailure, is_poisoned
from pytest_mlff.potentials.families.registry import family_names
from pytest_mlff.potentials.source import Card, RecipeFile, parse_source

if TYPE_CHECKING:
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.card import ModelCard
    from pytest_mlff.potentials.process import Limits
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo
    from pytest_mlff.potentials.source import ModelSource
    from pytest_mlff.run.options import Located, Options
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.specs import Variant
    from pytest_mlff.store import Store
    from pytest_mlff.training.job import TrainingJob, TrainingResult
    from pytest_mlff.training.progress import Teller
    from pytest_mlff.training.recipe import Recipe
    from pytest_mlff.training.trainers.protocol import Trainer

_AWAKE = 8
"""Models whose processes are kept; one that is needed again is loaded again."""


class Models:
    """Model sources of a run and what has been loaded of them.

    Parameters
    ----------
    options : Options
        What the user asked for.
    store : Store
        The store.
    frame_sets : callable
        From a planned spec and a variant to its frames.
    adapters : sequence of Adapter
        Model adapters beyond the builtin ones.
    threads : int or None
        Threads per process for the model; None leaves the libraries' own choice.
    train : callable, optional
        From a training job to its result; runs it in this process if not given.

    Attributes
    ----------
    contexts : LostContexts
        GPUs that this process has lost.
    notice, offered
        See :class:`ProcessPotential`.
    training_notice : Teller or None
        Told how far a training is.
    told : dict
        What workers said of the models that they opened, by source and variant.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        frame_sets: Callable[[PlannedSpec, Variant], FrameSets],
        adapters: Sequence[Adapter] = (),
        threads: int | None = None,
        *,
        train: Callable[[TrainingJob], TrainingResult] | None = None,
    ) -> None:
        self.options = options
        self.store = store
        self.adapters = tuple(adapters)
        self.threads = threads
        self.frame_sets = frame_sets
        self._train = train
        self._potentials: dict[tuple[Located, str | None, str | None], Potential] = {}
        self._failures: dict[tuple[Located, str | None, str | None], MlffError] = {}
        self._parsed: dict[Located, ModelSource] = {}
        self._recipes: dict[Located, tuple[Recipe, Trainer] | None] = {}
        self._cards: dict[Located, ModelCard | None] = {}
        self._jobs: dict[tuple[Located, str, str], TrainingJob] = {}
        self.failed: dict[str, MlffError] = {}
        self.contexts = LostContexts()
        self.notice: Callable[[str, float, int, int], None] | None = None
        self.offered: str | None = None
        self.training_notice: Teller | None = None
        self.told: dict[tuple[Located, str | None], PotentialInfo] = {}

    @property
    def infos(self) -> dict[tuple[Located, str | None], PotentialInfo]:
        """Who the models are that were named themselves, by source and variant.

        Of those opened here or by a worker; recipes are left out, and other precisions for a law.
        """
        here = {key[:2]: one.info for key, one in self._potentials.items() if key[2] is None}
        found = {k: v for k, v in {**self.told, **here}.items() if self.recipe(k[0]) is None}
        return dict(sorted(found.items(), key=lambda one: self.options.models.index(one[0][0])))

    def info(self, source: Located) -> PotentialInfo:
        """Who a model with no variants is; opens it where no worker has.

        Raises
        ------
        MlffError
            If it cannot be opened.
        """
        return self.infos.get((source, None)) or self.potential(source).info

    def close(self) -> None:
        """End the processes of all models."""
        for one in self._potentials.values():
            if hasattr(one, "close"):
                one.close()

    def recipe(self, source: Located) -> tuple[Recipe, Trainer] | None:
        """The recipe that a source names with its trainer; None for any other source.

        Raises
        ------
        MlffError
            If the recipe is not in order, or there is no such trainer.
        """
        if source not in self._recipes:
            parsed = self._source(source)
            if not isinstance(parsed, RecipeFile):
                self._recipes[source] = None
            else:
                from pytest_mlff.training.recipe import load_recipe
                from pytest_mlff.training.trainers.registry import open_trainer

                recipe = load_recipe(parsed.path)
                if recipe.python and self.options.in_process:
                    raise MlffError(
                        f"{source.text}: python is of a process of its own: leave "
                        "--mlff-in-process out"
                    )
                self._recipes[source] = (recipe, open_trainer(recipe))
        return self._recipes[source]

    def card(self, source: Located) -> ModelCard | None:
        """The model card that a source names; None for any other source.

        Raises
        ------
        MlffError
            If the card is not in order.
        """
        if source not in self._cards:
            from pytest_mlff.potentials.card import load_card

            parsed = self._source(source)
            self._cards[source] = load_card(parsed.path) if isinstance(parsed, Card) else None
        return self._cards[source]

    def name(self, source: Located) -> str | None:
        """What a recipe or a card calls its models, known before any is loaded."""
        recipe, card = self.recipe(source), self.card(source)
        return recipe[0].name if recipe else card.name if card else None

    def _source(self, source: Located) -> ModelSource:
        if source not in self._parsed:
            families = family_names(self.adapters)
            self._parsed[source] = parse_source(source.text, cwd=source.folder, families=families)
        return self._parsed[source]

    def needs_variant(self, source: Located) -> bool:
        """Whether there is one model per fixture variant.

        Raises
        ------
        MlffError
            If the source is not in order.
        """
        return self._is_set(source) or self.recipe(source) is not None

    def _is_set(self, source: Located) -> bool:
        """Whether the source, or the card that it is, names one checkpoint per variant."""
        card = self.card(source)
        return "{variant}" in (source.text if card is None else card.content.model)

    def job(self, source: Located, planned: PlannedSpec, variant: Variant) -> TrainingJob | None:
        """The training that a recipe asks for on a variant; None for any other source.

        Raises
        ------
        NotSupportedError
            If a window holds fewer frames than asked for.
        MlffError
            If the recipe is not in order, or the spec cuts no training frames.
        """
        if (found := self.recipe(source)) is None:
            return None
        # All cases of a variant ask for it, and its address is the digest of many files.
        key = (source, str(planned.path), variant.id)
        if key not in self._jobs:
            from pytest_mlff.training.job import training_job

            self._jobs[key] = training_job(
                *found,
                self.frame_sets(planned, variant),
                store_root=self.options.store_dir,
                variant=f"{planned.spec.suite}/{planned.spec.name}/{variant.id}",
                reference=planned.spec.reference_energies,
                names=variant.names,
            )
        return self._jobs[key]

    def trained_level(self, source: Located, planned: PlannedSpec, variant: Variant) -> str | None:
        """Level of theory that a recipe's model has learnt; None where it is not known."""
        from pytest_mlff.datasets.oracles import oracle_named

        job = self.job(source, planned, variant)
        if job is None or job.stage is None or job.stage.labels is None:
            return planned.training_level(variant)
        return oracle_named(job.stage.labels, job.recipe.path.parent).method

    def potential(
        self, source: Located, variant: str | None = None, planned: PlannedSpec | None = None
    ) -> Potential:
        """Load a model source, once; a recipe is trained first, on variant and spec.

        Raises
        ------
        MlffError
            If the model cannot be loaded or trained.
        """
        if self.recipe(source) is not None:
            return self._recipes_potential(source, variant, planned)
        return self._in_precision(source, variant, None)

    def _in_precision(self, source: Located, variant: str | None, dtype: str | None) -> Potential:
        """The model in another precision than asked for; None for that."""
        key = (source, variant if self._is_set(source) else None, dtype)

        def opened() -> Potential:
            from pytest_mlff.potentials.process import open_potential

            # For the first model alone: of the next ones, the address may be anybody's by now.
            offered, self.offered = self.offered, None
            return open_potential(
                source.text,
                device=self.options.device,
                dtype=dtype or self.options.dtype,
                cwd=source.folder,
                adapters=self.adapters,
                variant=key[1],
                data_dir=self.options.data_dir,
                store=self.store,
                threads=self.threads,
                limits=self._limits,
                notice=self._notice,
                offered=offered,
                in_process=self.options.in_process,
            )

        return self._once(key, opened, keep_errors=dtype is not None)

    @property
    def _limits(self) -> Limits:
        from pytest_mlff.potentials.process import Limits

        return Limits(self.options.timeout)

    def _notice(self, name: str, seconds: float, done: int, total: int) -> None:
        if self.notice is not None:
            self.notice(name, seconds, done, total)

    def _once(
        self,
        key: tuple[Located, str | None, str | None],
        opened: Callable[[], Potential],
        *,
        keep_errors: bool = False,
    ) -> Potential:
        """What was loaded under a key, loaded first if need be."""
        if key in self._failures:
            raise self._failures[key]
        potential = self._potentials.pop(key, None)
        if potential is None:
            self._prepare_threads()
            try:
                with self.contexts.guard(self.options.device, key[0].text):
                    potential = opened()
            except MlffError as error:
                # What ends its process while it is loaded would do so once for each case.
                if isinstance(error, ModelFailure) or (keep_errors and not is_poisoned(error)):
                    self._failures[key] = error
                raise
        self._potentials[key] = potential  # the last in use stands last
        for one in list(self._potentials.values())[:-_AWAKE]:
            if hasattr(one, "close"):
                one.close()
        return potential

    def _recipes_potential(
        self, source: Located, variant: str | None, planned: PlannedSpec | None
    ) -> Potential:
        if variant is None or planned is None:
            raise MlffError(
                f"model source {source.text!r} is trained per fixture variant; a test that takes "
                "mlff_model alone does not say which: take mlff_case or mlff_predictions"
            )
        job = self.job(source, planned, planned.variant(variant))
        assert job is not None
        return self._once(
            (source, job.digest, None), lambda: self._loaded(source, job, self._result(job))
        )

    def _result(self, job: TrainingJob) -> TrainingResult:
        """Train or take from the store; a training that failed is not tried once per case."""
        if job.digest in self.failed:
            raise self.failed[job.digest]
        try:
            return (self._train or self._trained_here)(job)
        except MlffError as error:
            self.failed[job.digest] = error
            raise

    def _trained_here(self, job: TrainingJob) -> TrainingResult:
        from pytest_mlff.training.progress import foresight, remember_pace, watching
        from pytest_mlff.training.runner import run_job, stored_result

        teller = self.training_notice
        for one in job.lineage:
            if teller is not None and (early := foresight(one)) and stored_result(one) is None:
                teller.tell(one.title, early, False)
            with watching(one, teller):
                result = run_job(one)
            remember_pace(one, result)
        return result

    def _loaded(self, source: Located, job: TrainingJob, result: TrainingResult) -> Potential:
        from pytest_mlff.potentials.process import start
        from pytest_mlff.training.job import load_request

        request = load_request(
            job,
            result,
            device=self.options.device,
            dtype=self.options.dtype,
            threads=self.threads,
            shown=source.text,
        )
        return start(
            request,
            adapters=self.adapters,
            limits=replace(self._limits, python=job.recipe.python),
            store=self.store,
            notice=self._notice,
            in_process=self.options.in_process,
        )

    def _prepare_threads(self) -> None:
        if not self.options.in_process:
            return  # its process is started with what it needs
        # See :mod:`pytest_mlff.potentials.process.launch`. Read when torch is first imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    def other_precisions(
        self, source: Located, variant: str, potential: Potential
    ) -> dict[str, Potential]:
        """The same model in the other precisions that its format can be opened in.

        A recipe's models have none: they are what the trainer left.
        """
        found: dict[str, Potential] = {}
        if self.recipe(source) is not None:
            return found
        for dtype in ("float32", "float64"):
            if dtype == potential.info.dtype:
                continue
            with warnings.catch_warnings():
                # That opening the file runs its code was said when it was first opened.
                warnings.simplefilter("ignore")
                try:
                    found[dtype] = self._in_precision(source, variant, dtype)
                except MlffError as error:
                    if is_poisoned(error) or isinstance(error, ModelFailure):
                        raise
                    continue  # a compiled model, say, keeps the precision it was made in
        return found
