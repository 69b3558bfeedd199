"""The HTML report: one self-contained page, made from the JSON report alone."""

from __future__ import annotations

from pytest_mlff.reports.html.page import render_html, require_html

__all__ = ["render_html", "require_html"]
