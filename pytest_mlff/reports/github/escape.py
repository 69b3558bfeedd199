"""Making untrusted text harmless: in GitHub's markdown, and in its workflow commands.

Names of models, messages of exceptions and whatever stands in a spec come from the
repository under test. None of them may become markup, a link, a mention, another row
of a table, or a command to the runner.
"""

from __future__ import annotations

import html
import re
import unicodedata

# A character reference is never taken for structure (CommonMark 0.31, section 2.5), and the pipe
# written so does not end a cell. The dot and the colon matter for links that need no brackets,
# "#", "@" and "$" for GitHub's references, mentions and formulas.
_STRUCTURE = re.compile(r"[&<>|`*_\[\]\\~#@$!:\"']|(?<=www)\.|(?<=\bGH)-", re.IGNORECASE)
_LONGEST_BLOCK = 4000
"""Characters that a block of several lines shows."""
_NO_TEXT = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _visible(character: str) -> str:
    return "�" if unicodedata.category(character) in _NO_TEXT else character


def visible_line(text: str) -> str:
    """The text in one line; what has no visible form becomes U+FFFD.

    Among it are the characters that reverse the direction of reading.
    """
    return "".join(_visible(character) for character in " ".join(text.split()))


def shortened(text: str, length: int) -> str:
    """At most ``length`` characters, the last being ``…`` where something was cut."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def inline(text: str, length: int = 300) -> str:
    """One line of markdown, also within a table, that shows the text and nothing else."""
    shown = shortened(visible_line(text), length)
    return _STRUCTURE.sub(lambda found: f"&#{ord(found[0])};", shown)


def preformatted(text: str) -> str:
    """A block that shows several lines as they are."""
    lines = (
        "".join(_visible(character) for character in line.expandtabs())
        for line in shortened(text, _LONGEST_BLOCK).splitlines()
    )
    # Within <pre> nothing is markdown until </pre>, which cannot be written without "<".
    return f"<pre>{html.escape(chr(10).join(lines))}</pre>"


def command(name: str, message: str, **properties: str | int) -> str:
    """A workflow command, e.g. ``::error file=a.yaml,line=3::message``.

    The runner splits a command at ``,`` and ``:`` and ends it at the line's end; it decodes
    ``%25``, ``%0D``, ``%0A`` and, in properties, ``%3A`` and ``%2C`` (GitHub documentation,
    "Workflow commands for GitHub Actions"; the escapes are those of actions/toolkit).
    """
    told = ",".join(
        f"{key}={_data(str(value)).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    return f"::{name}{' ' if told else ''}{told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
