"""What a server promises to those who call its tools, and how two such promises differ."""

from .changes import CLASSES, MEANING, Change, Class, Diff, Size, diff
from .facts import FACTS, LEFT_OUT, TOOLS, Contract, of_files, of_plan
from .schemas import SchemaChange, compare

__all__ = [
    "CLASSES",
    "FACTS",
    "LEFT_OUT",
    "MEANING",
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
