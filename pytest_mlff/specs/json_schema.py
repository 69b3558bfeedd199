"""The published JSON Schema of spec files, for editors and other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pytest_mlff.metrics.registry import metrics
from pytest_mlff.specs.schema import SpecFile

SCHEMA_FILE: Final = Path(__file__).with_name("spec.schema.json")
"""The schema as it ships; a test keeps it equal to :func:`schema_text`."""


def json_schema() -> dict[str, Any]:
    """The schema as a JSON object (JSON Schema, draft 2020-12)."""
    schema = SpecFile.model_json_schema()
    datasets = schema["properties"]["datasets"]
    # `embedded:` with nothing behind it is an option without settings.
    option = {"anyOf": [datasets["additionalProperties"], {"type": "null"}]}
    datasets["additionalProperties"] = option
    judged = [name for name, metric in metrics().items() if metric.needs_threshold]
    larger = [name for name, metric in metrics().items() if metric.larger_is_better]
    schema["$defs"]["CasePlan"]["allOf"] = [
        {
            "if": {"properties": {"metric": {"enum": judged}}},
            "then": {"properties": {"thresholds": {"minItems": 1}}, "required": ["thresholds"]},
        },
        {
            "if": {"properties": {"metric": {"enum": larger}}},
            "then": {"properties": {"thresholds": {"items": {"properties": {"max": False}}}}},
            "else": {"properties": {"thresholds": {"items": {"properties": {"min": False}}}}},
        },
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "pytest_mlff benchmark spec",
    }


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
