"""What a server promises to those who call its tools, and how two such promises differ."""

from .changes import CLASSES, Change, Class, Diff, Size
from .schemas import SchemaChange, compare

__all__ = ["CLASSES", "Change", "Class", "Diff", "SchemaChange", "Size", "compare"]
