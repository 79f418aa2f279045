"""What is published elsewhere, taken into `specs/<name>/`: a document with its files, the tools of an MCP endpoint."""

from .documents import Fetched, take, write
from .lock import LOCK
from .tools import listed

__all__ = ["LOCK", "Fetched", "listed", "take", "write"]
