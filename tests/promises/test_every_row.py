"""Every row of the checklist that a generator can keep has a test here, over both transports where there is a choice.

The rows are those of seeds/checklist.md, 99 of them; what is known of them is written down here too, so that this holds
without the seeds. A test's name begins with the rows that it is about: `test_sp_04_and_sp_05_…`.
"""

from __future__ import annotations

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest

from .harness import OPENSTATUS, STATUSPAL, XITORING, Readme

HERE = Path(__file__).parent
WHO = {
    "OS": "G G G C UG C C C C GC G G C G H H C C G G G G G D G G",
    "SP": "GC G G U G G G G UG G G G C D D G G",
    "XI": "G GC C C G D G G G D G G U G G",
    "PR": "G G GC G G G G G G G G D G",
    "PL": "CH G G G C C C C C C GC G G G D G G G H HC H G G G G G G G",
}
"""Who can keep each row: the generator, a line of configuration, a hand-written tool, documentation, or the backend."""
ROWS = {f"{section}-{number}": who for section, said in WHO.items() for number, who in enumerate(said.split(), 1)}
WAITING = {
    "SP-6": "the login page for web assistants: OAuth endpoints and a page with a field for the key come with hosting",
    "SP-7": "the key sealed in the connection's token: there is no such token before there is a login page",
}
"""Rows that are not kept yet, and why."""
BACKEND = {
    "OS-5": (OPENSTATUS, "Changes are written to the audit log of the workspace"),
    "SP-4": (STATUSPAL, "the server acts on the status pages that the key may see"),
    "SP-9": (STATUSPAL, "Revoking a key in the settings of StatusPal Next cuts off access with the next call"),
    "XI-13": (XITORING, "Revoking a key at Xitoring ends its access at once"),
}
"""Rows that only the vendor's backend can keep, and what the README says of them."""
ONE_WAY = {
    "OS-1": "is about HTTP",
    "OS-2": "is about callers, whom only HTTP has; the environment's key is tested over stdio",
    "OS-3": "is about HTTP; over stdio the server does not start",
    "OS-11": "is about the build",
    "OS-24": "is a text",
    "SP-10": "is about browsers, which speak HTTP",
    "SP-14": "is a text",
    "SP-15": "is a text",
    "XI-1": "is about HTTP",
    "XI-10": "is a text",
    "PR-1": "is about the build",
    "PR-12": "is a text",
    "PR-13": "is about the build",
    "PL-12": "is about stdio",
    "PL-13": "is a text",
    "PL-14": "is about the package",
    "PL-15": "is a text",
    "PL-28": "is about the tests of the project",
}
"""Rows for which one transport is enough, or none, and why."""
BOTH = {"server", "talk", "ask", "records"}
"""Fixtures that come over each transport."""


@cache
def claims() -> dict[str, list[tuple[set[str], str]]]:
    """Return the tests of each row: the fixtures that it takes, and its text."""
    found: dict[str, list[tuple[set[str], str]]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            lines = text.splitlines()[
                min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1 : node.end_lineno
            ]
            named = re.match(r"test_((?:[a-z]{2}_\d\d_(?:and_)?)+)", node.name)
            for section, number in re.findall(r"([a-z]{2})_(\d\d)_", named[1]) if named else ():
                row = f"{section.upper()}-{int(number)}"
                found.setdefault(row, []).append(({a.arg for a in node.args.args}, "\n".join(lines)))
    return found


def test_the_checklist_is_the_one_that_is_known() -> None:
    corpus = os.environ.get("MCPGEN_CORPUS", "")
    checklist = Path(corpus).parent / "seeds" / "checklist.md"
    if not corpus or not checklist.is_file():
        pytest.skip("MCPGEN_CORPUS has no ../seeds/checklist.md: the rows are NOT compared with the checklist itself")
    rows = {}
    for line in checklist.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if re.fullmatch(r"(OS|SP|XI|PR|PL)-\d+", cells[0]):
            rows[cells[0]] = "".join(re.findall(r"\b[GCHDU]\b", cells[3]))
    assert rows == ROWS


def test_there_are_99_rows() -> None:
    assert len(ROWS) == 99
    assert set("".join(ROWS.values())) == set("GCHDU")


@pytest.mark.parametrize("row", [row for row, who in ROWS.items() if set(who) - {"U"} and row not in WAITING])
def test_a_row_is_tested(row: str) -> None:
    found = claims().get(row, [])
    assert found, f"no test is about {row}"
    text = "".join(text for _, text in found)
    both = any(fixtures & BOTH for fixtures, _ in found) or ('"stdio' in text and '"http' in text)
    assert both or row in ONE_WAY, "it is tested over one transport, and nothing is said of why"


def test_no_test_is_about_a_row_that_is_not_there() -> None:
    assert claims().keys() <= ROWS.keys()


@pytest.mark.parametrize("row", [row for row, who in ROWS.items() if "U" in who])
def test_a_promise_of_the_backend_is_named_in_the_readme(row: str) -> None:
    vendor, words = BACKEND[row]
    assert words in " ".join(Readme(vendor).section("What the service itself keeps").split())


def test_what_waits_says_so() -> None:
    """In the README of the server too; it is for the hosting issue, and no test claims it."""
    assert not WAITING.keys() & claims().keys()
    security = Readme(STATUSPAL).section("Security")
    assert "The login page for web assistants, which seals a key in the connection, is not part of" in security
