"""Random faults in small real runs: is a case lost, is anything falsely green, does it hang?

Run as ``python tests/benchmarks/fault_injection.py --points 200`` (Linux; as root for the
faults that need a full disk, which is a tmpfs of a few pages). Every point is one run with
one fault at a random moment or place, held against an undisturbed run, and one rerun on the
same store, which has to come out as the undisturbed run did. The same seed draws the same
faults; when a signal strikes is a matter of the clock, so runs of the same seed differ in
what they hit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.faults import GREEN, RED, Scene, damage, full_disk, problems, truth_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from support.faults import Left, Truth

# Kind and its share of the points.
KINDS = {
    "SIGKILL of a model process": 60,
    "SIGKILL of a worker": 45,
    "SIGKILL of the controller": 50,
    "SIGINT of the controller": 35,
    "store file cut or zeroed": 40,
    "store full (ENOSPC)": 18,
    "report folder full (ENOSPC)": 12,
}
ASKED = ("lost", "green", "hang", "rerun")
ATTEMPTS = 25
MODELS_MORE = 9
"""Most model processes that are killed in one run after the first."""


@dataclass
class Bench:
    """One scene with its truth, and how long its runs take."""

    scene: Scene
    truth: Truth
    code: int
    complete: Path
    seconds: dict[tuple[int, str], float] = field(default_factory=dict)
    """From a mark to the end of a run, by the number of workers and the mark."""
    workers: int | None = None
    """Of each run that a signal strikes; drawn if None."""
    early: float = 0.25
    """Share of the signals that strike at any time, not after collection."""

    def drawn(self, draw: random.Random, share: float) -> int:
        """Two workers in a share of the runs, or as many as were asked for."""
        with_workers = draw.random() < share
        return (2 if with_workers else 0) if self.workers is None else self.workers

    @classmethod
    def make(cls, root: Path, limit: str, patience: float) -> Bench:
        """Run undisturbed, with and without workers."""
        scene = Scene(root / "scene", limit, patience)
        truth, code = truth_of(scene.run())
        complete = root / "complete"
        shutil.copytree(scene.store, complete)
        bench = cls(scene, truth, code, complete)
        for workers in (0, 2):
            scene.clear()
            left = scene.run(workers)
            now, marks = time.time(), list((scene.root / "marks").iterdir())
            for mark in sorted(marks, key=lambda one: -one.stat().st_mtime):
                bench.seconds[workers, mark.stem] = now - mark.stat().st_mtime
            wrong = problems(left, truth, code, whole=True)
            if wrong:
                raise SystemExit(f"undisturbed runs differ: {wrong}\n{left.output}")
        return bench


def strike(bench: Bench, workers: int, draw: random.Random, what: str) -> tuple[Left | None, str]:
    """A run with a signal at a random moment; None if it had ended before it was struck."""
    scene = bench.scene
    early = draw.random() < bench.early
    part = draw.random()
    group = draw.random() < 0.5
    run = scene.start(workers)
    marks = scene.root / "marks"

    mark = "collected" if not early else "worker" if what == "worker" else "main"
    if what == "model":
        mark = "model"

    def ready() -> bool:
        return bool(list(marks.glob(f"{mark}*")))

    if not scene.wait_for(ready, run):
        scene.end(run)
        return None, ""
    time.sleep(part * bench.seconds[workers, mark])
    detail = f"{'any time' if early else 'after collection'}, -n {workers}"
    if run.poll() is not None:
        scene.end(run)
        return None, ""
    if what in ("worker", "model"):
        alive = scene.pids(what)
        if not alive:
            scene.end(run)
            return None, ""
        with contextlib.suppress(ProcessLookupError):
            os.kill(draw.choice(alive), signal.SIGKILL)
        if what == "model":
            detail += f", {1 + _more_models(bench, run, draw)} killed"
    elif what == "kill":
        run.send_signal(signal.SIGKILL)
    else:
        detail += ", to the group" if group else ", to the controller alone"
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(run.pid, signal.SIGINT)
    # Whoever starts again does so at once: what a killed controller started may still run.
    left = _ended(scene, run) if what == "kill" else scene.end(run)
    if what == "int" and not problems(left, bench.truth, bench.code, whole=True):
        detail += ", too late to matter"
    return left, detail


def _more_models(bench: Bench, run: subprocess.Popen[bytes], draw: random.Random) -> int:
    """Kill further model processes of a run, as they are started anew; how many."""
    killed = 0
    for _ in range(draw.randint(0, MODELS_MORE)):
        time.sleep(draw.random() * 0.2 * bench.seconds[0, "model"])
        alive = bench.scene.pids("model")
        if run.poll() is None and alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(draw.choice(alive), signal.SIGKILL)
                killed += 1
    return killed


def _ended(scene: Scene, run: subprocess.Popen[bytes]) -> Left:
    return scene.left(run.wait())


def struck(bench: Bench, workers: int, draw: random.Random, what: str) -> tuple[Left, str]:
    """As :func:`strike`, again until it hits."""
    for _ in range(ATTEMPTS):
        bench.scene.clear()
        left, detail = strike(bench, workers, draw, what)
        if left is not None:
            return left, detail
    raise SystemExit(f"{what}: no run was hit in {ATTEMPTS} attempts")


def spoil(bench: Bench, draw: random.Random) -> str:
    """A store with one to three damaged files: of a finished run, or of a killed one."""
    finished = draw.random() < 0.5
    files: list[Path] = []
    while not files:  # one that was killed early has none
        if finished:
            bench.scene.clear()
            shutil.copytree(bench.complete, bench.scene.store, dirs_exist_ok=True)
        else:
            struck(bench, 0, draw, "kill")
        files = sorted(one for one in bench.scene.store.rglob("*") if one.is_file())
        files = [one for one in files if one.suffix != ".lock"]
    chosen = draw.sample(files, min(len(files), draw.randint(1, 3)))
    for path in chosen:
        damage(path, draw.random() if draw.random() < 0.8 else 0.0, cut=draw.random() < 0.6)
    names = ", ".join(f"{one.relative_to(bench.scene.store).parts[0]}/…{one.name[-12:]}"
                      for one in chosen)  # fmt: skip
    return f"{'finished' if finished else 'killed'}: {names}"


def point(bench: Bench, kind: str, draw: random.Random) -> dict[str, Any]:
    """One fault and one rerun."""
    scene, truth, code = bench.scene, bench.truth, bench.code
    again = 2 if draw.random() < 0.12 else 0
    if kind == "SIGKILL of a model process":
        left, detail = struck(bench, bench.drawn(draw, 0.35), draw, "model")
        found = problems(left, truth, code)
    elif kind == "SIGKILL of a worker":
        left, detail = struck(bench, 2, draw, "worker")
        found = problems(left, truth, code)
    elif kind == "SIGKILL of the controller":
        left, detail = struck(bench, bench.drawn(draw, 0.35), draw, "kill")
        found = problems(left, truth, code, survived=False)
    elif kind == "SIGINT of the controller":
        left, detail = struck(bench, bench.drawn(draw, 0.4), draw, "int")
        found = problems(left, truth, code)
    elif kind == "store file cut or zeroed":
        detail = spoil(bench, draw)
        left = scene.run(2 if draw.random() < 0.15 else 0)
        found = problems(left, truth, code, whole=True)
    else:
        return _full(bench, kind, draw)
    return _done(kind, detail, left, found, bench, again)


def _full(bench: Bench, kind: str, draw: random.Random) -> dict[str, Any]:
    scene = bench.scene
    in_store = kind.startswith("store")
    scene.clear()
    if in_store:
        folder, most = scene.store, sum(1 for _ in bench.complete.rglob("*")) * 2 + 20
    else:
        folder, most = scene.reports, 40
    pages = draw.randint(0 if in_store else 1, most)
    beside = not in_store and draw.random() < 0.5
    junit = scene.junit
    with full_disk(folder, max(1, pages)) as grow:
        scene.junit = scene.reports / "junit.xml" if beside else junit
        try:
            left = scene.run(2 if draw.random() < 0.15 else 0)
            found = problems(left, bench.truth, bench.code, room=in_store)
            grow()
            detail = f"{pages} pages{', JUnit there, too' if beside else ''}"
            return _done(kind, detail, left, found, bench, 0)
        finally:
            scene.junit = junit


def _done(
    kind: str, detail: str, left: Left, found: list[str], bench: Bench, again: int
) -> dict[str, Any]:
    rerun = bench.scene.run(again)
    # After a SIGKILL of the controller its workers and models have until now to go.
    end = time.monotonic() + bench.scene.patience
    while bench.scene.below() and time.monotonic() < end:
        time.sleep(0.02)
    wrong = problems(rerun, bench.truth, bench.code, whole=True)
    found += [f"rerun: {one}" for one in wrong]
    outputs = [one.output for one, bad in ((left, found), (rerun, wrong)) if bad]
    return {
        "kind": kind, "detail": detail, "exit_code": left.exit_code, "problems": found,
        "reported": len(left.reported), "seconds": [left.seconds, rerun.seconds],
        "red": bench.code, "output": outputs,
    }  # fmt: skip


def plan(points: int, draw: random.Random) -> Iterator[str]:
    """Kinds in random order, each with its share."""
    total = sum(KINDS.values())
    kinds = [kind for kind, share in KINDS.items() for _ in range(round(points * share / total))]
    draw.shuffle(kinds)
    yield from kinds


def table(rows: list[dict[str, Any]]) -> str:
    """Kind by kind: how many points, and in how many of them all was well."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
    lines = ["| fault | points | nothing lost | not falsely green | no hang | rerun complete |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for kind in (*KINDS, "all"):
        some = rows if kind == "all" else by_kind[kind]
        well = [
            sum(not any(one.startswith(asked) for one in row["problems"]) for row in some)
            for asked in ASKED
        ]
        lines.append(f"| {kind} | {len(some)} | " + " | ".join(map(str, well)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Inject, print the table and every problem; exit with 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so long")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds that are a hang")
    parser.add_argument("--only", choices=list(KINDS), help="one kind of fault")
    parser.add_argument("--workers", type=int, choices=[0, 2], help="of runs that a signal strikes")
    parser.add_argument("--early", type=float, default=0.25,
                        help="share of the signals that strike at any time")  # fmt: skip
    parser.add_argument("--log", type=Path, help="one line of JSON for each point")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    draw = random.Random(options.seed)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        benches = [Bench.make(Path(name) / word, limit, options.patience)
                   for word, limit in (("green", GREEN), ("red", RED))]  # fmt: skip
        for bench in benches:
            bench.workers, bench.early = options.workers, options.early
        kinds = [options.only] * options.points if options.only else plan(options.points, draw)
        for number, kind in enumerate(kinds):
            if time.monotonic() > end:
                print(f"stopped after {options.minutes} minutes")
                break
            row = point(benches[number % 2], kind, random.Random(f"{options.seed} {number}"))
            rows.append({"number": number, **row})
            if options.log:
                with options.log.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
            if row["problems"]:
                print(f"{number}: {kind}: {row['detail']}: {row['problems']}", flush=True)
    print(f"\n{len(rows)} points, seed {options.seed}\n\n{table(rows)}")
    sys.exit(any(row["problems"] for row in rows))


if __name__ == "__main__":
    main()
