"""What a server promises to those who call its tools, and how two such promises differ."""

from .changes import CLASSES, MEANING, Change, Class, Diff, Size, diff
from .facts import PARTS, TOOLS, Contract, of_files, of_plan
from .schemas import SchemaChange, compare

__all__ = [
    "CLASSES",
    "MEANING",
    "PARTS",
    "TOOLS",
    "Change",
    "Class",
    "Contract",
    "Diff",
    "SchemaChange",
    "Size",
    "compare",
    "diff",
    "of_files",
    "of_plan",
]
