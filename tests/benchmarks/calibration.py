"""False alarms and power of the gate's paired test, beside the rules it replaces.

    python tests/benchmarks/calibration.py [--repeats 3000] [--residuals A.json B.json]

Two models are simulated frame by frame: the baseline's error b_f scatters around 1, the
current one is a_f = (1 + change) b_f + e_f, and both b and e are AR(1) series. With a margin of
1 % the tested difference a − 1.01 b is e itself when the true change is the tolerated 1 %:
the hardest case that must still not be called a regression. An undecided comparison raises no
alarm. With two baseline files, series of the spectrum of their real errors and differences are
tried too. Writes the tables into
``docs/statistics.md`` (between two marker comments) and a figure.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from arch.bootstrap import CircularBlockBootstrap, optimal_block_length
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import stdtrit

from pytest_mlff.gate.baseline import load_baseline
from pytest_mlff.statistics.correlation_time import autocorrelation, correlation_time, slowest_phi
from pytest_mlff.statistics.interval import long_run
from pytest_mlff.statistics.paired import ALPHA, MARGIN
from pytest_mlff.statistics.spectrum import coefficient_count, cosine_coefficients

PHIS = (0.0, 0.5, 0.9, 0.95, 0.98)
LENGTHS = (200, 500, 1000, 2000, 4000)
SCATTER = 0.3
"""Standard deviation of b and of e, as a share of the mean error."""

Series = NDArray[np.float64]
MARKERS = ("<!-- calibration: begin -->", "<!-- calibration: end -->")


def ar1(rng: np.random.Generator, phi: float, shape: tuple[int, int], tails: str) -> Series:
    """Stationary AR(1) series of unit variance with Gaussian or Student t₃ innovations."""
    burn = 50 + math.ceil(8.0 / (1.0 - phi))
    size = (shape[0], shape[1] + burn)
    noise = rng.standard_normal(size)
    if tails == "t3":
        noise = rng.standard_t(3, size) / math.sqrt(3.0)
    series = lfilter([1.0], [1.0, -phi], noise, axis=1)[:, burn:]
    return np.asarray(series * math.sqrt(1.0 - phi**2))


def slow_below_noise(
    rng: np.random.Generator, phi: float, shape: tuple[int, int], share: float
) -> Series:
    """White noise over a slow AR(1) part that has ``share`` of the variance."""
    slow = ar1(rng, phi, shape, "gauss")
    return math.sqrt(share) * slow + math.sqrt(1.0 - share) * rng.standard_normal(shape)


def oscillation(rng: np.random.Generator, shape: tuple[int, int]) -> Series:
    """Damped vibration: AR(2) with a period of 12.6 frames and a decay of 20 frames."""
    radius, angle = math.exp(-1.0 / 20.0), 0.5
    noise = rng.standard_normal((shape[0], shape[1] + 400))
    series = lfilter([1.0], [1.0, -2.0 * radius * math.cos(angle), radius**2], noise, axis=1)
    return np.asarray(series[:, 400:] / series.std())


def surrogates(rng: np.random.Generator, residuals: Series, repeats: int, n: int) -> Series:
    """Gaussian series of mean zero with the spectrum of real residuals.

    The periodogram is averaged over nine neighbouring frequencies; frequency zero, which the
    mean of the residuals takes away, is filled from its neighbours.
    """
    length = len(residuals)
    found = np.abs(np.fft.rfft(residuals - residuals.mean())) ** 2
    found[0] = found[1:5].mean()
    mirrored = np.concatenate([found[4:0:-1], found, found[-2:-6:-1]])
    amplitude = np.sqrt(np.convolve(mirrored, np.full(9, 1.0 / 9.0), mode="valid"))
    shape = (repeats, len(amplitude))
    noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    noise[:, 0] = math.sqrt(2.0) * noise[:, 0].real
    return np.fft.irfft(amplitude * noise, n=length, axis=1)[:, :n]


@dataclass(frozen=True)
class Estimate:
    """Long-run variances, degrees of freedom and whether a verdict is given, each of shape (n,)."""

    variance: Series
    dof: Series
    decided: NDArray[np.bool_]


def gate_rule(x: Series) -> Estimate:
    """What `mean_interval` and `compare_paired` use."""
    run = long_run(x)
    return Estimate(run.variance, run.dof, np.ones(len(x), dtype=bool))


def one_sided(x: Series, run: Estimate) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Alarms and whether decided, as `compare_paired` does it, for many series at once."""
    critical = stdtrit(np.maximum(run.dof, 1.0), 1.0 - ALPHA)
    error = np.sqrt(run.variance / x.shape[1])
    return run.decided & (x.mean(axis=1) > critical * error), run.decided


