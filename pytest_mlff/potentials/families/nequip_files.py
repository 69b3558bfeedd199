"""Opening NequIP's files: Lightning checkpoints, packages, compiled models.

A checkpoint of one of NequIP's own architectures is opened as pure data: torch reads
tensors and plain containers only, and the network is built from its configuration.
All other ways run code from the file, which is said in one warning line.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.potentials.adapters import LoadOptions, ModelOpensCodeWarning
from pytest_mlff.potentials.failures import one_line, raise_if_poisoned
from pytest_mlff.potentials.families.nequip import (
    NequipMetadata,
    NequipPotential,
    library_state,
    type_table,
    users_random_state,
)
from pytest_mlff.potentials.identity import installed_versions
from pytest_mlff.potentials.protocol import PotentialInfo
from pytest_mlff.store import file_digest

if TYPE_CHECKING:
    from pytest_mlff.potentials.detect import FileKind

# Builders that only compute from plain values. A configuration can name any Python
# callable; one that is not listed here is opened by the library, after a warning.
_PLAIN_BUILDERS: Final = frozenset(
    {
        "nequip.model.NequIPGNNModel",
        "nequip.model.PresetNequIPGNNModel",
        "nequip.model.FullNequIPGNNModel",
        "allegro.model.AllegroModel",
    }
)
_PLAIN_PARTS: Final = frozenset({"nequip.nn.pair_potential.ZBL"})
# Training modules whose weights for evaluation are the stored or the averaged ones.
_PLAIN_TRAINERS: Final = frozenset(
    f"nequip.train.{name}"
    for name in (
        "NequIPLightningModule",
        "EMALightningModule",
        "ConFIGLightningModule",
        "EMAConFIGLightningModule",
    )
)
_SOLE_MODEL: Final = "sole_model"


@dataclass(frozen=True)
class _Opened:
    forward: Any
    metadata: NequipMetadata
    versions: Mapping[str, str]
    one_by_one: bool = False
    compiled: bool = False


@dataclass(frozen=True)
class NequipAdapter:
    """Opens ``.ckpt`` (by any name), ``.nequip.zip`` and ``.nequip.pt2``."""

    family: str = "nequip"
    extra: str = "nequip"

    def recognises(self, kind: FileKind) -> bool:
        """NequIP's names in one of the three formats."""
        formats = ("lightning", "torch-package", "aotinductor")
        return kind.family == "nequip" and kind.format in formats

    def load(self, kind: FileKind, options: LoadOptions) -> NequipPotential:
        """Open a file (see :class:`Adapter`)."""
        openers = {
            "lightning": _open_checkpoint,
            "torch-package": _open_package,
            "aotinductor": _open_compiled,
        }
        if kind.format not in openers:
            raise MlffError(
                f"{kind.path}: not a NequIP file (looks like: {kind.looks_like}); "
                "NequIP files are .ckpt, .nequip.zip and .nequip.pt2"
            )
        try:
            import torch  # noqa: F401

            with users_random_state():
                import nequip  # noqa: F401
        except ImportError as error:
            library = "torch" if error.name == "torch" else "nequip"
            raise MissingExtraError(f"{kind.path.name}", library, self.extra) from error
        try:
            with library_state():
                opened = openers[kind.format](kind, options)
        except (MlffError, ModelOpensCodeWarning):
            raise
        except Exception as error:
            raise_if_poisoned(error, str(kind.path))
            raise MlffError(f"{kind.path}: NequIP cannot open it ({one_line(error)})") from error
        info = PotentialInfo(
            name=options.name,
            family=self.family,
            source=options.source,
            digest=file_digest(kind.path),
            species=tuple(sorted(opened.metadata.type_names)),
            cutoff=opened.metadata.cutoff,
            device=options.device,
            dtype=opened.metadata.dtype,
            versions={**installed_versions("nequip", "e3nn", "torch"), **opened.versions},
        )
        return NequipPotential(
            info=info,
            metadata=opened.metadata,
            forward=opened.forward,
            types=type_table(opened.metadata.type_names, str(kind.path)),
            one_by_one=opened.one_by_one,
            compiled=opened.compiled,
        )


