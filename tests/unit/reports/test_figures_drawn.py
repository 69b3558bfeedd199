"""Figures as files and for a page: valid, the same each time, nothing fetched."""

from __future__ import annotations

import builtins
import dataclasses
import hashlib
import io
import math
import re
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lxml import etree, html
from support.sample_reports import saibench_report

from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.reports.figures import FORMATS, figures_of, write_figures
from pytest_mlff.reports.figures.description import MatrixPanel, WindowPanel, XYPanel
from pytest_mlff.reports.figures.inline import inline_svg
from pytest_mlff.reports.figures.palette import (
    DARK,
    LIGHT,
    colour,
    scale_colour,
)
from pytest_mlff.reports.figures.static import draw, render
from pytest_mlff.reports.model import SpreadRecord

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.reports.figures import Figure
    from pytest_mlff.reports.model import Report

REPORT = saibench_report()
FIGURES = {figure.id: figure for figure in figures_of(REPORT)}
SVG = "{http://www.w3.org/2000/svg}"


@cache
def inline(name: str) -> str:
    """A figure in a page, drawn once for all tests."""
    return inline_svg(FIGURES[name])


def small(*specs: str) -> Report:
    """The report with some specs alone, so that few figures are drawn."""
    return REPORT.model_copy(
        update={
            "cases": [c for c in REPORT.cases if c.spec in specs],
            "variants": [v for v in REPORT.variants if v.spec in specs],
            "trainings": [],
        }
    )


def check_png(content: bytes) -> tuple[int, int]:
    """Walk through the chunks of a PNG with their checksums; the size in pixels."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds, size = 8, [], (0, 0)
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        assert zlib.crc32(kind + data) == checksum
        if kind == b"IHDR":
            size = struct.unpack(">II", data[:8])
        kinds.append(kind)
        at += 12 + length
    assert kinds[0] == b"IHDR"
    assert kinds[-1] == b"IEND"
    return size


# One of each kind of panel, and the one of several; as drawings in a page all are looked at below.
@pytest.mark.parametrize("name", ["overview", "windows", "cross-molecule", "similarity"])
def test_png_and_svg_are_valid(name: str) -> None:
    width, height = check_png(render(FIGURES[name], "png"))
    assert width > 800
    assert height > 300
    root = etree.fromstring(render(FIGURES[name], "svg"))
    assert root.tag == f"{SVG}svg"
    assert [text for *_, text in tips(root)] == lines(FIGURES[name])
    assert not [
        value for node in root.iter() for key, value in node.attrib.items()
        if key.endswith("href") and not value.startswith(("#", "data:image/png;base64,"))
    ]  # fmt: skip


def test_the_same_report_makes_the_same_bytes(tmp_path: Path) -> None:
    report = small("sample_efficiency")
    first = write_figures(report, tmp_path / "a")
    second = write_figures(report, tmp_path / "b")
    assert [path.name for path in first] == [
        f"{name}.{made}" for name in ("overview", "mae-vs-samples") for made in FORMATS
    ]
    # A layout of its own: as wide as a phone, on paper of its own.
    wide, phone = (etree.parse(str(path)).getroot() for path in first[4:])
    assert float(phone.get("width").rstrip("pt")) < 250 < float(wide.get("width").rstrip("pt"))
    assert (phone[0].tag.endswith("rect"), phone[0].get("width")) == (True, "100%")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    # And another report makes others: the bytes come from the data.
    changed = saibench_report(seed=1).model_copy(update={"trainings": []})
    figure = next(f for f in figures_of(changed) if f.id == "mae-vs-samples")
    digests = {hashlib.sha256(c).digest() for c in
               (first[3].read_bytes(), render(figure, "png"))}  # fmt: skip
    assert len(digests) == 2


def test_the_users_style_does_not_leak_in() -> None:
    import matplotlib

    before = render(FIGURES["mae-vs-samples"], "svg")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.grid": False}):
        assert render(FIGURES["mae-vs-samples"], "svg") == before
        assert matplotlib.rcParams["font.size"] == 30


def overlapping(canvas) -> list[tuple[str, str]]:
    """Tick labels, texts beside bars and in cells that touch, measured after layout."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(canvas).get_renderer()
    canvas.draw(renderer)
    found = []
    for axes in canvas.axes:
        texts = [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts]
        boxes = [
            (text.get_text(), text.get_window_extent(renderer))
            for text in texts
            if text.get_text().strip() and text.get_visible()
        ]
        found += [
            (one, other)
            for index, (one, box) in enumerate(boxes)
            for other, another in boxes[index + 1 :]
            if box.overlaps(another)
        ]
    return found


