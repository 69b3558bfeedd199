"""A potential that sends each frame to the most similar of several models.

Where several models were trained on different windows or molecules, each frame is served
by the one whose training frames resemble it most: the largest dot product of the frame's
unit SOAP vector with the mean unit vector of the model's training frames, which is the
mean cosine of the frame with all of them. Li et al. (SAIBench-MLFF) propose it in closing.

The energy jumps where frames change hands, so the whole is a potential of single frames
and none to run dynamics with.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MissingExtraError, MlffError, did_you_mean
from pytest_mlff.potentials.failures import FrameError, UnsupportedFrameError
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction
from pytest_mlff.potentials.source import Card, RecipeFile, Routed, parse_source
from pytest_mlff.similarity.frame_source import frames_of_file, frames_of_variant
from pytest_mlff.similarity.soap import SoapSettings, soap_chunks
from pytest_mlff.similarity.windows import mean_vector
from pytest_mlff.specs.wording import shown
from pytest_mlff.specs.yaml_source import read_yaml

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.specs.yaml_source import Location, YamlSource
    from pytest_mlff.store import Store

_KEYS: Final = ("checkpoint", "frames", "spec", "variant", "dataset")


class RoutedPotential:
    """Several potentials as one; see :class:`~pytest_mlff.potentials.protocol.Potential`.

    Parameters
    ----------
    members : sequence of (Potential, ndarray of shape (d,))
        Each model with the mean unit SOAP vector of the frames it was trained on
        (:func:`pytest_mlff.similarity.mean_vector`), all made with ``settings``.
    settings : SoapSettings
        Must state its species: those of all windows together. A frame with another
        one is `unsupported`.
    name : str
        For tables.
    source : str
        What ``--mlff-model`` said.
    window_digests : sequence of str, optional
        What identifies each window; by default the vector itself, which may differ in its
        last digits from machine to machine.

    Raises
    ------
    MlffError
        If there are no members, or a vector does not fit the settings.
    """

    def __init__(
        self,
        members: Sequence[tuple[Potential, NDArray[np.float64]]],
        settings: SoapSettings,
        name: str,
        *,
        source: str = "",
        window_digests: Sequence[str] | None = None,
    ) -> None:
        if not members:
            raise MlffError(f"{name}: a routed potential needs at least one member")
        for index, (_, vector) in enumerate(members):
            if settings.species is None or np.shape(vector) != (settings.size,):
                raise MlffError(
                    f"{name}: mean vector {index} has shape {np.shape(vector)}, the SOAP "
                    f"settings need ({settings.size},)"
                )
        self._potentials = tuple(potential for potential, _ in members)
        self._means = np.array([vector for _, vector in members], dtype=np.float64)
        self._settings = settings
        if window_digests is None:
            window_digests = [hashlib.sha256(row.tobytes()).hexdigest() for row in self._means]
        self._info = _info(self._potentials, settings, name, source or name, window_digests)

    @property
    def info(self) -> PotentialInfo:
        """Identity of the whole; its digest holds those of all members and windows."""
        return self._info

    @property
    def members(self) -> tuple[Potential, ...]:
        """The models, in the order in which ties are decided."""
        return self._potentials

    @property
    def one_by_one(self) -> bool:
        """Whether no member gains from batches."""
        return all(bool(getattr(one, "one_by_one", False)) for one in self._potentials)

    def route(self, frames: Frames) -> NDArray[np.int64]:
        """Which member serves each frame.

        Parameters
        ----------
        frames : Frames
            Any number.

        Returns
        -------
        ndarray of int64, shape (n_frames,)
            Positions in :attr:`members`. A frame's member depends on that frame alone.

        Raises
        ------
        UnsupportedFrameError
            If a frame holds a species of no window, or species that no member has all of.
        """
        from ase.data import chemical_symbols

        allowed = []
        for index in range(len(frames)):
            atoms = frames.numbers[frames.offsets[index] : frames.offsets[index + 1]]
            allowed.append(self._allowed(index, {chemical_symbols[z] for z in set(atoms.tolist())}))
        routed = np.zeros(len(frames), dtype=np.int64)
        done = 0
        for vectors in soap_chunks(frames, self._settings):
            for vector in vectors:
                # Summed row by row: a matrix product's rounding depends on its shape, so a
                # tie could be decided by the other frames of the batch.
                scores = (self._means * vector).sum(axis=1)
                routed[done] = int(np.argmax(np.where(allowed[done], scores, -np.inf)))
                done += 1
        return routed

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames``, one batch for each member that serves any.

        Raises
        ------
        NotSupportedError
            As :meth:`route`, or from a member.
        """
        routed = self.route(frames)
        energy = np.empty(len(frames))
        forces = np.empty((len(frames.numbers), 3))
        stress: NDArray[np.float64] | None = None
        for member in np.unique(routed):
            chosen = np.flatnonzero(routed == member)
            try:
                part = self._potentials[member].predict(frames.select(chosen))
            except FrameError as error:
                raise error.moved(int(chosen[error.index]) - error.index) from error
            energy[chosen] = part.energy
            forces[routed[frames.frame_of_atom] == member] = part.forces
            if part.stress is not None:
                if stress is None:
                    stress = np.full((len(frames), 3, 3), np.nan)
                stress[chosen] = part.stress
        return Prediction(energy, forces, stress)

    def _allowed(self, index: int, found: set[str]) -> list[bool]:
        """Which members know all species of frame ``index``."""
        foreign = sorted(found - set(self._settings.species or ()))
        if foreign:
            what = f"holds {', '.join(foreign)}, which no training window does"
            raise UnsupportedFrameError(self.info.name, index, what)
        knows = [
            one.info.species is None or found <= set(one.info.species) for one in self._potentials
        ]
        if not any(knows):
            what = f"holds {', '.join(sorted(found))}; no member was made for all of them"
            raise UnsupportedFrameError(self.info.name, index, what)
        return knows


