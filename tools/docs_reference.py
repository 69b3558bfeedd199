"""Pages of the reference, made from the code when the site is built: a hook of MkDocs.

`mkdocs build` calls it; ``python tools/docs_reference.py`` prints the pages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["PAGES", "on_files", "on_page_content", "on_page_markdown"]

# Links of the pages to files beside docs/, which the site does not hold.
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./(?!docs/)[^)]+)\)")
_FIGURE = re.compile(r'<img alt="([^"]*)" src="([^"]+\.svg)" ?/?>')


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [[*head], ["---"] * len([*head]), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def metrics_page() -> str:
    """Every metric, law and check of data."""
    from pytest_mlff.metrics.registry import metrics

    titles = {"metric": "Metrics", "law": "Physical laws", "data": "Checks of data"}
    parts = ["# Metrics and laws\n"]
    for kind, title in titles.items():
        rows = (
            (
                f"`{one.id}`",
                one.title,
                "" if one.unit == "1" else one.unit,
                "larger" if one.larger_is_better else "smaller",
                ", ".join(sorted(need.replace("_", " ") for need in one.needs)),
                "yes" if one.comparable else "no",
            )
            for one in metrics(kind).values()  # type: ignore[arg-type]
        )
        head = ("id", "what", "unit", "better", "needs", "against a baseline")
        parts.append(f"## {title}\n\n{_table(head, rows)}")
    return "\n".join(parts)


def options_page() -> str:
    """Options of pytest with their ini twins, and the commands of ``mlff``."""
    import argparse

    import pytest

    from pytest_mlff.cli.main import build_parser
    from pytest_mlff.plugin.options import TYPED_ONLY, add_options

    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    rows = []
    for option in parser.getgroup("mlff").options:
        told: Mapping[str, Any] = option.attrs()
        (name,) = [text for text in option.names() if text.startswith("--")]
        value = "=" + str(told["metavar"]) if told.get("metavar") else ""
        if told.get("choices"):
            value = "=" + "\\|".join(map(str, told["choices"]))
        ini = "typed only" if option.dest in TYPED_ONLY else f"`{option.dest}`"
        rows.append((f"`{name}{value}`".replace("\\|", "|"), ini, told["help"]))
    parts = [f"# Command line\n\n## pytest\n\n{_table(('option', 'ini key', 'what'), rows)}"]
    commands = build_parser()._subparsers
    assert commands is not None
    for action in commands._group_actions:
        assert isinstance(action.choices, dict)
        for name, one in action.choices.items():
            assert isinstance(one, argparse.ArgumentParser)
            one.prog = f"mlff {name}"
            parts.append(f"## mlff {name}\n\n```text\n{one.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def _type_of(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return f"[{value['$ref'].rpartition('/')[2]}](#{value['$ref'].rpartition('/')[2].lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in value:
            return " or ".join(dict.fromkeys(_type_of(one) for one in value[key]))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return "one of " + ", ".join(f"`{one}`" for one in value["enum"][:12])
    if value.get("type") == "array":
        return f"list of {_type_of(value.get('items', {}))}"
    return str(value.get("type", "any"))


def _schema_page(title: str, schema: Mapping[str, Any]) -> str:
    parts = [f"# {title}\n"]
    known = {str(schema.get("title", title)): schema, **schema.get("$defs", {})}
    for name, one in known.items():
        if "properties" not in one:
            continue
        needed = set(one.get("required", ()))
        rows = (
            (
                f"`{key}`",
                _type_of(value),
                "yes" if key in needed else "",
                value.get("description", ""),
            )
            for key, value in one["properties"].items()
        )
        about = one.get("description", "").partition("\n\n")[0]
        table = _table(("key", "type", "needed", "what"), rows)
        parts.append(f"## {name}\n\n{about}\n\n{table}")
    return "\n".join(parts)


def spec_page() -> str:
    """Keys of a spec."""
    from pytest_mlff.specs.json_schema import json_schema

    return _schema_page("Spec keys", json_schema())


def report_page() -> str:
    """Fields of a JSON report."""
    from pytest_mlff.reports.model import report_schema

    return _schema_page("Report fields", report_schema())


def python_page() -> str:
    """The public names."""
    import pytest_mlff
    import pytest_mlff.metrics
    import pytest_mlff.training

    parts = ["# Python\n"]
    for module in (pytest_mlff, pytest_mlff.metrics, pytest_mlff.training):
        for name in module.__all__:
            if not name.startswith("_"):
                home = getattr(module, name)
                where = f"{home.__module__}.{home.__qualname__}"
                if name != home.__qualname__:
                    parts.append(f"`{module.__name__}.{name}` is `{home.__qualname__}`:\n")
                parts.append(f"::: {where}\n")
    return "\n".join(parts)


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/metrics.md": metrics_page,
    "reference/options.md": options_page,
    "reference/spec.md": spec_page,
    "reference/report.md": report_page,
    "reference/python.md": python_page,
}
"""Page to what makes it."""


def on_files(files: Any, config: Any) -> Any:
    """Add the pages; called by MkDocs."""
    from mkdocs.structure.files import File

    for name, make in PAGES.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name files beside the site instead of linking to them; called by MkDocs."""
    return _OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2].removeprefix('../')}`)", markdown)


def on_page_content(html: str, files: Any, **_: Any) -> str:
    """Give figures a layout for phones where there is one, else room to scroll; from MkDocs."""
    have = {file.src_uri for file in files}

    def laid_out(found: re.Match[str]) -> str:
        phone = found[2].removesuffix("svg") + "phone.svg"
        if phone.lstrip("./") in have:
            source = f'<source media="(max-width: 600px)" srcset="{phone}">'
            return f"<picture>{source}{found[0]}</picture>"
        wide = found[0].replace("<img", '<img style="min-width: 40rem"')
        return f'<span style="display: block; overflow-x: auto">{wide}</span>'

    return _FIGURE.sub(laid_out, html)


if __name__ == "__main__":
    for path, make in PAGES.items():
        print(f"<!-- {path} -->\n{make()}")
