"""One comment a pull request, written anew by every run."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pytest_mlff.errors import MlffError
from pytest_mlff.reports.github.summary import step_summary

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

_MARK: Final = "<!-- pytest_mlff: this comment is replaced by the next run -->"
_LIMIT: Final = 65_000
"""Bytes; GitHub takes 65,536 characters."""
_SECONDS: Final = 30
_PAGE: Final = 100


def comment_on(report: Report, api: str, repository: str, number: int, token: str) -> str:
    """Write the summary of a report below a pull request, into the comment of an earlier run.

    Parameters
    ----------
    report : Report
    api : str
        Address of GitHub's API.
    repository : str
        ``owner/name``.
    number : int
        Of the pull request.
    token : str
        With the right ``pull-requests: write``.

    Returns
    -------
    str
        Address of the comment.

    Raises
    ------
    MlffError
        If GitHub refuses or cannot be reached.
    """
    room = _LIMIT - len(_MARK) - 1
    body = {"body": f"{_MARK}\n{step_summary(report, room)}"}
    comments = f"{api}/repos/{repository}/issues/{number}/comments"
    page = 1
    while found := _asked("GET", f"{comments}?per_page={_PAGE}&page={page}", token):
        for one in found:
            # A person may quote the mark; only a token's own comments can be written anew.
            if one["user"]["type"] == "Bot" and one["body"].startswith(_MARK):
                address = f"{api}/repos/{repository}/issues/comments/{one['id']}"
                return str(_asked("PATCH", address, token, body)["html_url"])
        if len(found) < _PAGE:
            break
        page += 1
    return str(_asked("POST", comments, token, body)["html_url"])


def _asked(method: str, address: str, token: str, body: dict[str, str] | None = None) -> Any:
    if not address.startswith(("https://", "http://127.0.0.1:")):
        raise MlffError(f"the API's address {address!r} is not https")
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"}
    content = None if body is None else json.dumps(body).encode()
    request = Request(address, data=content, headers=headers, method=method)
    try:
        with urlopen(request, timeout=_SECONDS) as answer:
            return json.load(answer)
    except HTTPError as error:
        hint = ": the job needs permissions: pull-requests: write" if error.code == 403 else ""
        raise MlffError(f"GitHub refuses the comment ({error.code} {error.reason}){hint}") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise MlffError(f"GitHub cannot be reached for the comment ({error})") from None
