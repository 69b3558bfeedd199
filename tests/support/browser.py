"""A real headless Chromium, driven over its DevTools pipe with the standard library alone."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Browser", "Page", "find_chromium"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--mute-audio", "--remote-debugging-pipe",
)  # fmt: skip
LAUNCHER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 60.0
"""Seconds after which a silent browser counts as hung."""

# Key to (code, Windows key code): what a page's handlers, and the browser's own, look at.
KEYS = {
    "Enter": ("Enter", 13), "Escape": ("Escape", 27), "Tab": ("Tab", 9),
    "ArrowLeft": ("ArrowLeft", 37), "ArrowUp": ("ArrowUp", 38),
    "ArrowRight": ("ArrowRight", 39), "ArrowDown": ("ArrowDown", 40),
    "Home": ("Home", 36), "End": ("End", 35),
    "/": ("Slash", 191), "+": ("Equal", 187), "-": ("Minus", 189), "0": ("Digit0", 48),
}  # fmt: skip


def find_chromium() -> str | None:
    """The first browser of this family on the path."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One browser process; its pages are closed with it."""

    def __init__(self, binary: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="mlff-browser-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The browser reads from 3 and writes to 4; not every shell can put them there.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser, from_browser)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *map(str, ends), binary, *ARGUMENTS,
             f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (*ends, to_browser, from_browser):
            os.close(end)
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (OSError, TimeoutError, RuntimeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(10)
        os.close(self._in)
        os.close(self._out)
        for _ in range(20):
            # Helper processes may still be writing into the profile for a moment.
            try:
                self._profile.cleanup()
            except OSError:
                time.sleep(0.1)
            else:
                break

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a DevTools method and wait for its answer; events go to their pages."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._out, content) :]
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._read(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._note(answer)

    def pump(self, seconds: float) -> None:
        """Take in events for a while."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._note(self._read(deadline))
            except TimeoutError:
                return

    def page(self, width: int = 1280, height: int = 900, **settings: Any) -> Page:
        """A new page in a context of its own (storage, colour scheme)."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, session["sessionId"], context)
        self._pages[session["sessionId"]] = page
        page.prepare(width, height, **settings)
        return page

    def _note(self, message: dict[str, Any]) -> None:
        page = self._pages.get(message.get("sessionId", ""))
        if page is not None and "method" in message:
            page.note(message["method"], message["params"])

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self._in, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))


class Page:
    """A page, with what it asked for and what it complained of."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self.browser = browser
        self.session = session
        self.context = context
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._loaded = 0
        self._media: dict[str, Any] = {}

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a DevTools method on this page."""
        return self.browser.call(method, self.session, **parameters)

    def prepare(
        self, width: int, height: int, scheme: str = "light", phone: bool = False,
        scripts: bool = True,
    ) -> None:  # fmt: skip
        """Size, colour scheme, touch; and listen to everything that may go wrong."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height, phone)
        if phone:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.media(scheme)
        if not scripts:
            self.call("Emulation.setScriptExecutionDisabled", value=True)

    def resize(self, width: int, height: int, phone: bool = False) -> None:
        """Set the size of the view."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip

    def media(self, scheme: str = "light", medium: str = "screen") -> None:
        """The system's colour scheme, and screen or print."""
        self.call(
            "Emulation.setEmulatedMedia", media=medium,
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )  # fmt: skip

    def note(self, method: str, event: dict[str, Any]) -> None:
        """Keep an event that tests ask about."""
        if method == "Page.loadEventFired":
            self._loaded += 1
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            said = details.get("exception", {}).get("description", "")
            self.complaints.append(f"{details['text']} {said}")
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning"):
            self.complaints.append(str([one.get("value") for one in event["args"]]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.complaints.append(event["entry"]["text"])

    def open(self, path: Path, fragment: str = "") -> Page:
        """Open a file and wait until it is loaded."""
        before = self._loaded
        self.call("Page.navigate", url=path.resolve().as_uri() + fragment)
        self.until(lambda: self._loaded > before)
        return self

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for a condition."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never came true; the page said {self.complaints}")
            self.browser.pump(0.02)
        return found

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression of the page is true."""
        return self.until(lambda: self.run(expression))

    def run(self, expression: str) -> Any:
        """Value of a JavaScript expression (promises are awaited)."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
            userGesture=True,
        )  # fmt: skip
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys, as a person at the keyboard would."""
        for key in keys:
            code, number = KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0])))
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            common = {"key": key, "code": code, "windowsVirtualKeyCode": number}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text: str) -> None:
        """Type text into what has the focus."""
        self.call("Input.insertText", text=text)

    def centre(self, selector: str) -> tuple[float, float]:
        """Where an element is on the screen, after scrolling to it."""
        x, y = self.run(
            "(() => { const found = document.querySelector(" + json.dumps(selector) + ");"
            "found.scrollIntoView({block: 'center'}); const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        return float(x), float(y)

    def click(self, selector: str) -> None:
        """Click in the middle of an element with the mouse."""
        x, y = self.centre(selector)
        self.drag((x, y), (x, y))

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one place, let it go at another."""
        for kind, (x, y), held in (
            ("mouseMoved", begin, 0), ("mousePressed", begin, 1), ("mouseMoved", end, 1),
            ("mouseReleased", end, 0),
        ):  # fmt: skip
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=held,
                clickCount=0 if kind == "mouseMoved" else 1,
            )  # fmt: skip

    def allow_downloads(self, folder: Path) -> None:
        """Let downloads go into a folder."""
        self.browser.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder),
            browserContextId=self.context,
        )  # fmt: skip

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Take a picture of what is seen, or of the whole page."""
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        """Close the page and forget its context."""
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
