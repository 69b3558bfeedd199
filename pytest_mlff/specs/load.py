"""From a file to a checked :class:`~pytest_mlff.specs.schema.Spec`."""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.specs.locate import suite_and_name
from pytest_mlff.specs.model import CROSS_CHECK
from pytest_mlff.specs.schema import Spec, SpecFile
from pytest_mlff.specs.wording import shown
from pytest_mlff.specs.yaml_source import YamlSource, read_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from pytest_mlff.specs.yaml_source import Location

Checked = TypeVar("Checked", bound=BaseModel)


def load_checked(path: Path, model: type[Checked]) -> tuple[Checked, YamlSource]:
    """Read a YAML file and hold it against a pydantic model.

    Parameters
    ----------
    path : Path
        The file.
    model : type
        What it should hold.

    Returns
    -------
    content : model
        What it holds.
    source : YamlSource
        The file with the line of every key.

    Raises
    ------
    MlffError
        With one line ``file:line: key: what is wrong``; further problems are counted.
    """
    source = read_yaml(path)
    if not isinstance(source.value, dict):
        first = next(iter(model.model_fields))
        raise MlffError(f"{shown(path)}:1: must be a mapping of keys, such as `{first}: ...`")
    try:
        return model.model_validate(source.value), source
    except ValidationError as error:
        raise _first_problem(source, error, model) from None


def load_spec(path: Path) -> Spec:
    """Read and check one spec file, as :func:`load_checked`."""
    path = path.absolute()
    content, source = load_checked(path, SpecFile)
    suite, name = suite_and_name(path)
    spec = Spec.model_construct(**dict(content), path=path, suite=suite, name=name)
    spec._lines = source.lines
    return spec


def _first_problem(source: YamlSource, error: ValidationError, root: type[BaseModel]) -> MlffError:
    """The problem that stands first in the file, with how many more there are."""
    problems = []
    count = 0
    for details in error.errors(include_url=False):
        location, message, more = _described(details, root)
        count += 1 + more
        # A missing key is told last: it is often a key misspelt elsewhere.
        order = (details["type"] == "missing", source.line(location))
        problems.append((order, location, message))
    _, location, message = min(problems, key=lambda problem: problem[0])
    return source.wrong(location, message + (f" (and {count - 1} more)" if count > 1 else ""))


def _described(details: ErrorDetails, root: type[BaseModel]) -> tuple[Location, str, int]:
    """Location, message and number of further problems behind one pydantic error."""
    location = tuple(part for part in details["loc"] if part != "[key]")
    kind = details["type"]
    context = details.get("ctx", {})
    given = details["input"]
    more = 0
    if kind == CROSS_CHECK:
        location, more = location + tuple(context["at"]), context["more"]
        message = str(context["message"])
    elif kind == "extra_forbidden":
        allowed = _keys_allowed(location, root)
        message = (
            f"unknown key{did_you_mean(str(location[-1]), allowed)} "
            f"(keys: {', '.join(sorted(allowed))})"
        )
    elif kind == "missing":
        message = "is missing"
    elif kind == "value_error":
        message = str(context["error"])
    elif kind == "literal_error":
        message = f"must be {context['expected']}, is {_value(given)}"
    elif kind in _MUST_BE:
        message = f"must be {_MUST_BE[kind]}, is {_value(given)}".format(**context)
    else:
        message = f"{details['msg']}, is {_value(given)}"
    return location, " ".join(message.split()), more


_MUST_BE = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "finite_number": "finite",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "string_too_short": "some text",
    "string_pattern_mismatch": "a DOI such as 10.1000/182",
}


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, tuple | list):
        return "a list" if value else "an empty list"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_allowed(location: Location, root: type[BaseModel]) -> list[str]:
    """Keys of the model that an unknown key was found in."""
    annotation: Any = root
    for part in location[:-1]:
        annotation = _below(annotation, part)
    model = _model(annotation)
    return list(model.model_fields) if model else []


def _below(annotation: Any, part: str | int) -> Any:
    model = _model(annotation)
    if model is not None:
        return model.model_fields[str(part)].annotation
    for choice in _choices(annotation):
        if get_origin(choice) is tuple:
            return get_args(choice)[0]
        if get_origin(choice) is dict:
            return get_args(choice)[1]
    return None


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Members of a union; what an ``Annotated`` is about."""
    if hasattr(annotation, "__metadata__"):
        return _choices(annotation.__origin__)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for member in get_args(annotation) for inner in _choices(member))
    return (annotation,)


def _model(annotation: Any) -> type[BaseModel] | None:
    for choice in _choices(annotation):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            return choice
    return None
