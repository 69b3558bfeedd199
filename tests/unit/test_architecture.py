"""The house rules that docs/architecture.md writes down."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_mlff

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = Path(pytest_mlff.__file__).parent

# Lower rows know nothing of higher ones.
ROWS: dict[str, int] = {
    "choices": 0, "errors": 0, "units": 0, "store": 0, "entry_points": 0,
    # What specs read of metrics: a light half with a row of its own.
    "metrics.registry": 0,
    "products": 1, "specs": 1, "statistics": 1,
    "datasets": 2,
    "potentials": 3, "similarity": 3,
    "metrics": 4, "simulation": 4,
    "training": 5,
    "laws": 6,
    "gate": 7,
    "reports": 8,
    "run": 9, "judge": 9,
    "scheduling": 10, "plugin": 10, "cli": 10,
    "__init__": 10,  # the face: it offers names of every room, each imported when asked for
}  # fmt: skip
PYTEST_ROW = 10
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room of a module or of a name in one, e.g. ``pytest_mlff.gate.standing``."""
    parts = module.split(".")[1:]
    return next(
        (name for n in (2, 1) if (name := ".".join(parts[:n])) in ROWS),
        parts[0] if parts else "__init__",
    )


def _room(path: Path) -> str:
    return room_of(_module(path))


def _imports(tree: ast.AST) -> list[str]:
    """What a file imports, for types alone or at run time: modules, and names in modules."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _graph(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Which of the modules each module imports, itself left out."""
    graph: dict[str, set[str]] = {}
    for name, text in files.items():
        found = (
            one if one in files else one.rpartition(".")[0] for one in _imports(ast.parse(text))
        )
        graph[name] = {module for module in found if module in files} - {name}
    return graph


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, by peeling off what is in no circle."""
    left = {name: set(others) for name, others in graph.items()}
    while True:
        imported = set().union(*left.values()) if left else set()
        ends = {name for name, others in left.items() if not others or name not in imported}
        if not ends:
            return [sorted(left)] if left else []
        left = {name: others - ends for name, others in left.items() if name not in ends}


def violations(path: Path, text: str) -> list[str]:
    """What a file imports that its row must not know."""
    row = ROWS[_room(path)]
    bad = []
    for module in _imports(ast.parse(text)):
        parts = module.split(".")
        if parts[0] == "pytest_mlff" and len(parts) > 1 and ROWS.get(room_of(module), 0) > row:
            bad.append(module)
        if parts[0] in ("pytest", "_pytest", "xdist") and row < PYTEST_ROW:
            bad.append(module)
    return bad


def _rooms(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {}
    for name, others in graph.items():
        rooms.setdefault(room_of(name), set()).update(room_of(other) for other in others)
    return {name: others - {name, "__init__"} for name, others in rooms.items()}


def test_no_import_runs_in_a_circle() -> None:
    graph = _graph({_module(path): path.read_text(encoding="utf-8") for path in FILES})
    assert circles(graph) == []
    assert circles(_rooms(graph)) == []


def test_a_circle_for_types_alone_is_caught() -> None:
    files = {
        "pytest_mlff.a.x": "from pytest_mlff.b.y import Y",
        "pytest_mlff.a.z": "",
        "pytest_mlff.b.y": "if TYPE_CHECKING:\n    from pytest_mlff.a import z",
    }
    graph = _graph(files)
    assert circles(graph) == []
    assert circles(_rooms(graph)) == [["a", "b"]]
    files["pytest_mlff.b.y"] = "if TYPE_CHECKING:\n    from pytest_mlff.a.x import X"
    assert circles(_graph(files)) == [["pytest_mlff.a.x", "pytest_mlff.b.y"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    assert violations(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "from pytest_mlff.gate.threshold import Verdict",
        "def late():\n    import pytest_mlff.laws.runner",
        "from pytest_mlff.run import evaluation",
        "import pytest",
    ],
)
def test_a_wrong_import_is_caught(text: str) -> None:
    assert violations(PACKAGE / "metrics" / "errors.py", text)


def test_every_room_has_a_row() -> None:
    assert {_room(path) for path in FILES} == set(ROWS)


def test_the_registry_is_light() -> None:
    heavy = ["torch", "ase", "pandas", "numpy", "scipy", "hypothesis", "pydantic"]
    code = (
        "import sys; from pytest_mlff.metrics.registry import metrics; assert len(metrics()) > 30; "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["pytest_mlff.plugin.hooks", "pytest_mlff", "pytest_mlff.specs"])
def test_start_up_is_light(module: str) -> None:
    heavy = ["torch", "ase", "pandas", "nequip", "numpy", "scipy", "tblite"]
    if module != "pytest_mlff.specs":
        heavy += ["pydantic", "yaml", "hypothesis"]
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert shown.strip() == "[]"


def _modules() -> list[str]:
    return [
        info.name
        for info in pkgutil.walk_packages(pytest_mlff.__path__, "pytest_mlff.")
        if not info.name.endswith("__main__")
    ]


@pytest.mark.parametrize("name", _modules())
def test_every_public_name_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    missing = []
    for public, found in vars(module).items():
        if public.startswith("_") or not (inspect.isclass(found) or inspect.isfunction(found)):
            continue
        if getattr(found, "__module__", name) != name:
            continue
        if not (found.__doc__ or "").strip():
            missing.append(public)
        if inspect.isclass(found):
            missing += [
                f"{public}.{key}"
                for key, member in vars(found).items()
                if not key.startswith("_")
                and (inspect.isfunction(member) or isinstance(member, property))
                and not (inspect.getdoc(getattr(found, key)) or "").strip()
            ]
    assert missing == []


def test_no_module_is_long() -> None:
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in FILES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}
