"""One headless Chromium for all tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.browser import NAMES, Browser, Page, find_chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    binary = find_chromium()
    if binary is None:
        pytest.skip(f"no browser on the path (looked for {', '.join(NAMES)})")
    with Browser(binary) as running:
        yield running


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages; at the end none may have complained or asked anybody for anything."""
    pages: list[Page] = []

    def make(*arguments: int, **settings: object) -> Page:
        pages.append(browser.page(*arguments, **settings))
        return pages[-1]

    yield make
    browser.pump(0.05)
    for page in pages:
        page.close()
    assert [page.complaints for page in pages] == [[] for _ in pages]
    for page in pages:
        # Parts of the page itself are no requests.
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        assert len({url.partition("#")[0] for url in page.requests if url[:5] == "file:"}) == 1