def one_time_rule(x: Series, lag_1_alone: bool = False) -> Estimate:
    """EWC with one correlation time: B = min(0.41 n^(2/3), 0.5 n/(π τ)), undecided below 4.

    With ``lag_1_alone`` τ is that of lag 1; else the slowest of all block scales, and the
    squares are recoloured by the spectrum of AR(1) with that τ.
    """
    n = x.shape[1]
    lag_1 = np.clip(autocorrelation(x), 0.0, 1.0 - 1.0 / n)
    phi = lag_1 if lag_1_alone else slowest_phi(x)
    tau = correlation_time(phi)
    most = coefficient_count(n)
    dof = np.minimum(most, np.floor(0.5 * n / math.pi / np.maximum(tau, 1e-9))).astype(int)
    powers = np.square(cosine_coefficients(x, most))
    if not lag_1_alone:
        p, omega = phi[:, None], math.pi * np.arange(1, most + 1) / n
        powers = powers * (1.0 + p**2 - 2.0 * p * np.cos(omega)) / (1.0 - p) ** 2
    used = np.maximum(dof, 1)
    sums = np.take_along_axis(np.cumsum(powers, axis=1), used[:, None] - 1, axis=1)[:, 0]
    return Estimate(sums / used, dof.astype(float), dof >= 4)


def t_test(x: Series) -> NDArray[np.bool_]:
    """Paired t-test: frames taken for independent."""
    n = x.shape[1]
    t = x.mean(axis=1) / (x.std(axis=1, ddof=1) / math.sqrt(n))
    return np.asarray(t > stdtrit(n - 1, 1.0 - ALPHA))


def bootstrap(rng: np.random.Generator, x: Series, block: int, resamples: int) -> NDArray[np.bool_]:
    """Percentile bootstrap of the mean; one set of resamples serves all series of a cell."""
    n = x.shape[1]
    maker = CircularBlockBootstrap(block, np.arange(n), seed=rng)
    counts = np.stack(
        [np.bincount(np.asarray(data[0][0]), minlength=n) for data in maker.bootstrap(resamples)]
    )
    means = counts.astype(np.float64) @ x.T / n
    return np.asarray((means <= 0.0).mean(axis=0) <= ALPHA)


def usual_block(x: Series) -> int:
    """Median of the optimal block lengths (Politis and White 2004) of the first 20 series."""
    found = [float(optimal_block_length(row)["circular"].iloc[0]) for row in x[:20]]
    return max(1, round(float(np.median(found))))


@dataclass
class Cell:
    """Rates of one cell."""

    label: str
    n: int
    tails: str
    rates: dict[str, float] = field(default_factory=dict)

    def gate(self, raised: NDArray[np.bool_], decided: NDArray[np.bool_]) -> None:
        """Keep the rates of the gate; ``decided`` tells the series with an interval."""
        self.rates["gate"] = float(raised.mean())
        self.rates["decided"] = float(decided.mean())
        # Among a handful of verdicts a rate says nothing.
        if decided.sum() >= 100:
            self.rates["of decided"] = float((raised & decided).sum() / decided.sum())


def limit(repeats: int, cells: int) -> float:
    """5 % and the simulation error that the worst of ``cells`` cells may show (1 %)."""
    from scipy.special import ndtri

    worst = float(ndtri(0.99 ** (1.0 / cells)))
    return ALPHA + worst * math.sqrt(ALPHA * (1.0 - ALPHA) / repeats)


