"""Turns reports into what other programs read: JSON of our own, and SARIF 2.1.0 for code scanning.

Both are pure ASCII, so that no text of a document reaches a terminal or an editor as anything but text.

The JSON is stable: `{"version": 1, "servers": […], "rules": {…}}`. A server has name, document, tools, tokens, counts
(error, warning, note), ignored and findings; a finding has rule, level, message, cure, tools, argument, file, line,
column, pointer and fingerprint; a rule, by its id, has level, about, why and cure. What is not known is "" or 0. Later
versions may add members; they take none away, and give none another meaning, without another `version`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .. import __version__
from .rules import LEVELS, RULES, Finding, Report, Rule, fingerprints

__all__ = ["as_json", "as_sarif"]

MOST_RESULTS = 5_000
"""GitHub shows as many of a run (SARIF support for code scanning, "Validating your SARIF file")."""


def as_json(reports: Sequence[Report]) -> str:
    """Return all findings as JSON."""
    servers = [
        {
            "name": report.name,
            "document": report.document,
            "tools": report.tools,
            "tokens": report.tokens,
            "counts": report.counts,
            "ignored": report.ignored,
            "findings": [_finding(report, f, d) for f, d in zip(report.findings, fingerprints(report), strict=True)],
        }
        for report in reports
    ]
    rules = {r.id: {"level": r.level, "about": r.about, "why": r.why, "cure": r.cure} for r in RULES.values()}
    return json.dumps({"version": 1, "servers": servers, "rules": rules}, indent=1) + "\n"


def _finding(report: Report, finding: Finding, fingerprint: str) -> dict[str, Any]:
    problem = report.located(finding.problem)
    return {
        "rule": finding.rule,
        "level": finding.level,
        "message": problem.message,
        "cure": problem.hint,
        "tools": list(finding.tools),
        "argument": finding.argument,
        "file": Path(problem.file).as_posix() if problem.file else "",
        "line": problem.line,
        "column": problem.column,
        "pointer": problem.pointer,
        "fingerprint": fingerprint,
    }


def as_sarif(reports: Sequence[Report], root: Path) -> str:
    """Return the gravest findings as SARIF; `root` is the folder of the repository, to which paths are relative."""
    order = {rule: number for number, rule in enumerate(RULES)}
    found = [(r, f, d) for r in reports for f, d in zip(r.findings, fingerprints(r), strict=True)]
    found.sort(key=lambda e: (LEVELS.index(e[1].level), order[e[1].rule]))
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "mcpgen lint",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in RULES.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(r, f, d, order[f.rule], root) for r, f, d in found[:MOST_RESULTS]],
    }
    if (left := len(found) - MOST_RESULTS) > 0:
        said = f"{left:,} findings more, none of them graver; `mcpgen lint --format json` has all"
        notice = {"level": "warning", "message": {"text": said}}
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": [notice]}]
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    properties: dict[str, Any] = {"problem.severity": {"note": "recommendation"}.get(rule.level, rule.level)}
    properties |= {"tags": ["mcp", "security"], "security-severity": "7.0"} if rule.security else {"tags": ["mcp"]}
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.about},
        "fullDescription": {"text": f"{rule.about} {rule.why}"},
        "help": {
            "text": f"{rule.about} {rule.why} {rule.cure}",
            "markdown": f"{rule.about}\n\n**Why:** {rule.why}\n\n**Cure:** {rule.cure}",
        },
        "defaultConfiguration": {"level": rule.level},
        "properties": properties,
    }


def _result(report: Report, finding: Finding, fingerprint: str, index: int, root: Path) -> dict[str, Any]:
    problem = report.located(finding.problem)
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": _artifact(problem.file or report.document, root),
            # What is nowhere in particular is shown at the top.
            "region": {"startLine": problem.line or 1, "startColumn": problem.column or 1},
        }
    }
    if problem.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.pointer}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.level,
        "message": {"text": _unlinked(f"{problem.message}\n\n{problem.hint}" if problem.hint else problem.message)},
        "locations": [location],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
    }


def _artifact(file: str, root: Path) -> dict[str, str]:
    path = Path(file).resolve()
    if path.is_relative_to(root):
        return {"uri": quote(path.relative_to(root).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.as_uri()}


def _unlinked(text: str) -> str:
    """Return a message in which nothing is a link (SARIF 2.1.0, 3.11.6); brackets that are none stay as they are."""
    return text.replace("](", "] (")
