"""Each folder of `cases/` is one behaviour: a document, what is generated from it, and what its calls send.

`expected/` holds what a reviewer of a generated server reads. `calls.toml` lists calls, which go through the real
`mcp.Client` to the generated server as a subprocess, and on to an upstream that keeps every byte. Its keys:

    [server]      arguments, environment: how the server is started, with {upstream} and {port} replaced;
                  goldens: more files to compare
    [[call]]      tool, arguments (a table, or JSON text where TOML has no word for it, as for null)
      answer      status, headers, body or base64: what the upstream answers; answers: a list, one a request, of which
                  the last is repeated
      request     "METHOD target", or a table: line, headers (exact; false: must not be there), body (exact; none: no
                  body), lines (a body with CRLF ends) or base64; or false: nothing may be sent; requests: a list, in
                  order. NOW-10080m in a line is a date-time a week ago, to the minute
      result      is_error, text (exact, or a list of pieces), structured (exact, or false: none), kinds of content
"""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import os
import re
import sys
import tokenize
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from conftest import TESTS, Compare, place
from conftest import case as build_case
from mcp import Client, StdioServerParameters

CASES = sorted(p.name for p in (TESTS / "cases").iterdir() if p.is_dir())

GOLDENS = ["tools.json", "tools/*.py", "models/*.py"]
NOT_GOLDENS = ["tools/__init__.py", "tools/custom.py", "models/__init__.py"]


def calls(case: str) -> dict[str, Any]:
    path = TESTS / "cases" / case / "calls.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


# --- what is generated ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_output(case: str, golden: Compare) -> None:
    """What a reviewer sees is as it was; so is what was left out, and why."""
    folder = TESTS / "cases" / case
    made, files = build_case(case)
    patterns = GOLDENS + calls(case).get("server", {}).get("goldens", [])
    prefix = f"{made.package}/"
    texts = {}
    for name, text in files.items():
        short = name.removeprefix(prefix)
        if any(fnmatchcase(short, p) for p in patterns) and short not in NOT_GOLDENS:
            texts[short] = text
    if made.left_out:
        reasons = [f"{o.label}: {o.reason} (at {o.pointer})\n" for o in made.left_out]
        texts["left-out.txt"] = "".join(reasons)
    if made.notes:
        texts["notes.txt"] = "".join(f"{n}\n" for n in made.notes).replace(f"{folder.as_posix()}/", "")
    golden(folder / "expected", texts)


def test_hostile_texts_stay_texts() -> None:
    """No text of a document becomes code, a name, markup, or something that a reviewer cannot see."""
    _, files = build_case("hostile-text")
    for name, text in files.items():
        unseen = {c for c in text if not c.isprintable() and c != "\n"}
        assert not unseen, f"{name} holds {sorted(map(ascii, unseen))}"
        if name.endswith(".py"):
            ast.parse(text, name)
            tokens = tokenize.tokenize(BytesIO(text.encode()).readline)
            said = [t.string for t in tokens if t.type not in (tokenize.STRING, tokenize.COMMENT, tokenize.ENCODING)]
            assert "PWNED" not in said, name
        elif name.endswith(".json"):
            json.loads(text)
        elif name.endswith(".toml"):
            assert tomllib.loads(text)["project"]["scripts"]
        elif name.endswith(".md"):
            outside = re.sub(r"`[^`\n]*`", "", text)
            assert not re.search(r"<\w|(?<!\\)\]\(javascript:|^# Heading", outside, re.MULTILINE), name


# --- what is called ---------------------------------------------------------------------------------------------------


@dataclass
class Request:
    """A request as its bytes say; header names are in lower case, one that came twice has both values."""

    raw: bytes

    def __post_init__(self) -> None:
        head, _, self.body = self.raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            known = self.headers.get(name.lower())
            self.headers[name.lower()] = value if known is None else f"{known} AND {value}"


USUAL = {"headers": {"Content-Type": "application/json"}, "body": '{"ok":true}'}


class Upstream:
    """An API that answers as it is told, and keeps what it received."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[dict[str, Any]] = []
        self.url = ""

    def named(self, text: str) -> str:
        """Return `text` with this upstream's address in it."""
        return text.replace("{upstream}", self.url).replace("{port}", self.url.rpartition(":")[2])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append(Request(head + body))
                writer.write(self._answer())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self) -> bytes:
        stated = self.answers.pop(0) if len(self.answers) > 1 else next(iter(self.answers), USUAL)
        body = base64.b64decode(stated["base64"]) if "base64" in stated else stated.get("body", "").encode()
        lines = [f"HTTP/1.1 {stated.get('status', 200)} Said"]
        lines += [f"{name}: {self.named(value)}" for name, value in stated.get("headers", {}).items()]
        lines += ["" if stated.get("status") == 204 else f"Content-Length: {len(body)}\r\n"]
        return "\r\n".join(lines).encode() + b"\r\n" + body

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Upstream]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


@dataclass
class Record:
    """What one call came to."""

    requests: list[Request] = field(default_factory=list)
    result: Any = None
    error: str = ""


