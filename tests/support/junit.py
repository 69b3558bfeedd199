"""JUnit files held against what the xunit2 format allows."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["junit_problems", "junit_verdicts"]

# Element: required attributes, allowed attributes, allowed children. Taken from the format's
# description: a testcase has no properties, and "errors" (which pytest never writes) for "error".
_FORMAT: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log",
         "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "failure", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
    "system-err": (set(), set(), set()),
}  # fmt: skip


def junit_problems(path: Path) -> list[str]:
    """What a file has that the format does not allow; also counts that do not add up."""
    root = ElementTree.parse(path).getroot()
    problems = [] if root.tag == "testsuites" else [f"root is {root.tag}"]
    for element in root.iter():
        if element.tag not in _FORMAT:
            problems.append(f"unknown element {element.tag}")
            continue
        required, allowed, children = _FORMAT[element.tag]
        problems += [f"{element.tag} lacks {one}" for one in required - set(element.attrib)]
        problems += [f"{element.tag} has {one}" for one in set(element.attrib) - required - allowed]
        problems += [
            f"{child.tag} in {element.tag}" for child in element if child.tag not in children
        ]
    for suite in root.iter("testsuite"):
        told = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
        for attribute, tag in told.items():
            counted = len(list(suite.iter(tag)))
            if int(suite.get(attribute, "0")) != counted:
                problems.append(f"{attribute}={suite.get(attribute)}, but {counted} {tag}")
    return problems


def junit_verdicts(path: Path) -> dict[str, tuple[str, str | None]]:
    """Outcome of each testcase, and the verdict among its properties (xunit1), by its name."""
    found = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        tags = {child.tag for child in case} & {"failure", "error", "skipped"}
        told = {p.get("name"): p.get("value") for p in case.iter("property")}
        name = str(case.get("name"))
        assert name not in found, f"{name} stands there twice"
        assert len(tags) <= 1, tags
        found[name] = (tags.pop() if tags else "passed", told.get("mlff.verdict"))
    return found
