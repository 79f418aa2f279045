"""What is judged: a plan, where each of its words was written, and which lines would cure what.

The checks ask here for places and for lines of `mcpgen.toml`, and hand in what they find; what the configuration does
not want to hear of is taken out here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..config import Config, ToolConfig, locate
from ..names import named_tools, tool_name
from ..plan import SEARCHING, Argument, CustomTool, Plan, Tool, json_bytes
from ..problems import Problem, Rejected
from ..proxy import SNAPSHOT
from ..schemas import clean
from ..spec import Spec
from ..spec.source import Source, decode
from .places import Places
from .rules import RULES, Finding, Level

__all__ = ["AnyTool", "Server", "listed", "shown", "toml", "toml_key"]

AnyTool = Tool | CustomTool
At = str | Problem
"""A place: a pointer into the document, or a problem that has its file and line."""


class Server:
    """A planned server under judgement. Errors: `Rejected` for rules that [lint] names and that are none."""

    def __init__(self, plan: Plan, spec: Spec, config: Config) -> None:
        self.plan, self.spec, self.config = plan, spec, config
        self.places = Places(spec)
        self.sizes = {t.name: len(json_bytes(t.entry())) for t in plan.tools}
        """Of the entries in tools/list, in bytes."""
        self.tokens = (sum(self.sizes.values()) + len(self.sizes) + 1) // 4
        self.tools: list[AnyTool] = [t for t in plan.tools if not (isinstance(t, CustomTool) and t.module == SEARCHING)]
        """All but the one whose words are mcpgen's."""
        further: dict[str, dict[str, str]] = {}
        for key, stated in config.tools.items():
            if stated.operation:
                further.setdefault(stated.operation, {})[stated.name or tool_name(key)] = key
        self.labels: dict[str, str] = {}
        """What the configuration calls tools: their operations, or the key of a further tool on one."""
        for tool in plan.operations:
            label = tool.operation_id or f"{tool.method} {tool.path}"
            self.labels[tool.name] = further.get(label, {}).get(tool.name, label)
        self.ignored = 0
        self._used: set[str] = set()
        self._custom = str(Path(config.file).with_name("custom.py")) if config.file else "custom.py"
        snapshot = spec.path.with_name(SNAPSHOT)
        self._listing: Source | None = None
        if plan.endpoint and snapshot.is_file():
            self._listing = Source(str(snapshot), decode(snapshot))
            self._listing.parse(prefer_yaml=False)
        self._check_configuration()

    def _check_configuration(self) -> None:
        wrong = []
        for key, names in (("levels", self.config.lint.levels), ("ignore", self.config.lint.ignore)):
            for name in names:
                rule = name.partition(":")[0]
                if rule not in RULES:
                    close = get_close_matches(rule, RULES, 1)
                    hint = f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(RULES)
                    at = f"lint.levels.{name}" if key == "levels" else "lint.ignore"
                    wrong.append(self.config.problem(at, f"there is no rule {rule!r}", hint))
        if wrong:
            raise Rejected(wrong)

    # -- findings ------------------------------

    def wanted(self, rule: str, tools: Iterable[str]) -> list[str]:
        """Return the tools for which a finding is not ignored; a finding without any is counted as ignored."""
        kept = []
        for tool in tools:
            entries = [e for e in (rule, f"{rule}:{tool}") if e in self.config.lint.ignore]
            self._used.update(entries)
            if not entries:
                kept.append(tool)
        self.ignored += not kept
        return kept

    def unused(self) -> list[str]:
        """Return the entries of `ignore` that nothing matched."""
        return [e for e in self.config.lint.ignore if e not in self._used]

    def finding(
        self,
        rule: str,
        at: At,
        message: str,
        cure: str,
        tools: Iterable[str] = (),
        argument: str = "",
        *,
        subject: str = "",
        level: Level | None = None,
    ) -> Iterator[Finding]:
        """Yield a finding unless it is ignored; `level` is its usual one, where that is not the rule's."""
        kept = self.wanted(rule, list(tools) or [""])
        if not kept:
            return
        place = Problem("", at) if isinstance(at, str) else at
        problem = replace(place, message=message, hint=cure)
        settled = self.config.lint.levels.get(rule) or level or RULES[rule].level
        subject = subject or f"{self.labels.get(kept[0], kept[0])} {argument}".strip()
        yield Finding(rule, settled, problem, tuple(t for t in kept if t), argument, subject)

    def located(self, problem: Problem) -> Problem:
        """Return a problem with file, line and column."""
        if not problem.pointer or problem.file:
            return problem
        if self._listing is not None:
            return self._listing.problem_at(problem.message, problem.pointer, hint=problem.hint)
        return self.spec.located(problem)

    # -- places ------------------------------

    def stated(self, tool: AnyTool) -> ToolConfig:
        return self.config.tools.get(self.labels.get(tool.name, ""), ToolConfig())

    def at(self, tool: AnyTool, key: str = "") -> At:
        """Return the place of a tool; with a `key` of its table that says something, the place of that."""
        if key and getattr(self.stated(tool), key):
            return self.config.problem(f"tools.{self.labels[tool.name]}.{key}", "")
        if isinstance(tool, Tool):
            return tool.pointer
        found = re.search(rf"^class {tool.class_name}\b", self.plan.custom_source, re.MULTILINE)
        line = self.plan.custom_source.count("\n", 0, found.start()) + 1 if found else 0
        return Problem("", file=self._custom, line=line, column=1 if line else 0)

    def worded(self, tool: AnyTool, argument: Argument) -> str:
        """Return the key of the configuration that has an argument's words; empty where the document has them."""
        tables = [(f"tools.{self.labels.get(tool.name, '')}.arguments", self.stated(tool).arguments)]
        tables += [(f"tags.{tag}.descriptions", table.descriptions) for tag, table in self.config.tags.items()]
        tables.append(("arguments.descriptions", self.config.arguments.descriptions))
        for key, texts in tables:
            for name, text in texts.items():
                if text and argument.description.startswith(clean(named_tools(text))):
                    return f"{key}.{name}"
        return ""

    # -- cures ------------------------------

    def table(self, tool: AnyTool, *lines: str) -> str:
        """Return lines under the table of a tool, for mcpgen.toml."""
        if isinstance(tool, CustomTool):
            return f"say it in {self._custom}, class {tool.class_name}"
        label = self.labels[tool.name]
        line = locate(self.config.text, f"tools.{label}") if label in self.config.tools else 0
        header = f"[tools.{toml_key(label)}]" + (f"  # is there already, in line {line}" if line else "")
        return "\n".join([header, *lines])

    def fix(self, pointer: str, *lines: str) -> str:
        """Return a correction of the document, for mcpgen.toml."""
        return "\n".join(["[[fix]]", f"at = {toml(self.spec.written(pointer))}", *lines, 'why = "…"'])


def toml(value: Any) -> str:
    """Return a text, or a list of texts, as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else toml(text)


def shown(text: str, most: int = 120) -> str:
    """Return a text of the document in quotation marks and on one line, cut if it is long."""
    flat = " ".join(text.split())
    return json.dumps(flat if len(flat) <= most else f"{flat[: most - 1]}…", ensure_ascii=False)


def listed(names: list[str]) -> str:
    """Return names in a sentence, of many the first."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3:,} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"
