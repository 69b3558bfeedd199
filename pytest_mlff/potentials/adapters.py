"""Adapters: who opens which file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.detect import FAMILY_NAMES, FileKind

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import Potential


class ModelReadsLabelsWarning(UserWarning):
    """A model's own code has read the file with the labels that it is judged by."""


class ModelOpensCodeWarning(UserWarning):
    """Opening this model file runs code that the file brings along."""


@dataclass(frozen=True)
class LoadOptions:
    """How a file is to be opened.

    Attributes
    ----------
    source : str
        What ``--mlff-model`` said.
    name : str
        Short name for tables.
    device : str
        ``cpu`` or ``cuda``, already checked.
    dtype : str or None
        ``float32`` or ``float64``; None leaves the model as it is stored.
    trusted : bool
        The file is the package's own, so that running its code needs no warning.
    """

    source: str
    name: str
    device: str = "cpu"
    dtype: str | None = None
    trusted: bool = False


class Adapter(Protocol):
    """Opens the model files of one family."""

    @property
    def family(self) -> str:
        """Name in ``FAMILY:PATH``."""

    @property
    def extra(self) -> str:
        """Extra of this package that installs the family's library."""

    def recognises(self, kind: FileKind) -> bool:
        """Whether this adapter opens such files."""

    def load(self, kind: FileKind, options: LoadOptions) -> Potential:
        """Open a file.

        Raises
        ------
        MlffError
            If the file cannot be opened as asked; one line.
        MissingExtraError
            If the family's library is not installed.
        """


def _refusal(kind: FileKind, adapters: Sequence[Adapter]) -> str:
    known = ", ".join(sorted(one.family for one in adapters))
    served = {one.family for one in adapters}
    if kind.family is not None and kind.family not in served:
        return (
            f"{kind.path}: looks like a {kind.looks_like}, a family without an adapter "
            f"(there are: {known}); give an ASE calculator of {FAMILY_NAMES[kind.family]} "
            "as file.py:callable"
        )
    return (
        f"{kind.path}: not a checkpoint that any adapter knows (looks like: {kind.looks_like}; "
        f"adapters: {known})"
    )


def adapter_for(kind: FileKind, family: str | None, adapters: Sequence[Adapter]) -> Adapter:
    """Choose the adapter that opens a file.

    Parameters
    ----------
    kind : FileKind
        What the file is.
    family : str or None
        The adapter that the user forces.
    adapters : sequence of Adapter
        Those to choose from; earlier ones are asked first.

    Raises
    ------
    MlffError
        If no adapter knows such a file, or the forced one does not exist.
    """
    if family is not None:
        for adapter in adapters:
            if adapter.family == family:
                return adapter
        choices = ", ".join(sorted(one.family for one in adapters))
        raise MlffError(f"unknown adapter {family!r}; choices: {choices}")
    for adapter in adapters:
        if adapter.recognises(kind):
            return adapter
    raise MlffError(_refusal(kind, adapters))