def alarms(repeats: int, seed: int) -> list[Cell]:
    """False alarms of every rule in every cell."""
    cells = []
    for tails in ("gauss", "t3"):
        for phi in PHIS:
            for n in LENGTHS:
                key = [seed, round(100 * phi), n, int(tails == "t3")]
                rng = np.random.default_rng(key)
                x = SCATTER * ar1(rng, phi, (repeats, n), tails)
                cell = Cell(f"{phi:g}", n, tails)
                raised, decided = one_sided(x, gate_rule(x))
                cell.gate(raised, decided)
                cell.rates["lag-1 EWC"] = float(one_sided(x, one_time_rule(x, True))[0].mean())
                cell.rates["one-τ EWC"] = float(one_sided(x, one_time_rule(x))[0].mean())
                cell.rates["t-test"] = float(t_test(x).mean())
                # No change at all: the case the rule of thumb is meant for.
                cell.rates["5 % rule"] = float((x.mean(axis=1) > 0.05).mean())
                if n in (500, 2000):
                    few = x[: min(repeats, 1000)]
                    cell.rates["i.i.d. bootstrap"] = float(bootstrap(rng, few, 1, 299).mean())
                    block = usual_block(few)
                    cell.rates["block bootstrap"] = float(bootstrap(rng, few, block, 299).mean())
                cells.append(cell)
    return cells


def other_shapes(repeats: int, seed: int, residuals: dict[str, Series]) -> list[Cell]:
    """False alarms on series that are no AR(1) process."""
    cells = []
    real: set[str] = set()
    for n in (200, 500, 1000, 2000, 4000):
        rng = np.random.default_rng([seed, n, 7])
        shape = (repeats, n)
        made = {
            "30 % slow, φ = 0.9": slow_below_noise(rng, 0.9, shape, 0.3),
            "30 % slow, φ = 0.98": slow_below_noise(rng, 0.98, shape, 0.3),
            "10 % slow, φ = 0.98": slow_below_noise(rng, 0.98, shape, 0.1),
            "30 % slow, φ = 0.995": slow_below_noise(rng, 0.995, shape, 0.3),
            "vibration": oscillation(rng, shape),
        }
        for name, series in residuals.items():
            if 2 * n <= len(series):
                made[name] = surrogates(rng, series, repeats, n)
                real.add(name)
        for label, x in made.items():
            cell = Cell(label, n, "real" if label in real else "gauss")
            raised, decided = one_sided(x, gate_rule(x))
            cell.gate(raised, decided)
            cell.rates["lag-1 EWC"] = float(one_sided(x, one_time_rule(x, True))[0].mean())
            cell.rates["one-τ EWC"] = float(one_sided(x, one_time_rule(x))[0].mean())
            cell.rates["t-test"] = float(t_test(x).mean())
            cells.append(cell)
    return cells


def power(repeats: int, seed: int) -> list[Cell]:
    """Power against true worsenings, and at 3 standard errors where an oracle has 0.91."""
    cells = []
    for phi in PHIS:
        for n in (500, 2000, 4000):
            rng = np.random.default_rng([seed, round(100 * phi), n, 3])
            e = SCATTER * ar1(rng, phi, (repeats, n), "gauss")
            b = 1.0 + SCATTER * ar1(rng, phi, (repeats, n), "gauss")
            cell = Cell(f"{phi:g}", n, "gauss")
            for change in (0.03, 0.05, 0.10, 0.20):
                x = (change - MARGIN) * b + e
                raised, decided = one_sided(x, gate_rule(x))
                cell.rates[f"+{change:.0%}"] = float(raised.mean())
                cell.rates["decided"] = float(decided.mean())
                if change > 0.04:
                    cell.rates[f"t-test +{change:.0%}"] = float(t_test(x).mean())
                a_over_b = 1.0 + change + e.mean(axis=1) / b.mean(axis=1)
                cell.rates[f"5 % rule +{change:.0%}"] = float((a_over_b > 1.05).mean())
            error = SCATTER * math.sqrt((1.0 + phi) / (1.0 - phi) / n)
            raised, decided = one_sided(e + 3.0 * error, gate_rule(e))
            cell.rates["3 s.e."] = float((raised & decided).sum() / max(1, decided.sum()))
            raised, decided = one_sided(e + 3.0 * error, one_time_rule(e))
            cell.rates["one-τ 3 s.e."] = float((raised & decided).sum() / max(1, decided.sum()))
            cell.rates["one-τ decided"] = float(decided.mean())
            cells.append(cell)
    return cells


