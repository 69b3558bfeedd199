"""Draws the errors of docs/egraffbench.md against temperature: ``python by_temperature.py OUT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

REPORT = Path(__file__).parents[1] / "results" / "egraffbench" / "3bpa.json"
KELVIN = (300, 600, 1200)
BESIDE = {  # docs/egraffbench.md says of what
    "size of the forces": (961, 1321, 1846),
    "NequIP, published": (10.8, 26.4, 76.2),
}

mpl.rcParams["svg.hashsalt"] = "egraffbench"
figure = Figure(figsize=(6, 4), layout="constrained")
axes = figure.add_subplot()
cases = {
    (one["model"], one["variant"]): one
    for one in json.loads(REPORT.read_text(encoding="utf-8"))["cases"]
    if one["metric"] == "force_rmse"
}
models = sorted({model for model, _ in cases}, key=lambda m: cases[m, "mixedT_300K"]["value"])
for model, mark in zip(models, "os^vDX", strict=True):
    found = [cases[model, f"mixedT_{kelvin}K"] for kelvin in KELVIN]
    values = [one["value"] for one in found]
    away = [[abs(one[end] - one["value"]) for one in found] for end in ("ci_low", "ci_high")]
    axes.errorbar(KELVIN, values, away, marker=mark, capsize=3, label=model)
for (label, values), line in zip(BESIDE.items(), (":", "--"), strict=True):
    axes.plot(KELVIN, values, line, color="0.4", label=label)
axes.set(xscale="log", yscale="log", xlabel="temperature, K", ylabel="force RMSE, meV/Å")
axes.set_xticks(KELVIN, [str(kelvin) for kelvin in KELVIN])
axes.minorticks_off()
axes.set_yticks(ticks := (10, 20, 50, 100, 200, 500, 1000, 2000), [str(tick) for tick in ticks])
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
figure.savefig(sys.argv[1], metadata={"Date": None})
