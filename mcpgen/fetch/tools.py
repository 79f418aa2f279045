"""Takes the list of tools from a live MCP endpoint, by the very server that will pass calls on to it.

The server runs in a process of its own with the caller's environment, so that its credential, its hosts and its limits
are those of every call, and mcpgen itself neither sees the credential nor opens a connection.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from ..plan import Plan
from ..problems import Problem, Rejected
from ..render import importable

__all__ = ["listed"]

_SECONDS = 120


def listed(plan: Plan) -> list[dict[str, Any]]:
    """Return what the endpoint of `plan` lists now. Errors: `Rejected` with what the server says of it."""
    with importable(plan) as folder:
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-P", "-m", plan.package, "--remote-tools"]
        try:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise Rejected([Problem(f"the MCP endpoint gave no list within {_SECONDS} seconds")]) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().removeprefix(f"{plan.name}: ")
        raise Rejected([Problem(f"the tools cannot be fetched: {said or 'the server ended without a word'}")])
    entries: list[dict[str, Any]] = json.loads(done.stdout)["tools"]
    return entries