def power_beside(repeats: int, seed: int) -> list[Cell]:
    """Power of every rule against true worsenings; one that raises false alarms has it for free.

    The column "+0%" has no change at all, where the rule of thumb belongs; the margin's own
    worsening, where the tests belong, is in the tables of false alarms.
    """
    cells = []
    for phi in PHIS:
        for n in (500, 2000):
            rng = np.random.default_rng([seed, round(100 * phi), n, 5])
            e = SCATTER * ar1(rng, phi, (repeats, n), "gauss")
            b = 1.0 + SCATTER * ar1(rng, phi, (repeats, n), "gauss")
            block = usual_block(e)
            by_rule: dict[str, Cell] = {}
            for change in (0.0, 0.03, 0.05, 0.10, 0.20):
                x = (change - MARGIN) * b + e
                raised = {
                    "gate": one_sided(x, gate_rule(x))[0],
                    "i.i.d. bootstrap": bootstrap(rng, x, 1, 299),
                    "block bootstrap": bootstrap(rng, x, block, 299),
                    "t-test": t_test(x),
                    "5 % rule": change + e.mean(axis=1) / b.mean(axis=1) > 0.05,
                }
                for rule, alarmed in raised.items():
                    cell = by_rule.setdefault(rule, Cell(f"{phi:g} | {rule}", n, "gauss"))
                    cell.rates[f"+{change:.0%}"] = float(alarmed.mean())
            cells += by_rule.values()
    return cells


def table(cells: list[Cell], columns: list[str], first: str) -> str:
    """Markdown table, in percent."""
    lines = [
        "| " + " | ".join([first, "frames", *columns]) + " |",
        "|" + "---|" * (2 + first.count("|") + len(columns)),
    ]
    for cell in cells:
        told = [f"{100 * cell.rates[c]:.1f}" if c in cell.rates else "" for c in columns]
        lines.append("| " + " | ".join([cell.label, str(cell.n), *told]) + " |")
    return "\n".join(lines)


