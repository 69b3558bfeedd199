"""What judges a pull request: which of it the request changes, and what its run came to."""

from __future__ import annotations

from pytest_mlff.judge.changes import changes
from pytest_mlff.judge.edits import Edit, worst_first
from pytest_mlff.judge.verdict import RunOutcome, outcome_of

__all__ = ["Edit", "RunOutcome", "changes", "outcome_of", "worst_first"]
