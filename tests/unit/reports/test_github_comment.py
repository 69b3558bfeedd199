"""The comment below a pull request, against a server that behaves as GitHub's API does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.cli.main import main
from pytest_mlff.reports.json_report import write_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Api(BaseHTTPRequestHandler):
    """Comments of one issue, in memory."""

    server: Any

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, code: int, content: object) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def _taken(self) -> dict[str, Any]:
        return dict(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _refused(self) -> bool:
        wrong = self.headers["Authorization"] != "Bearer good"
        if wrong:
            self._answer(403, {"message": "Resource not accessible by integration"})
        return wrong

    def do_GET(self) -> None:
        if self._refused():
            return
        address = urlsplit(self.path)
        assert address.path == "/repos/me/model/issues/7/comments"
        asked = parse_qs(address.query)
        size, page = int(asked["per_page"][0]), int(asked["page"][0])
        self._answer(200, self.server.comments[size * (page - 1) : size * page])

    def do_POST(self) -> None:
        if self._refused():
            return
        made = {"id": len(self.server.comments), "user": {"type": "Bot"}, **self._taken()}
        made["html_url"] = f"https://here/{made['id']}"
        self.server.comments.append(made)
        self._answer(201, made)

    def do_PATCH(self) -> None:
        found = self.server.comments[int(self.path.rsplit("/", 1)[1])]
        assert found["user"]["type"] == "Bot"
        found.update(self._taken())
        self._answer(200, found)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        server.comments = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("GITHUB_REPOSITORY", "me/model")
        monkeypatch.setenv("GITHUB_TOKEN", "good")
        yield server
        server.shutdown()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    write_report(tmp_path / "a.json", saibench_report())
    return tmp_path / "a.json"


def test_one_comment_a_request_replaced_by_each_run(api: Any, report: Path) -> None:
    api.comments += [
        {"id": k, "user": {"type": "User"}, "body": f"word {k}"} for k in range(130)
    ]  # fmt: skip
    assert main(["comment", str(report), "--number", "7"]) == 0
    assert len(api.comments) == 131
    first = api.comments[130]["body"]
    assert "## May this force field be merged? No." in first
    assert len(first) < 65_536
    # Who quotes the mark does not lose the comment.
    api.comments[5]["body"] = quoted = first
    content = saibench_report(seed=1)
    write_report(report, content)
    assert main(["comment", str(report), "--number", "7"]) == 0
    assert len(api.comments) == 131
    assert api.comments[5]["body"] == quoted
    assert api.comments[130]["body"] != first


def test_what_goes_wrong_is_one_line(
    api: Any, report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "read-only")
    assert main(["comment", str(report), "--number", "7"]) == 4
    assert "the job needs permissions: pull-requests: write" in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")
    assert main(["comment", str(report), "--number", "7"]) == 4
    assert "cannot be reached" in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_API_URL", "ftp://elsewhere")
    assert main(["comment", str(report), "--number", "7"]) == 4
    monkeypatch.delenv("GITHUB_TOKEN")
    assert main(["comment", str(report), "--number", "7"]) == 4
    assert api.comments == []