def figure(cells: list[Cell], repeats: int, path: Path) -> None:
    """False alarms against φ for the rules, one panel a length."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "calibration"
    mpl.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    rules = {
        "gate": ("#0a6b3d", "o", "this gate"),
        "one-τ EWC": ("#3b6fb6", "v", "EWC, one correlation time"),
        "block bootstrap": ("#8a5fb0", "s", "block bootstrap"),
        "5 % rule": ("#b58900", "D", "worse by 5 %"),
        "i.i.d. bootstrap": ("#c0392b", "^", "i.i.d. bootstrap"),
        "t-test": ("#7f8c8d", "x", "paired t-test"),
    }
    drawn, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    for axis, n in zip(axes, (500, 2000), strict=True):
        chosen = [cell for cell in cells if cell.n == n and cell.tails == "gauss"]
        for rule, (colour, mark, name) in rules.items():
            rates = [100 * cell.rates[rule] for cell in chosen]
            axis.plot(range(len(chosen)), rates, marker=mark, color=colour, label=name)
        axis.axhline(5.0, color="black", linewidth=0.8, linestyle="--")
        axis.axhspan(0.0, 100 * limit(repeats, len(cells)), color="#0a6b3d", alpha=0.08)
        axis.set_xticks(range(len(chosen)), [cell.label for cell in chosen])
        axis.set_xlabel("lag-1 autocorrelation φ of the difference")
        axis.set_title(f"{n} frames")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("false alarms in %")
    axes[0].set_ylim(0, 50)
    axes[0].legend(frameon=False, fontsize=8)
    drawn.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, format="svg", metadata={"Date": None})
    plt.close(drawn)


def read_residuals(paths: list[Path]) -> dict[str, Series]:
    """Per-frame errors and differences of the cases that two baseline files share."""
    if not paths:
        return {}
    current, base = (load_baseline(path).cases for path in paths)
    found: dict[str, Series] = {}
    for name in sorted(set(current) & set(base)):
        a, b = current[name].record.series, base[name].record.series
        ratio = a.totals.sum() / b.totals.sum()
        first = a.segments[0]
        found[f"`{name}`, error"] = a.influence[:first]
        found[f"`{name}`, difference"] = (a.totals - ratio * b.totals)[:first]
    return found


def _measured(residuals: dict[str, Series]) -> list[str]:
    """Correlation of real residuals, as a table."""
    if not residuals:
        return []
    lines = [
        "| real series | frames | lag-1 φ | correlation time | extrapolation |",
        "|---|---|---|---|---|",
    ]
    for name, series in residuals.items():
        run = long_run(series)
        phi = float(autocorrelation(series))
        lines.append(
            f"| {name} | {len(series)} | {phi:.2f} | {float(run.correlation_time):.1f} frames | "
            f"{float(run.extrapolation):.2f} |"
        )
    return ["**Correlation of the real series**", "\n".join(lines)]


def _worst_real(cells: list[Cell], top: float) -> str:
    """The worst cell of real spectra, as a sentence."""
    if not cells:
        return ""
    worst = max(cells, key=lambda cell: cell.rates["gate"])
    return (
        f" Highest rate in the {len(cells)} cells with the spectrum of real residuals: "
        f"**{worst.rates['gate']:.1%}** ({worst.label}, {worst.n} frames); 5 % and the "
        f"simulation error of the worst of {len(cells)} cells is {top:.1%}."
    )


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--residuals", type=Path, nargs=2, default=[], metavar="BASELINE")
    asked = parser.parse_args()
    started = time.process_time()
    cells = alarms(asked.repeats, asked.seed)
    residuals = read_residuals(asked.residuals)
    shapes = other_shapes(asked.repeats, asked.seed, residuals)
    strengths = power(min(asked.repeats, 1000), asked.seed)
    beside = power_beside(min(asked.repeats, 1000), asked.seed)
    of_real = [cell for cell in shapes if cell.tails == "real"]
    top, top_real = limit(asked.repeats, len(cells)), limit(asked.repeats, max(1, len(of_real)))
    worst = max(cells, key=lambda cell: cell.rates["gate"])
    rules = [
        "gate",
        "decided",
        "of decided",
        "one-τ EWC",
        "lag-1 EWC",
        "block bootstrap",
        "i.i.d. bootstrap",
        "t-test",
    ]
    rules += ["5 % rule"]
    strength = ["decided", "+3%", "+5%", "+10%", "+20%", "3 s.e.", "one-τ decided", "one-τ 3 s.e."]
    strength += ["5 % rule +3%", "5 % rule +5%", "5 % rule +10%"]
    body = "\n\n".join(
        [
            f"{asked.repeats} repeats a cell, seed {asked.seed}. Highest rate of the gate in the "
            f"{len(cells)} AR(1) cells: **{worst.rates['gate']:.1%}** (φ = {worst.label}, "
            f"{worst.n} frames, {worst.tails}); 5 % and the simulation error of the worst of "
            f"{len(cells)} cells is {top:.1%}." + _worst_real(of_real, top_real),
            "**False alarms in %, Gaussian innovations**",
            table([c for c in cells if c.tails == "gauss"], rules, "φ"),
            "**False alarms in %, Student t₃ innovations**",
            table([c for c in cells if c.tails == "t3"], rules, "φ"),
            "**False alarms in % on series that are no AR(1) process**",
            table(
                shapes,
                ["gate", "decided", "of decided", "one-τ EWC", "lag-1 EWC", "t-test"],
                "series",
            ),
            *_measured(residuals),
            f"**Power in % (margin 1 %, {min(asked.repeats, 1000)} repeats)**",
            table(strengths, strength, "φ"),
            "**Power in % beside other rules** (share of series called worse at a true change)",
            table(beside, ["+0%", "+3%", "+5%", "+10%", "+20%"], "φ | rule"),
        ]
    )
    figure(cells, asked.repeats, asked.docs / "figures" / "calibration.svg")
    page = asked.docs / "statistics.md"
    text = page.read_text(encoding="utf-8") if page.exists() else "\n".join(MARKERS)
    before, _, rest = text.partition(MARKERS[0])
    _, _, after = rest.partition(MARKERS[1])
    page.write_text(f"{before}{MARKERS[0]}\n{body}\n{MARKERS[1]}{after}", encoding="utf-8")
    print(body)
    print(f"CPU time: {time.process_time() - started:.0f} s")
    failed = [c for c in cells if c.rates["gate"] > top]
    failed += [c for c in of_real if c.rates["gate"] > top_real]
    if failed:
        raise SystemExit(f"{len(failed)} cells above 5 % and the simulation error")


if __name__ == "__main__":
    main()
