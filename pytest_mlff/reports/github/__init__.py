"""What a run says on GitHub: a summary of the step, and annotations at the specs' lines."""

from __future__ import annotations

from pytest_mlff.reports.github.annotations import Place, annotation_lines, locator
from pytest_mlff.reports.github.output import github_output
from pytest_mlff.reports.github.summary import SUMMARY_LIMIT, step_summary

__all__ = ["SUMMARY_LIMIT", "Place", "annotation_lines", "github_output", "locator", "step_summary"]
