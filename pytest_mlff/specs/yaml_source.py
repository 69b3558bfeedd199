"""YAML with line numbers: plain values, and the line of every key and list item.

Built on PyYAML's *nodes* (``compose``), which are inert; no tag is ever obeyed.
Plain scalars follow YAML 1.2's core schema, so that ``1e-3`` is a number and ``no``
is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from pytest_mlff.errors import MlffError
from pytest_mlff.specs.wording import shown, where_in_file

Location = tuple[str | int, ...]

_MAX_DEPTH: Final = 40
_MAX_NODES: Final = 250_000
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class YamlSource:
    """A YAML file as plain values.

    Attributes
    ----------
    path : Path
        The file.
    value : object
        Mappings as dict, sequences as tuple, scalars as str, int, float, bool or None.
    lines : mapping of location to int
        Line (from 1) of each key and each list item; ``()`` is the document.
    """

    path: Path
    value: Any
    lines: Mapping[Location, int]

    def line(self, location: Location) -> int:
        """Line of a location; of the nearest enclosing key where it is not in the file."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def wrong(self, location: Location, what: str) -> MlffError:
        """An error that says file, line, key and what is wrong there."""
        key = where_in_file(location)
        where = f"{shown(self.path)}:{self.line(location)}"
        return MlffError(f"{where}: {key}: {what}" if key else f"{where}: {what}")


def read_yaml(path: Path) -> YamlSource:
    """Read one YAML file.

    Raises
    ------
    MlffError
        If the file is missing, unreadable, not UTF-8, not one YAML document, has a
        duplicate key, a key that is not text, or a tag.
    """
    text = _text(path)
    try:
        _refuse_deep(text, path)
        node = yaml.compose(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise MlffError(
            f"{shown(path)}:{mark.line + 1 if mark else 1}: not valid YAML ({_one_line(what)})"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise MlffError(f"{shown(path)}: not valid YAML ({_one_line(str(error))})") from error
    if node is None:
        raise MlffError(f"{shown(path)}: is empty")
    reader = _Reader(path)
    value = reader.read(node, ())
    return YamlSource(path, value, reader.lines)


def _loader() -> Any:
    # The same safe loader, ten times faster where PyYAML was built with libyaml.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refuse_deep(text: str, path: Path) -> None:
    """Look at the nesting before nodes are composed, which libyaml does by recursion in C."""
    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            mark = event.start_mark
            line = mark.line + 1 if mark else 1
            raise MlffError(f"{shown(path)}:{line}: too large or too deeply nested")


def _text(path: Path) -> str:
    if path.is_dir():
        raise MlffError(f"{shown(path)}: is a folder; name a YAML file")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MlffError(f"{shown(path)}: no such file") from None
    except UnicodeDecodeError as error:
        raise MlffError(f"{shown(path)}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise MlffError(f"{shown(path)}: cannot be read ({error.strerror})") from error


def _one_line(text: str) -> str:
    return " ".join(text.split())


class _Reader:
    """Turns nodes into values and notes lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Location, int] = {(): 1}
        self._nodes = 0

    def read(self, node: yaml.Node, at: Location) -> Any:
        self._nodes += 1
        # Aliases may refer to themselves or multiply; a spec needs neither.
        if self._nodes > _MAX_NODES or len(at) > _MAX_DEPTH:
            raise self._error(node, at, "too large or too deeply nested")
        if isinstance(node, yaml.MappingNode):
            self._untagged(node, at, "map")
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            self._untagged(node, at, "seq")
            for index, item in enumerate(node.value):
                self.lines[(*at, index)] = item.start_mark.line + 1
            return tuple(self.read(item, (*at, index)) for index, item in enumerate(node.value))
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, at)

    def _mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, at) if isinstance(key_node, yaml.ScalarNode) else None
            if isinstance(key, int) and not isinstance(key, bool) and at[-1:] == ("species",):
                key = str(key)  # atom types are numbers: `species: {1: Cu}`
            if not isinstance(key, str):
                written = str(getattr(key_node, "value", ""))[:40]
                raise self._error(key_node, at, f"key {written!r} must be text; quote it")
            if key in values:
                first = self.lines[(*at, key)]
                raise self._error(key_node, (*at, key), f"key is already there in line {first}")
            self.lines[(*at, key)] = line
            values[key] = self.read(value_node, (*at, key))
        return values

    def _scalar(self, node: yaml.ScalarNode, at: Location) -> str | int | float | bool | None:
        text: str = node.value
        if node.style:  # quoted or a block
            self._untagged(node, at, "str")
            return text
        self._untagged(node, at, *_IMPLICIT)
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text

    def _untagged(self, node: yaml.Node, at: Location, *usual: str) -> None:
        if node.tag not in [_TAG + name for name in usual]:
            raise self._error(node, at, f"tag {node.tag.replace(_TAG, '!!')!r} is not allowed")

    def _error(self, node: yaml.Node, at: Location, message: str) -> MlffError:
        key = where_in_file(at)
        prefix = f"{shown(self.path)}:{node.start_mark.line + 1}: "
        return MlffError(prefix + (f"{key}: " if key else "") + message)


_IMPLICIT: Final = ("str", "null", "bool", "int", "float", "timestamp", "merge", "value")
