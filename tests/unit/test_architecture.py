"""The house rules that docs/architecture.md writes down."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_mlff

PACKAGE = Path(pytest_mlff.__file__).parent

# Lower rows know nothing of higher ones.
ROWS: dict[str, int] = {
    "__init__": 0, "errors": 0, "units": 0, "store": 0,
    "specs": 1, "statistics": 1,
    "datasets": 2,
    "potentials": 3, "similarity": 3,
    "metrics": 4, "simulation": 4,
    "training": 5,
    "laws": 6,
    "gate": 7,
    "reports": 8,
    "run": 9,
    "scheduling": 10, "plugin": 10, "cli": 10,
}  # fmt: skip
PYTEST_ROW = 10
FILES = sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _is_type_checking(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _imports(tree: ast.Module) -> list[str]:
    """Modules imported at run time, anywhere in the file."""
    found: list[str] = []
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
            if node.module == "pytest_mlff":
                found += [f"pytest_mlff.{alias.name}" for alias in node.names]
        stack += [
            child
            for child in ast.iter_child_nodes(node)
            if not (isinstance(child, ast.stmt) and _is_type_checking(child))
        ]
    return found


def violations(path: Path, text: str) -> list[str]:
    """What a file imports that its row must not know."""
    row = ROWS[_room(path)]
    bad = []
    for module in _imports(ast.parse(text)):
        parts = module.split(".")
        if parts[0] == "pytest_mlff" and len(parts) > 1 and ROWS.get(parts[1], 0) > row:
            bad.append(module)
        if parts[0] in ("pytest", "_pytest", "xdist") and row < PYTEST_ROW:
            bad.append(module)
    return bad


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
    for public in getattr(module, "__all__", ()):
        found = getattr(module, public)
        if not (inspect.isclass(found) or inspect.isfunction(found)):
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