def _info(
    potentials: Sequence[Potential],
    settings: SoapSettings,
    name: str,
    source: str,
    window_digests: Sequence[str],
) -> PotentialInfo:
    """Identity of a routed potential from those of its members."""
    infos = [one.info for one in potentials]
    digests = [info.digest for info in infos]
    key = settings.key
    digest = None
    if None not in digests:
        text = repr((digests, list(window_digests), sorted(key.items())))
        digest = hashlib.sha256(text.encode()).hexdigest()
    known: set[str] = set()
    for info in infos:
        known |= set(settings.species or ()) if info.species is None else set(info.species)
    cutoffs = [info.cutoff for info in infos]
    dtypes = {info.dtype for info in infos}
    devices = [info.device for info in infos]
    return PotentialInfo(
        name=name,
        family="routed",
        source=source,
        digest=digest,
        species=tuple(sorted(known & set(settings.species or ()))),
        cutoff=None if None in cutoffs else max(c for c in cutoffs if c is not None),
        # The scarcer memory and the coarser numbers are what callers must reckon with.
        device=next((one for one in devices if one.startswith("cuda")), devices[0]),
        dtype=next((one for one in ("float32", "unknown") if one in dtypes), infos[0].dtype),
        versions={**{k: v for info in infos for k, v in info.versions.items()},
                  "dscribe": str(key["dscribe"])},
    )  # fmt: skip


@dataclass(frozen=True)
class Window:
    """One entry of a routed source.

    Attributes
    ----------
    checkpoint : str
        Any model source that loads; relative paths start from the YAML file's folder.
    frames : str or None
        File with the frames that the model was trained on.
    spec, variant, dataset : str or None
        Or the variant whose training frames they are, and the dataset they come from.
    where : str
        ``file:line`` of the entry.
    """

    checkpoint: str
    frames: str | None
    spec: str | None
    variant: str | None
    dataset: str | None
    where: str


