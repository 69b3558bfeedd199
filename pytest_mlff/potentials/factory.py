"""Factories: user code that returns a model."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.device import resolve_device
from pytest_mlff.potentials.failures import ModelFailure, one_line, raise_if_poisoned
from pytest_mlff.potentials.protocol import Potential

if TYPE_CHECKING:
    from pytest_mlff.potentials.source import Factory


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let imports find what lies in ``folder`` while the context lasts."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(entry)


def _import_file(path: Path) -> ModuleType:
    # A name of its own: the file may be called like an installed library.
    name = f"_mlff_factory_{path.stem}_{abs(hash(str(path.resolve())))}"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module(module: str | Path, said: str, cwd: Path) -> ModuleType:
    try:
        if isinstance(module, Path):
            with _importable(module.parent):
                return _import_file(module)
        with _importable(cwd):
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = str(module).partition(".")[0]
        if not isinstance(module, Path) and error.name in (top, module):
            raise MlffError(f"{said}: no module named {error.name!r}") from error
        raise MlffError(f"{said}: importing {module} raised {one_line(error)}") from error
    except (Exception, SystemExit) as error:
        raise MlffError(f"{said}: importing {module} raised {one_line(error)}") from error


def find_callable(module: str | Path, attribute: str, *, said: str, cwd: Path) -> Any:
    """What ``module:attribute`` or ``file.py:attribute`` names.

    Parameters
    ----------
    module : str or Path
        Dotted name, or a file (a text that ends in ``.py`` is one, too).
    attribute : str
        Dotted name within it.
    said : str
        What an error message begins with.
    cwd : Path
        Folder from which modules can be imported too, and where relative files start.

    Raises
    ------
    MlffError
        If there is no such thing, or importing it fails.
    """
    if isinstance(module, str) and module.endswith(".py"):
        module = cwd / Path(module).expanduser()
        if not module.is_file():
            raise MlffError(f"{said}: no such file: {module}")
    found: Any = _module(module, said, cwd)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise MlffError(f"{said}: {module} has no {attribute!r}") from None
    return found


def _found(source: Factory, cwd: Path) -> Any:
    said = f"model source {source.text!r}"
    try:
        return find_callable(source.module, source.attribute, said=said, cwd=cwd)
    except MlffError as error:
        if "no module named" in str(error) and not isinstance(source.module, Path):
            raise MlffError(
                f"{error} (a source is demo, a file, FAMILY:PATH, module:callable or "
                "file.py:callable)"
            ) from error
        raise


def _arguments(source: Factory, made_by: Any, device: str, dtype: str | None) -> dict[str, Any]:
    """Keyword arguments among ``device`` and ``dtype`` that a factory takes."""
    try:
        parameters = inspect.signature(made_by).parameters.values()
    except (TypeError, ValueError):  # some compiled callables do not say
        return {}
    keywords = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = {one.name: one for one in parameters if one.kind in keywords}
    needed = {name for name, one in taken.items() if one.default is inspect.Parameter.empty}
    unknown = sorted(needed - {"device", "dtype"})
    if unknown:
        raise MlffError(
            f"model source {source.text!r}: the factory needs the argument {unknown[0]!r}; it may "
            "take none but the keywords device and dtype"
        )
    arguments: dict[str, Any] = {}
    if "device" in taken and (device != "auto" or "device" in needed):
        arguments["device"] = resolve_device(device)
    elif device.startswith("cuda"):
        raise MlffError(
            f"model source {source.text!r}: device {device!r} was asked for, but the factory takes "
            "no keyword device"
        )
    if "dtype" in taken and (dtype is not None or "dtype" in needed):
        arguments["dtype"] = dtype or "float64"
    elif dtype is not None:
        raise MlffError(
            f"model source {source.text!r}: dtype {dtype!r} was asked for, but the factory takes "
            "no keyword dtype; drop --mlff-dtype or let the factory take it"
        )
    return arguments


def load_factory(source: Factory, *, cwd: Path, device: str, dtype: str | None) -> Potential:
    """Call a factory and wrap what it returns.

    Parameters
    ----------
    source : Factory
        Where the callable is.
    cwd : Path
        Folder from which modules can be imported too.
    device, dtype : str
        As asked for; handed on as keywords if the factory takes them.

    Raises
    ------
    MlffError
        If it cannot be imported, raises, or returns something else than an ASE
        calculator, a torch-sim model or a :class:`Potential`.
    """
    from pytest_mlff.potentials.families.ase import AsePotential, is_calculator
    from pytest_mlff.potentials.families.torchsim import TorchSimPotential, is_torchsim_model

    found = _found(source, cwd)
    # torch-sim models are callable themselves, so look at what it is before calling it.
    if is_calculator(found) or is_torchsim_model(found):
        made, arguments = found, {}
    else:
        if not callable(found):
            raise MlffError(
                f"model source {source.text!r}: {source.attribute} is a "
                f"{type(found).__name__}, not a callable"
            )
        arguments = _arguments(source, found, device, dtype)
        try:
            made = found(**arguments)
        except MlffError:
            raise
        except (Exception, SystemExit) as error:
            raise_if_poisoned(error, f"model source {source.text!r}")
            raise MlffError(
                f"model source {source.text!r}: the factory raised {one_line(error)}"
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what skips a test, say
            raise ModelFailure(
                f"model source {source.text!r}: the factory raised {one_line(error)}; a model "
                "does not skip"
            ) from error
    name = source.attribute.rpartition(".")[2]
    if is_torchsim_model(made):
        return TorchSimPotential.wrap(made, name=name, source=source.text)
    if is_calculator(made):
        return AsePotential.wrap(
            made,
            name=name,
            source=source.text,
            device=arguments.get("device", "cpu"),
            dtype=arguments.get("dtype", "unknown"),
        )
    if isinstance(made, Potential) and not isinstance(made, type):
        return made
    kind = f"the class {made.__name__}" if isinstance(made, type) else f"a {type(made).__name__}"
    raise MlffError(
        f"model source {source.text!r}: the factory returned {kind}; it must return an ASE "
        "calculator or a torch-sim model"
    )
