"""Findings as SARIF 2.1.0, which code scanners read: one rule for each effect, one result for each finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troth.libc.forecast.compare import BYPASS
from troth.libc.forecast.judge import BREAKS, DEGRADES, FALLS_BACK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troth.libc.forecast.compare import Finding, Forecast

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

# effect: identifier, level, what it says
_RULES = {
    BREAKS: ("breaks-on-upgrade", "error", "A function stops working after the upgrade."),
    BYPASS: ("bypassed-on-upgrade", "error", "What the filter refuses is let through after the upgrade."),
    DEGRADES: ("degrades-on-upgrade", "warning", "A function goes on with another result after the upgrade."),
    FALLS_BACK: ("falls-back-on-upgrade", "note", "A function has another way, and works."),
}


def document(foretold: Iterable[tuple[str, Forecast]], *, version: str) -> dict[str, object]:
    """Give a SARIF log of forecasts, each with what it is about; `version` is troth's."""
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(*one, version) for one in foretold]}


def _run(artefact: str, found: Forecast, version: str) -> dict[str, object]:
    rules = [
        {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": level}}
        for name, level, text in _RULES.values()
    ]
    return {
        "tool": {"driver": {"name": "troth forecast", "version": version, "rules": rules}},
        "automationDetails": {"id": f"troth-forecast/{artefact}"},
        "results": [_result(finding, artefact) for finding in found.findings],
        "properties": {"from": str(found.old or "none"), "to": str(found.new)},
    }


def _result(finding: Finding, artefact: str) -> dict[str, object]:
    name, level, _ = _RULES[finding.effect]
    function = finding.function + (f" ({finding.variant})" if finding.variant else "")
    since = f", since {finding.since}" if finding.since else ""
    answer = finding.answer or "ENOSYS by the kernel"
    text = f"{function}: {finding.call} is answered {answer}{since}: {finding.outcome}."
    if finding.fix is not None:
        text += f" Fix: {finding.fix.words}."
    return {
        "ruleId": name,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": artefact}}}],
        "partialFingerprints": {"finding/v1": f"{finding.maker}/{function}/{finding.call}/{finding.effect}"},
        "properties": {
            "evidence": list(finding.evidence),
            "calls": list(finding.calls),
            "everyUse": finding.every_use,
        },
    }
