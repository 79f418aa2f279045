"""How good a server is for a model and for those who answer for it: rules, what they find, and how programs read it."""

from .linter import lint
from .machine import as_json, as_sarif
from .rules import LEVELS, RULES, Finding, Level, Report, Rule

__all__ = ["LEVELS", "RULES", "Finding", "Level", "Report", "Rule", "as_json", "as_sarif", "lint"]