async def converse(case: str, folder: Path) -> list[Record]:
    """Build the server of a case, start it, make the calls one after another."""
    made, files = build_case(case)
    place(files, folder)
    stated = calls(case)
    server = stated.get("server", {})
    records = []
    async with Upstream().running() as upstream:
        arguments = server.get("arguments", ["--enable-write-tools", "--base-url", "{upstream}"])
        said = {k: upstream.named(v) for k, v in server.get("environment", {}).items()}
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", made.package, *map(upstream.named, arguments)],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **said},
            cwd=folder,
        )
        async with Client(parameters, mode="2026-07-28") as client:
            for call in stated["call"]:
                upstream.answers = list(call.get("answers", [call["answer"]] if "answer" in call else []))
                upstream.requests = []
                record = Record(upstream.requests)
                given = call.get("arguments", {})
                try:
                    given = json.loads(given) if isinstance(given, str) else given
                    record.result = await client.call_tool(call["tool"], given)
                except Exception as error:
                    record.error = f"{type(error).__name__}: {error}"
                records.append(record)
    return records


@pytest.fixture(scope="session")
def conversations(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], list[Record]]]:
    """The records of a case. Starting a server takes a second, so the next case's runs while one is looked at."""
    root = tmp_path_factory.mktemp("cases")
    mine = [i for i in request.session.items if i.path == Path(__file__) and i.originalname == "test_calls"]
    selected = [i.callspec.params["case"] for i in mine]

    def run(case: str) -> list[Record]:
        return asyncio.run(asyncio.wait_for(converse(case, root / case), 60))

    with ThreadPoolExecutor(2) as pool:
        futures: dict[str, Future[list[Record]]] = {case: pool.submit(run, case) for case in selected}
        yield lambda case: futures[case].result()
        for future in futures.values():
            future.cancel()


@pytest.mark.parametrize("case", [c for c in CASES if "call" in calls(c)])
def test_calls(case: str, conversations: Callable[[str], list[Record]]) -> None:
    """Every call sends exactly the request that the document describes, or is refused before there is one."""
    problems = []
    stated = calls(case)["call"]
    for number, (call, record) in enumerate(zip(stated, conversations(case), strict=True), 1):
        for problem in [*request_problems(call, record), *result_problems(call, record)]:
            problems.append(f"call {number}, {call['tool']} {call.get('arguments', '')}: {problem}")
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def request_problems(call: dict[str, Any], record: Record) -> Iterator[str]:
    """Yield how the requests differ from what the case wants."""
    wanted = call.get("requests", [call["request"]] if "request" in call else None)
    if wanted is None:
        return
    wanted = [w for w in wanted if w is not False]
    if len(record.requests) != len(wanted):
        sent = [f"{r.method} {r.target}" for r in record.requests]
        yield f"{len(sent)} requests were sent, not {len(wanted)}: {sent}; {record.error or text_of(record.result)}"
    for request, stated in zip(record.requests, wanted, strict=False):
        yield from differences(request, {"line": stated} if isinstance(stated, str) else stated)


def differences(sent: Request, wanted: dict[str, Any]) -> Iterator[str]:
    """Yield how one request differs from what the case wants."""
    line = f"{sent.method} {sent.target}"
    if "NOW" in wanted["line"]:
        line = re.sub(r"\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\dZ", from_now, line)
    if line != wanted["line"]:
        yield f"sent\n    {line}\n  not\n    {wanted['line']}"
    body = sent.body
    content_type = sent.headers.get("content-type", "")
    if boundary := re.search(r"boundary=(\S+)", content_type):
        body = body.replace(boundary[1].encode(), b"BOUNDARY")
        sent.headers["content-type"] = content_type.replace(boundary[1], "BOUNDARY")
    expected = "\r\n".join(wanted["lines"]) if "lines" in wanted else wanted.get("body", "")
    expected_bytes = base64.b64decode(wanted["base64"]) if "base64" in wanted else expected.encode()
    if body != expected_bytes:
        yield f"sent the body\n    {body!r}\n  not\n    {expected_bytes!r}"
    headers = {} if expected_bytes else {"content-type": False}
    for name, value in (headers | {k.lower(): v for k, v in wanted.get("headers", {}).items()}).items():
        found = sent.headers.get(name)
        if found != (None if value is False else value):
            yield f"sent the header {name}: {found!r}, not {value!r}"


def from_now(moment: re.Match[str]) -> str:
    """Return a date-time of a target as minutes from now; starting a server takes less than half a minute."""
    passed = datetime.fromisoformat(unquote(moment[0])) - datetime.now(UTC)
    return f"NOW{round((passed.total_seconds() + 25) / 60):+d}m" if abs(passed.days) < 31 else moment[0]


def result_problems(call: dict[str, Any], record: Record) -> Iterator[str]:
    """Yield how the result differs from what the case wants; a call that sends something succeeds unless it says so."""
    if record.error:
        if call.get("error", "\0") not in record.error:
            yield f"the call failed: {record.error}"
        return
    wanted = call.get("result", {})
    said = text_of(record.result)
    failing = wanted.get("is_error", call.get("request") is False)
    if bool(record.result.is_error) != failing:
        yield f"is_error is {record.result.is_error}: {said}"
    text = wanted.get("text", [])
    if isinstance(text, str) and said != text:
        yield f"the text is {said!r}, not {text!r}"
    for piece in text if isinstance(text, list) else ():
        if piece not in said:
            yield f"{piece!r} is not in the text {said!r}"
    if "structured" in wanted:
        stated = wanted["structured"]
        value = json.loads(stated) if isinstance(stated, str) else None if stated is False else stated
        if record.result.structured_content != value:
            yield f"structured content is {record.result.structured_content!r}, not {value!r}"
    if "kinds" in wanted and [c.type for c in record.result.content] != wanted["kinds"]:
        yield f"content is {[c.type for c in record.result.content]}"


def text_of(result: Any) -> str:
    return "\n".join(c.text for c in result.content if c.type == "text") if result is not None else ""
