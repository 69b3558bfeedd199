"""Repositories with the workflow that ``mlff init`` writes, and a runner for it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.github_steps import Done, Machine, read_workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path

__all__ = ["commit", "empty_repository", "git", "workflow"]

INSTALL = """\
files=()
if [ -f requirements.txt ]; then files=(-r requirements.txt); fi
python -m pip install "$MLFF_REQUIREMENT" "${files[@]}\""""


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def empty_repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def workflow(
    repo: Path,
    workspace: Path,
    event: str,
    base: str = "",
    head: str = "",
    *,
    accepted: bool = False,
    without: Container[str] = (),
) -> dict[str, Done]:
    """Run the workflow of the head commit on a fresh machine; its steps by name.

    ``accepted``: the event is that a maintainer set the label. Steps in ``without`` are left out.
    """
    head = head or git(repo, "rev-parse", "HEAD")
    seen: dict[str, list[dict[str, str]]] = {}

    def check_out(given: dict[str, str]) -> None:
        seen.setdefault("checkout", []).append(given)
        target = workspace / given.get("path", ".")
        git(repo, "clone", "-q", str(repo), str(target))
        git(target, "checkout", "-q", given.get("ref", head))

    def note(name: str) -> Callable[[dict[str, str]], None]:
        return lambda given: seen.setdefault(name, []).append(given)

    scratch = workspace.with_name(f"{workspace.name}-runner")
    scratch.mkdir()
    machine = Machine(
        workspace=workspace,
        scratch=scratch,
        known={
            "github.event_name": event,
            "github.event_name == 'pull_request' && '.mlff-base' || ''": (
                ".mlff-base" if event == "pull_request" else ""
            ),
            "github.event.action == 'labeled' && github.event.label.name == 'mlff-accept'": (
                str(accepted).lower()
            ),
            "github.ref_name": "main" if event == "push" else "7/merge",
            "github.event.repository.default_branch": "main",
            "github.event.pull_request.base.sha": base,
            "runner.os": "Linux",
            "hashFiles(env.MLFF_MODEL) || github.sha": "model-digest",
            "hashFiles(env.MLFF_SUITE) || 'builtin'": "suite-digest",
        },
        uses={
            "actions/checkout": check_out,
            "actions/setup-python": note("python"),
            "actions/cache/restore": note("restore"),
            "actions/cache/save": note("save"),
            "actions/upload-artifact": note("upload"),
        },
        skipped={"Install": INSTALL},
        environment={
            "GITHUB_WORKFLOW_REF": "me/model/.github/workflows/mlff.yml@refs/pull/7/merge"
        },
    )
    job = read_workflow(repo / ".github" / "workflows" / "mlff.yml")["jobs"]["gate"]
    steps = [step for step in job["steps"] if step["name"] not in without]
    done = {one.name: one for one in machine.run(steps, job["env"])}
    assert [one.get("path") for one in seen["checkout"]] == (
        [None, ".mlff-base"] if event == "pull_request" else [None]
    )
    assert seen["python"] == [{"python-version": "3.11"}]
    # What a request computed is not kept for others.
    for name in ("restore", "save") if event == "push" and not machine.failed else ("restore",):
        assert seen[name][0]["path"] == ".mlff-store"
        assert seen[name][0]["key"] == "mlff-Linux-model-digest-suite-digest"
    assert ("save" in seen) == (event == "push" and not machine.failed)
    assert [one["path"] for one in seen["upload"]] == ["mlff-reports/"]
    return done
