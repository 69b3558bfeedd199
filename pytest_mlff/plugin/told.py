"""Who the models are: the worker that opened them tells the controller, which opens none."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from pytest_mlff.run.session import Session

_ATTRIBUTE = "mlff_models"


def tell_models(session: Session, report: pytest.TestReport) -> None:
    """In a worker, hang on the report of a call what its models are."""
    if report.when != "call":
        return
    infos = session.evaluation.models.infos
    told: dict[str, Any] = {
        "warnings": list(session.warnings),
        "models": [
            [
                session.options.models.index(source),
                variant,
                {
                    **asdict(info),
                    "versions": dict(info.versions),
                    "capabilities": dict(info.capabilities),
                },
            ]
            for (source, variant), info in infos.items()
        ],
    }
    setattr(report, _ATTRIBUTE, told)


def hear_models(session: Session, report: pytest.TestReport) -> list[str]:
    """In the controller, take that off the report: lines on new models, and what to warn of."""
    from pytest_mlff.potentials.protocol import PotentialInfo
    from pytest_mlff.run.report import model_line

    told = report.__dict__.pop(_ATTRIBUTE, None)
    if told is None:
        return []
    models, lines = session.evaluation.models, []
    for index, variant, content in told["models"]:
        species = content["species"]
        info = PotentialInfo(**{**content, "species": None if species is None else tuple(species)})
        key = (session.options.models[index], variant)
        if key not in models.told:
            lines.append(model_line(info))
        models.told[key] = info
    new = [one for one in told["warnings"] if one not in session.warnings]
    session.warnings.extend(new)
    return lines + [f"warning: {one}" for one in new]
