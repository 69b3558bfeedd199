"""Putting untrusted text and scripts into a page that may run nothing else.

A report's strings come from file names, models and plugins. Jinja escapes what stands in
the markup; this module sees to what stands inside ``<script>`` elements, and to the
policy that lets a browser run exactly the scripts we wrote and fetch nothing at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pytest_mlff.errors import MlffError

# The only characters with which text inside a script element can leave it, and the two
# line separators that JSON allows and old JavaScript does not.
_ESCAPES = {
    ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026",
    0x2028: "\\u2028", 0x2029: "\\u2029",
}  # fmt: skip


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no ``<``, ``>`` or ``&`` is left in it.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def checked_script(text: str) -> str:
    """A script that can stand inline: line ends as a browser reads them.

    Raises
    ------
    MlffError
        If the script would end its own element early.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "</script" in text.lower() or "<!--" in text:
        raise MlffError("a script holds text that would end it inside an HTML page")
    return text


def policy(scripts: Iterable[str]) -> str:
    """Content security policy that allows these inline scripts by digest, and no request.

    Pictures may come from ``data:`` and ``blob:`` addresses, which are parts of the page.
    """
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in dict.fromkeys(scripts)
    )
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
