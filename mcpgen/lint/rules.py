"""The rules of the linter, and what one of them finds: a `Finding`, in a `Report` on one server.

Error is what breaks a client or endangers a user, warning what a model is likely to get wrong, note what is worth
knowing.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from ..problems import Problem

__all__ = ["LEVELS", "RULES", "Finding", "Level", "Report", "Rule", "fingerprints"]

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""Gravest first."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for. `about` says what, `why` why it matters, `cure` what helps: a sentence each."""

    id: str
    level: Level
    about: str
    why: str
    cure: str
    security: bool = False


RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "hidden-text",
            "error",
            "A text of the document has characters or a comment that people do not see.",
            "Whoever reviews the document does not see it, and a model may obey it.",
            "Remove what is hidden from the document, and ask who put it there.",
            security=True,
        ),
        Rule(
            "instruction-like-text",
            "error",
            "A text of the document gives orders to the model instead of describing the API.",
            "Every model that loads the tool reads it as if you had said it, whether or not the tool is called.",
            "Remove the order from the document, or replace the text in mcpgen.toml.",
            security=True,
        ),
        Rule(
            "token-budget",
            "error",
            "The entries of tools/list are large, or larger than [budget] allows.",
            "Many clients load all of them into every conversation, before the first question.",
            "Select operations under [include], serve toolsets, or offer a search instead of everything.",
        ),
        Rule(
            "tool-budget",
            "error",
            "There are more tools than a model keeps apart, or than [budget] allows.",
            "Models choose worse among more than 30 to 50 tools, and some clients take 40, or 128.",
            "Select operations under [include], or serve them as toolsets.",
        ),
        Rule(
            "name-too-long",
            "error",
            "The name of a tool passes 64 characters once a client has put the server's name before it.",
            "Clients call it mcp__<server>__<tool>, and the APIs of some models refuse every tool with such a name.",
            "Give the server or the tool a shorter name.",
        ),
        Rule(
            "unused-ignore",
            "error",
            "An entry of `ignore` under [lint] matches nothing.",
            "What it was written for is gone, and it would hide the next finding of that kind.",
            "Take the entry out.",
        ),
        Rule(
            "left-out-operation",
            "warning",
            "An operation is no tool, because the document is defective.",
            "The model cannot do what the API can.",
            "Correct the document with a [[fix]], or exclude the operation.",
        ),
        Rule(
            "uncertain-annotation",
            "warning",
            "What a tool does to data is guessed from weak evidence, or contradicted by its own words.",
            "Clients ask the user, or do not, by these hints: a wrong one asks for nothing, or destroys unasked.",
            "State the annotations in mcpgen.toml.",
        ),
        Rule(
            "missing-description",
            "warning",
            "The document does not say what a tool does.",
            "A model chooses tools by their descriptions.",
            "Describe the operation, or the tool in mcpgen.toml.",
        ),
        Rule(
            "near-duplicate",
            "warning",
            "Tools cannot be told apart by their names, or by their descriptions.",
            "A model picks one of them by chance.",
            "Exclude all but one, or say in each description what sets it apart.",
        ),
        Rule(
            "enum-without-meaning",
            "warning",
            "An argument takes one of several codes, and nothing says what they mean.",
            "A model has to guess which code the user means.",
            "Say in the description what each value means, or give the values names.",
        ),
        Rule(
            "undocumented-argument",
            "warning",
            "An argument has no description.",
            "A model fills it by its name alone, and invents formats and ids.",
            "Describe the parameter or property, or the argument in mcpgen.toml.",
        ),
        Rule(
            "example-violates-schema",
            "warning",
            "An example or a default does not fit its own schema.",
            "One of the two is wrong; if it is the schema, the tool refuses calls that the API accepts.",
            "Correct the one that is wrong with a [[fix]].",
        ),
        Rule(
            "many-arguments",
            "warning",
            "A tool has more arguments than a model keeps apart.",
            "Models leave out or mix up arguments, and each costs tokens in every conversation.",
            "Offer the ones that matter with `only`, or hide the others.",
        ),
        Rule(
            "deep-input",
            "warning",
            "An argument is nested deeply, or its schema is large.",
            "Models get deeply nested objects wrong, and clients cut or refuse large schemas.",
            "Hide the argument, pin parts of it, or offer a flatter tool in custom.py.",
        ),
        Rule(
            "large-tool",
            "warning",
            "One tool takes a large part of tools/list.",
            "It is paid for in every conversation, whether or not it is called.",
            "Hide arguments, or lower schema_bytes under [limits].",
        ),
        Rule(
            "tautological-description",
            "note",
            "The description of a tool only repeats its name.",
            "It costs tokens and tells the model nothing that the name does not.",
            "Say what comes back, what is changed, and when another tool is the right one.",
        ),
        Rule(
            "undocumented-property",
            "note",
            "A property inside an argument has no description.",
            "A model fills it by its name alone.",
            "Describe the property in the document, or with a [[fix]].",
        ),
        Rule(
            "deprecated-tool",
            "note",
            "A deprecated operation is a tool, and nothing says what replaces it.",
            "A model prefers what works over what is new, and cannot know what is.",
            "Exclude it, or name its successor in the description.",
        ),
    )
}
"""By id, the most important first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found at one place: in one tool, or in all that share the place.

    `problem` says what, where, and in its hint the lines that cure it; a place in the document is a pointer alone,
    until `Report.located` looks up its line.
    """

    rule: str
    level: Level
    problem: Problem
    tools: tuple[str, ...] = ()
    """The tools that it is about, the one that the message names first; empty for the whole server."""
    argument: str = ""
    """The path of an argument: `incident.assignments[].assignee`."""
    subject: str = ""
    """What it is about, in a form that outlives edits elsewhere in the document."""


@dataclass(frozen=True)
class Report:
    """All that was found in one server, the most important first."""

    name: str
    document: str
    tools: int
    tokens: int
    """What all entries of tools/list cost: a quarter of their UTF-8 bytes."""
    findings: tuple[Finding, ...]
    ignored: int
    """How many findings the configuration does not want to see."""
    located: Callable[[Problem], Problem] = field(repr=False, compare=False)
    """Gives a finding's problem its file, line and column; costs time, so only what is shown is located."""

    @cached_property
    def counts(self) -> dict[Level, int]:
        found = Counter(f.level for f in self.findings)
        return {level: found[level] for level in LEVELS}

    def reaches(self, level: Level) -> bool:
        """Tell whether a finding is of that level or a graver one."""
        return any(self.counts[each] for each in LEVELS[: LEVELS.index(level) + 1])


def fingerprints(report: Report) -> list[str]:
    """Return for each finding a digest by which a later run knows it again, wherever its lines have moved to."""
    seen: Counter[str] = Counter()
    found = []
    for finding in report.findings:
        named = finding.subject or re.sub(r"\d+", "", finding.problem.message)
        said = "\0".join((report.name, finding.rule, named))
        digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        seen[digest] += 1
        found.append(f"{digest}:{seen[digest]}")
    return found
