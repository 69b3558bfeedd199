"""What a pull request changes in a model card of what judges: excuses, capabilities, level."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pytest_mlff.errors import MlffError
from pytest_mlff.judge.edits import Edit
from pytest_mlff.potentials.card import CardFile
from pytest_mlff.specs.load import load_checked

_NO_CARD: Final = CardFile(model="none")


def card_edits(name: str, base: Path, head: Path) -> list[Edit]:
    """Compare what two branches' cards excuse; what only takes excuses away is ``stricter``.

    A source that is no card in the request changes nothing; a base without the card excuses
    nothing.
    """
    old, new = (_card(root / name) or _NO_CARD for root in (base, head))
    excused = [{one.law: one.reason for one in card.known_violations} for card in (old, new)]
    unable = [{k for k, able in card.capabilities if not able} for card in (old, new)]
    edits = [
        Edit("model card", name, f"known violation of {law} added: {reason}")
        for law, reason in excused[1].items()
        if law not in excused[0]
    ]
    edits += [
        Edit("stricter", name, f"known violation of {law} removed")
        for law in excused[0]
        if law not in excused[1]
    ]
    edits += [Edit("model card", name, f"capability {k} taken back") for k in unable[1] - unable[0]]
    edits += [Edit("stricter", name, f"capability {k} added") for k in unable[0] - unable[1]]
    if old.level != new.level:
        levels = " → ".join(card.level or "not stated" for card in (old, new))
        edits.append(Edit("model card", name, f"level {levels}"))
    return edits


def _card(path: Path) -> CardFile | None:
    """A card; None for what is none, or is not in order, which the run says."""
    try:
        return load_checked(path, CardFile)[0] if path.suffix.lower() in (".yaml", ".yml") else None
    except MlffError:
        return None