def read_windows(path: Path) -> tuple[Window, ...]:
    """Read the entries of a routed source; no model and no frame is opened.

    Raises
    ------
    MlffError
        With one line ``file:line: key: what is wrong``.
    """
    source = read_yaml(path)
    content = source.value
    if not isinstance(content, dict) or "routed" not in content:
        raise source.wrong((), "must be a mapping with the key `routed`")
    for key in content:
        if key != "routed":
            raise source.wrong((key,), "unknown key (keys: routed)")
    entries = content["routed"]
    if not isinstance(entries, tuple) or not entries:
        raise source.wrong(("routed",), "must be a list of at least one `- checkpoint: ...`")
    return tuple(_window(source, index, entry) for index, entry in enumerate(entries))


def _window(source: YamlSource, index: int, entry: Any) -> Window:
    at: Location = ("routed", index)
    if not isinstance(entry, dict):
        raise source.wrong(at, "must be a mapping such as `checkpoint: a.nequip.zip`")
    for key, value in entry.items():
        if key not in _KEYS:
            near = did_you_mean(key, _KEYS)
            raise source.wrong((*at, key), f"unknown key{near} (keys: {', '.join(_KEYS)})")
        if not isinstance(value, str) or not value:
            raise source.wrong((*at, key), f"must be text, is {value!r}")
    if "checkpoint" not in entry:
        raise source.wrong(at, "`checkpoint` is missing")
    if ("frames" in entry) == ("spec" in entry):
        raise source.wrong(at, "needs either `frames` or `spec` and `variant`")
    if ("variant" in entry) != ("spec" in entry):
        raise source.wrong(at, "`spec` and `variant` belong together")
    if "dataset" in entry and "spec" not in entry:
        raise source.wrong((*at, "dataset"), "says where a spec's frames come from; drop it")
    where = f"{shown(source.path)}:{source.line(at)}"
    return Window(
        checkpoint=entry["checkpoint"],
        frames=entry.get("frames"),
        spec=entry.get("spec"),
        variant=entry.get("variant"),
        dataset=entry.get("dataset"),
        where=where,
    )


@contextlib.contextmanager
def _said_by(window: Window) -> Iterator[None]:
    """Begin error messages with the place in the file."""
    try:
        yield
    except MissingExtraError:
        raise
    except MlffError as error:
        raise MlffError(f"{window.where}: {error}") from error


def _frames(window: Window, folder: Path, data_dir: Path | None) -> Frames:
    if window.frames is not None:
        return frames_of_file(folder / window.frames)
    assert window.spec is not None
    assert window.variant is not None
    return frames_of_variant(
        window.spec, window.variant, dataset=window.dataset, cwd=folder, data_dir=data_dir
    )


def load_routed(
    routed: Routed,
    load: Callable[[Window], Potential],
    *,
    families: Sequence[str],
    store: Store | None = None,
    data_dir: Path | None = None,
) -> RoutedPotential:
    """Load all members of a routed source and describe their windows.

    Parameters
    ----------
    routed : Routed
        The file.
    load : callable
        Loads the model of an entry.
    families : sequence of str
        Names of the adapters that exist.
    store : Store, optional
        Where mean vectors are kept.
    data_dir : Path, optional
        Folder of published datasets.

    Raises
    ------
    MlffError
        With one line, whatever is wrong; it begins with the line of the entry.
    """
    folder = routed.path.absolute().parent
    windows = read_windows(routed.path)
    for window in windows:
        with _said_by(window):
            inner = parse_source(window.checkpoint, cwd=folder, families=families)
            kinds = {Routed: "routed source", RecipeFile: "recipe", Card: "model card"}
            kind = kinds.get(type(inner))
            if kind is not None:
                raise MlffError(f"{window.checkpoint}: a {kind} cannot be a member; name a model")
    # Frames are quick to read, so what is wrong with them is told before models are loaded.
    frames: list[Frames] = []
    for window in windows:
        with _said_by(window):
            frames.append(_frames(window, folder, data_dir))
    settings = SoapSettings().covering(*frames)
    members = []
    for window, trained_on in zip(windows, frames, strict=True):
        with _said_by(window):
            mean = mean_vector(trained_on, settings, store=store)
            members.append((load(window), mean))
    return RoutedPotential(
        members,
        settings,
        routed.path.stem,
        source=routed.text,
        window_digests=[trained_on.structure_digest for trained_on in frames],
    )
