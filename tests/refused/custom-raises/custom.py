"""It does something on import, and fails."""

from .._runtime import CustomTool

print("hello")
LIMIT = {}["limit"]