def _warn(kind: FileKind, options: LoadOptions, what: str) -> None:
    if not options.trusted:
        warnings.warn(
            f"{kind.path.name}: {what} when it is opened; open only files you trust",
            ModelOpensCodeWarning,
            stacklevel=2,
        )


# --- Lightning checkpoints ------------------------------------------------------------


def _targets(config: object) -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "_target_":
                yield str(value)
            else:
                yield from _targets(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _targets(value)


def _is_plain(parameters: dict[str, Any]) -> bool:
    model = parameters.get("model")
    info = parameters.get("info_dict")
    if not isinstance(model, dict) or not isinstance(info, dict):
        return False
    trainer = info.get("training_module", {}).get("_target_")
    inner = {key: value for key, value in model.items() if key != "_target_"}
    return (
        trainer in _PLAIN_TRAINERS
        and model.get("_target_") in _PLAIN_BUILDERS
        and set(_targets(inner)) <= _PLAIN_PARTS
    )


def _read_as_data(kind: FileKind) -> dict[str, Any] | None:
    """The checkpoint, if it holds nothing but tensors and containers of a plain model."""
    import pickle

    import torch

    try:
        content = torch.load(kind.path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("hyper_parameters"), dict):
        raise MlffError(f"{kind.path}: the checkpoint holds no hyper_parameters to build it from")
    return content if _is_plain(content["hyper_parameters"]) else None


def _build(content: dict[str, Any], dtype: str | None) -> Any:
    """Network with the weights that NequIP itself would evaluate."""
    from importlib import import_module

    import torch
    from nequip.model import override_model_compile_mode

    config = dict(content["hyper_parameters"]["model"])
    module, _, name = config.pop("_target_").rpartition(".")
    if dtype is not None:
        config["model_dtype"] = dtype
    with override_model_compile_mode("eager"):
        model = getattr(import_module(module), name)(**config)
    state: dict[str, Any] = content["state_dict"]
    own = f"model.{_SOLE_MODEL}."
    model.load_state_dict(
        {key.removeprefix(own): value for key, value in state.items() if key.startswith(own)}
    )
    averaged = [key for key in state if key.startswith("ema.ema_weight_")]
    # A checkpoint that was saved during a validation has the two exchanged: there the model
    # holds the averaged weights, and "ema" the raw ones.
    exchanged = not state.get("ema._extra_state", {}).get("is_holding_ema_weights", True)
    if averaged and not exchanged:
        parameters = list(model.parameters())
        if len(averaged) != len(parameters):
            raise MlffError(
                f"the checkpoint has {len(averaged)} averaged weights for {len(parameters)} weights"
            )
        with torch.no_grad():
            for index, parameter in enumerate(parameters):
                parameter.copy_(state[f"ema.ema_weight_{index}"])
    return model


def _open_checkpoint(kind: FileKind, options: LoadOptions) -> _Opened:
    content = _read_as_data(kind)
    if content is not None:
        model = _build(content, options.dtype)
    else:
        _warn(kind, options, "a checkpoint of other than NequIP's own architectures runs code")
        from nequip.model import ModelFromCheckpoint
        from nequip.model.modify_utils import only_apply_persistent_modifiers

        with only_apply_persistent_modifiers(persistent_only=True):
            model = ModelFromCheckpoint(str(kind.path), compile_mode="eager")[_SOLE_MODEL]
        _change_dtype(kind, model, options.dtype)
    return _eager(model, options, {})


# --- packages -------------------------------------------------------------------------


def _open_package(kind: FileKind, options: LoadOptions) -> _Opened:
    _warn(kind, options, "a NequIP package brings its own Python code, which runs")
    import yaml
    from nequip.model import ModelFromPackage

    with _named(kind.path, ".nequip.zip") as path:
        model = ModelFromPackage(str(path), compile_mode="eager")[_SOLE_MODEL]
    _change_dtype(kind, model, options.dtype)
    import zipfile

    with zipfile.ZipFile(kind.path) as archive:
        member = next(name for name in kind.names if name.endswith("/package_metadata.txt"))
        packaged = yaml.safe_load(archive.read(member)).get("versions", {})
    versions = {f"packaged {name}": str(value) for name, value in sorted(packaged.items())}
    return _eager(model, options, versions)


def _eager(model: Any, options: LoadOptions, versions: Mapping[str, str]) -> _Opened:
    model = model.to(options.device).eval()
    # Gradients are taken by positions only; tracking weights costs time and memory.
    model.requires_grad_(False)
    return _Opened(model, NequipMetadata.of_mapping(model.metadata), versions)


def _change_dtype(kind: FileKind, model: Any, dtype: str | None) -> None:
    """Evaluate a float32 network in float64.

    The other way is refused: some of NequIP's constants are float64 in every model, and
    a built network no longer says which.
    """
    import torch

    stored = str(model.model_dtype).removeprefix("torch.")
    if dtype is None or dtype == stored:
        return
    if (stored, dtype) != ("float32", "float64"):
        raise MlffError(
            f"{kind.path}: stored in {stored}, cannot be evaluated in {dtype} from this file; "
            "give its training checkpoint (.ckpt) or drop --mlff-dtype"
        )
    model.double()
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if value is torch.float32:
                setattr(module, name, torch.float64)
    model._metadata["model_dtype"] = "float64"


# --- compiled models ------------------------------------------------------------------


def _open_compiled(kind: FileKind, options: LoadOptions) -> _Opened:
    _warn(kind, options, "a compiled model is machine code, which runs")
    import torch
    from nequip.nn.compile import DictInputOutputWrapper
    from nequip.utils.aoti_metadata import import_custom_ops_libs

    # NequIP's state setting imports what torch's loader of compiled models needs.
    with _named(kind.path, ".nequip.pt2") as path:
        import_custom_ops_libs(str(path))
        try:
            compiled = torch._inductor.aoti_load_package(str(path))
            metadata = compiled.get_metadata()
        except Exception as error:
            raise_if_poisoned(error, str(kind.path))
            raise MlffError(
                f"{kind.path}: torch {torch.__version__} cannot load it ({one_line(error)}); a "
                "compiled model works only with the torch and the kind of machine that compiled "
                "it: run nequip-compile again, or give the .ckpt or .nequip.zip"
            ) from error
    if "nequip_aoti_inputs" not in metadata:
        raise MlffError(
            f"{kind.path}: compiled by a NequIP before 0.17, which does not say its inputs; "
            "run nequip-compile again"
        )
    place = str(metadata.get("AOTI_DEVICE_KEY", "cpu"))
    if torch.device(place).type != torch.device(options.device).type:
        raise MlffError(
            f"{kind.path}: compiled for {place}; use --mlff-device={torch.device(place).type}"
        )
    about = NequipMetadata.of_mapping(metadata)
    if options.dtype not in (None, about.dtype):
        raise MlffError(
            f"{kind.path}: compiled in {about.dtype}, cannot be evaluated in {options.dtype}; "
            "give the .ckpt or .nequip.zip, or drop --mlff-dtype"
        )
    inputs = str(metadata["nequip_aoti_inputs"]).split()
    outputs = str(metadata["nequip_aoti_outputs"]).split()
    forward = DictInputOutputWrapper(compiled, inputs, outputs)
    return _Opened(forward, about, {}, one_by_one="batch" not in inputs, compiled=True)


@contextlib.contextmanager
def _named(path: Path, suffix: str) -> Iterator[Path]:
    """The file under a name with the suffix that the library insists on."""
    if path.name.endswith(suffix):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="mlff-", ignore_cleanup_errors=True) as folder:
        named = Path(folder) / f"model{suffix}"
        shutil.copyfile(path, named)
        yield named