@pytest.mark.filterwarnings("ignore:constrained_layout not applied")
@pytest.mark.parametrize("name", ["windows", "cross-molecule", "overview", "mae-vs-samples"])
def test_no_text_of_a_panel_overlaps_another(name: str) -> None:
    canvas = draw(FIGURES[name])
    assert overlapping(canvas) == []
    canvas.set_size_inches(4, 2)
    assert overlapping(canvas)


def test_bad_formats_and_folders_are_one_line(tmp_path: Path) -> None:
    report = small("sample_efficiency")
    with pytest.raises(MlffError, match=r"unknown figure format 'gif' \(formats: png, svg, "):
        write_figures(report, tmp_path, ("gif",))
    (tmp_path / "file").write_text("")
    with pytest.raises(MlffError, match="cannot write the figure") as caught:
        write_figures(report, tmp_path / "file", ("svg",))
    assert "\n" not in str(caught.value)


def test_an_empty_report_writes_nothing(tmp_path: Path) -> None:
    assert write_figures(small(), tmp_path / "none") == []


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pytest-mlff\[report\]"):
        draw(FIGURES["windows"])


# --- in a page ------------------------------------------------------------------------------


def tips(root: etree._Element) -> list[tuple[float, float, str]]:
    """Place and line of what has one, in the order of the drawing."""
    return [
        (float(node.get("x", "nan")), float(node.get("y", "nan")), node.findtext(f"{SVG}title"))
        for node in root.iter()
        if node.get("class") == "tip"
    ]


def lines(figure: Figure) -> list[str]:
    found: list[str] = []
    for panel in figure.panels:
        if isinstance(panel, XYPanel):
            found += [text for series in panel.series for text in series.hover]
        elif isinstance(panel, WindowPanel):
            found += [bar.hover for bar in panel.bars]
        elif isinstance(panel, MatrixPanel):
            found += [cell.hover for cell in panel.cells]
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_every_value_has_its_line_for_the_pointer(name: str) -> None:
    figure = FIGURES[name]
    root = etree.fromstring(inline(name))
    assert [text for *_, text in tips(root)] == lines(figure)


@pytest.mark.parametrize("name", ["mae-vs-samples", "mae-by-size", "overview"])
def test_a_line_stands_where_its_value_is_drawn(name: str) -> None:
    """Within a panel, places are a linear function of the data (of their logarithm, on such axes):
    a line beside another point would be far off it."""
    found = tips(etree.fromstring(inline(name)))
    for panel in FIGURES[name].panels:
        assert isinstance(panel, XYPanel)
        points = [(x, y) for s in panel.series if s.hover for x, y in zip(s.x, s.y, strict=True)]
        here, found = found[: len(points)], found[len(points) :]
        for which, axis in ((0, panel.x), (1, panel.y)):
            values = [math.log10(p[which]) if axis.log else p[which] for p in points]
            slope, offset = np.polyfit(values, [place[which] for place in here], 1)
            for value, place in zip(values, here, strict=True):
                assert abs(slope * value + offset - place[which]) < 0.05


def test_a_line_too_few_is_noticed() -> None:
    figure = FIGURES["mae-vs-samples"]
    panel = figure.panels[0]
    assert isinstance(panel, XYPanel)
    series = dataclasses.replace(panel.series[0], hover=panel.series[0].hover[1:])
    changed = dataclasses.replace(panel, series=(series,))
    with pytest.raises(AssertionError, match=r"parts drawn for"):
        inline_svg(dataclasses.replace(figure, panels=(changed,)))


def test_drawings_share_a_page() -> None:
    drawn = {name: inline(name) for name in FIGURES}
    assert drawn["windows"] == inline_svg(FIGURES["windows"])
    ids: list[str] = []
    for name, text in drawn.items():
        assert not re.search(r"https?://(?!www\.w3\.org/)", text)
        root = html.fromstring(text)
        here = root.xpath("//@id")
        assert all(one.startswith(f"figure-{name}-") for one in here)
        assert set(re.findall(r"#(figure-[\w-]+)", text)) == set(here)
        ids += here
    assert len(ids) == len(set(ids))


@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_from_a_report_cannot_leave_the_page_element() -> None:
    figure = FIGURES["mae-vs-samples"]
    panel = figure.panels[0]
    assert isinstance(panel, XYPanel)
    nasty = "</svg></script><img src=x onerror=alert(1)> $\\frac{ \x00\x1b"
    series = dataclasses.replace(
        panel.series[0], label=nasty, hover=tuple(nasty for _ in panel.series[0].x)
    )
    blank = dataclasses.replace(panel.blanks[0], text=nasty)
    changed = dataclasses.replace(panel, title=nasty, series=(series,), blanks=(blank,))
    text = inline_svg(dataclasses.replace(figure, title=nasty, panels=(changed,)))
    assert not html.fromstring(f"<div>{text}</div>").xpath("//img")
    assert text.count("</svg") == 1
    assert "&lt;img src=x" in text


@pytest.mark.parametrize("name", FIGURES)
def test_the_dark_theme_is_complete(name: str) -> None:
    """No text, axis or mark keeps a colour that is meant for light pages alone."""
    text = inline(name)
    pairs = dict(re.findall(r"light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", text))
    assert pairs[LIGHT.text] == DARK.text
    assert pairs.get(LIGHT.grid, DARK.grid) == DARK.grid
    alone = set(re.findall(r"(?<!\()(?<!, )#[0-9a-f]{6}\b", text))
    scale = {scale_colour(k / 20_000) for k in range(20_001)}
    # What is left are cells and bars of the scale, the text in cells, and what nobody sees.
    assert alone - scale <= {"#000000", "#ffffff", colour("muted")}


def test_png_checker_sees_a_broken_file() -> None:
    content = bytearray(render(FIGURES["mae-vs-samples"], "png"))
    content[60] ^= 1
    with pytest.raises(AssertionError):
        check_png(bytes(io.BytesIO(content).read()))


def spreads(species: tuple[str | None, ...], group: str | None = None) -> list[SpreadRecord]:
    rng = np.random.default_rng(0)
    made = []
    for name in species:
        counts = [[int(k), int(k + rng.integers(-1, 2)), 7] for k in range(20, 44)]
        made.append(
            SpreadRecord(
                model="model", suite="s", spec="t", quantity="forces", species=name, group=group,
                variants=2, reach=12, parity=counts, sizes=[[k, k - 5, 9] for k in range(4, 12)],
            )
        )  # fmt: skip
    return made


def test_errors_by_element_and_by_group() -> None:
    found = [*spreads((None, "C", "H")), *spreads((None,), "phase=liquid")]
    report = small("sample_efficiency").model_copy(update={"spreads": found})
    made = {figure.id: figure for figure in figures_of(report)}
    parity, errors = made["parity-forces"], made["errors-forces"]
    assert [panel.title for panel in parity.panels] == ["all", "phase=liquid", "C", "H"]
    assert [panel.title for panel in errors.panels] == [
        "By element", "By group", "Against the size of the force",
    ]  # fmt: skip
    shares = [sum(series.y) for series in errors.panels[0].series]
    assert shares == pytest.approx([100.0] * 3)
    against = errors.panels[2].series[0]
    # Every atom of a size has its error in one cell: the median is the middle of that cell.
    assert against.y == pytest.approx([10 ** ((k - 4.5) / 4) for k in range(4, 12)])
    for name in ("parity-forces", "errors-forces"):
        assert etree.fromstring(inline_svg(made[name])).tag == f"{SVG}svg"


@pytest.mark.parametrize("name", ["overview", "windows", "mae-vs-samples"])
def test_a_phone_has_its_own_layout(name: str) -> None:
    root = etree.fromstring(inline_svg(FIGURES[name], narrow=True))
    width = int(re.match(r"width: (\d+)px", root.get("style"))[1])
    assert width <= 327  # 375 px less the margins of the page and of the figure
    assert sorted(text for *_, text in tips(root)) == sorted(lines(FIGURES[name]))
    # What is drawn takes most of it: the frame of a panel, and not its labels.
    spans = []
    for path in root.iter(f"{SVG}path"):
        places = [float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path.get("d") or "")]
        spans.append(max(places, default=0.0) - min(places, default=0.0))
    assert max(spans) * 4 / 3 > 0.55 * width
