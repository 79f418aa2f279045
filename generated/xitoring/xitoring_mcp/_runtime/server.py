"""Turns a service and its enabled tools into an MCP server, because the SDK leaves policy and validation to us.

`tools/list` is answered from tools.json as it stands, page by page, so the number of tools costs next to nothing at
start; a tool's Python module is imported on its first call.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import anyio
import mcp.types as t
from mcp import MCPError
from mcp.server import CacheHint, Server, ServerRequestContext

from .answers import conforming, refusal, result_of
from .calls import ApiError, Calls, way_on
from .consent import consent
from .custom import Api, CustomTool, answer_of
from .http import caller_of
from .proxy import Remote, only_reads
from .service import Caller, ConfigurationError, Settings
from .tool import RESULT_LIMIT, Call, Contract, InvalidArguments, ProxiedTool, Refused, shorten, suggestion
from .upstream import Answer, Client

logger = logging.getLogger(__name__)

_LIST_FRESH_MS = 300_000
_BETWEEN_ENTRIES = b"\n},\n{\n"


def load_tool(package: str, place: str) -> type[Call]:
    """The class at `module:class` below the package's `tools`."""
    # Pydantic builds the models of a query language (Elasticsearch's) 2,000 calls deep.
    sys.setrecursionlimit(max(4_000, sys.getrecursionlimit()))
    module, _, name = place.partition(":")
    return cast(type[Call], getattr(importlib.import_module(f"{package}.tools.{module}"), name))


class Entries(Mapping[str, dict[str, Any]]):
    """The entries of tools.json by name, each of them read when it is asked for.

    Reading all of a large API's takes longer than starting: Microsoft Graph's 11,422 have 45 MB. `data` is laid out as
    mcpgen writes it, an entry starting and ending with a brace at the start of a line, sorted as `names` are.
    """

    def __init__(self, data: bytes, names: Iterable[str], enabled: Iterable[str]) -> None:
        found: dict[str, tuple[int, int]] = {}
        start, last = data.find(b"[\n{\n") + 4, data.rfind(b"\n}\n]}")
        for name in sorted(names):
            end = data.find(_BETWEEN_ENTRIES, start)
            found[name] = (start, last if end < 0 else end)
            start = found[name][1] + len(_BETWEEN_ENTRIES)
        if found and start != last + len(_BETWEEN_ENTRIES):
            raise ConfigurationError("tools.json is not the one of this package; install it again")
        self._data = data
        self._places = {name: found[name] for name in sorted(enabled)}
        self._read: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self._read:
            start, end = self._places[name]
            entry = json.loads(b"{" + self._data[start:end] + b"}")
            if entry["name"] != name:
                raise ValueError(f"tools.json has {entry['name']} where {name} should be; install the package again")
            self._read[name] = entry
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def pages(self, size: int = 1_500_000) -> list[list[str]]:
        """The names in pages whose entries have about `size` bytes."""
        pages: list[list[str]] = [[]]
        room = size
        for name, (start, end) in self._places.items():
            if room < end - start and pages[-1]:
                pages.append([])
                room = size
            pages[-1].append(name)
            room -= end - start
        return pages


class ToolServer:
    """The MCP handlers of one process.

    `tools` are the entries of tools.json that are enabled, `hidden` the names of the others, `places` tells where
    each tool's class is, `timeout` is the time for one call in seconds, `result_limit` what a result may hold of an
    answer in characters, `pages` the names that each page of tools/list has (all on one by default), `asking` whether
    the user is asked before a tool that may change something.
    """

    def __init__(
        self,
        settings: Settings,
        tools: Mapping[str, dict[str, Any]],
        hidden: Mapping[str, str],
        places: Mapping[str, str],
        timeout: float,
        result_limit: int = RESULT_LIMIT,
        pages: Sequence[Sequence[str]] = (),
        asking: bool = False,
    ) -> None:
        self._settings = settings
        self._result_limit = result_limit
        self._asking = asking
        self._tools = tools
        self._hidden = hidden
        self._places = places
        self._contracts: dict[str, Contract] = {}
        self._client = Client(settings, timeout)
        package = settings.service.package
        self._calls = Calls(settings, self._client, lambda place: load_tool(package, place), result_limit)
        self._remote = Remote(settings, self._client, timeout)
        self._prepared = False
        self._pages = {("" if index == 0 else page[0]): page for index, page in enumerate(pages or [list(tools)])}

    def server(self) -> Server[None]:
        """The SDK's server with these handlers; it closes the HTTP client when it ends."""
        service = self._settings.service
        return Server(
            service.name,
            version=service.version,
            title=service.title,
            instructions=service.instructions or None,
            lifespan=self._lifespan,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            cache_hints={"tools/list": CacheHint(ttl_ms=_LIST_FRESH_MS, scope="public")},
            get_tool_input_schema=self._input_schema,
        )

    @asynccontextmanager
    async def _lifespan(self, server: Server[None]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._remote.aclose()
            await self._client.aclose()

    def _input_schema(self, name: str) -> dict[str, Any] | None:
        tool = self._tools.get(name)
        return None if tool is None else tool["inputSchema"]

    async def list_tools(
        self, ctx: ServerRequestContext[None], params: t.PaginatedRequestParams | None
    ) -> t.ListToolsResult:
        """A page of the enabled tools; the cursor is the name of its first one."""
        cursor = (params.cursor if params is not None else None) or ""
        if cursor not in self._pages:
            raise MCPError(code=t.INVALID_PARAMS, message="unknown cursor: ask for the list from its beginning")
        if not self._prepared:  # while the model reads the list, not while it waits for it or for its first call
            self._prepared = True
            loop = asyncio.get_running_loop()
            loop.call_later(0.02, loop.run_in_executor, None, self._prepare)
        # Ready-made in wire form; the SDK takes a dictionary as it takes its own type.
        listing: dict[str, Any] = {"tools": [self._tools[n] for n in self._pages[cursor]], "resultType": "complete"}
        starts = list(self._pages)
        if starts[-1] != cursor:
            listing["nextCursor"] = starts[starts.index(cursor) + 1]
        return cast(t.ListToolsResult, listing)

    def _prepare(self) -> None:
        self._client.prepare()
        importlib.import_module("jsonschema")  # what checks the keywords that no class can say

    async def call_tool(
        self, ctx: ServerRequestContext[None], params: t.CallToolRequestParams
    ) -> t.CallToolResult | t.InputRequiredResult:
        """The result of a tool. Whatever goes wrong becomes a result that the model can act on.

        Raises MCPError for a tool that does not exist or is switched off (-32602), and for an answer of the API with a
        status that the service has among the errors of the protocol.
        """
        name = params.name
        if name not in self._tools:
            raise MCPError(code=t.INVALID_PARAMS, message=self._unknown(name))
        try:
            contract = self._contract(name)
            arguments = contract.check(params.arguments or {})
            if self._asking and not only_reads(self._tools[name]):
                title = f"{self._settings.service.title}, {self._tools[name].get('title') or name}"
                if (question := await consent(ctx, params, title, arguments, self._settings.mask)) is not None:
                    return question
            caller = replace(caller_of(ctx), deadline=anyio.current_time() + self._client.timeout)
            if issubclass(contract.tool, ProxiedTool):
                passed = await self._remote.call(contract.tool.REMOTE, self._tools[name], arguments, caller)
                if not isinstance(passed, Answer):
                    return passed
                answer = passed
            else:
                answer = await self._answer(name, contract, arguments, caller)
            errors = self._settings.service.errors
            result = result_of(answer, self._settings.mask, self._result_limit, way_on(contract), errors)
            return conforming(result, self._tools[name].get("outputSchema"))
        except MCPError:
            raise
        except InvalidArguments as error:
            lines = "\n".join(f"- {problem}" for problem in error.problems)
            return refusal(self._settings.mask(f"Invalid arguments for {name}, nothing was sent:\n{lines}"))
        except Refused as error:
            return refusal(self._settings.mask(f"{name}: {error}"))
        except Exception:
            logger.exception("tool %s failed", name)
            return refusal(f"{name}: internal error in the server, not in your arguments; the operator finds it logged")

    async def _answer(self, name: str, contract: Contract, arguments: dict[str, Any], caller: Caller) -> Answer:
        if not issubclass(contract.tool, CustomTool):
            return await self._calls.answer(contract, arguments, caller)
        tool = contract.tool.model_validate(arguments)
        try:
            return answer_of(await tool.run(Api(self._calls, self._operation, replace(caller, tool=name))))
        except ApiError as error:
            return error.answer

    def _operation(self, tool: type[Call]) -> Contract:
        """The contract of an operation that a custom tool calls; the class is all that says what it accepts."""
        key = f"{tool.__module__}:{tool.__name__}"
        if key not in self._contracts:
            self._contracts[key] = Contract(tool, {})
        return self._contracts[key]

    def _contract(self, name: str) -> Contract:
        if name not in self._contracts:
            tool = load_tool(self._settings.service.package, self._places[name])
            self._contracts[name] = Contract(tool, self._tools[name]["inputSchema"])
        return self._contracts[name]

    def _unknown(self, name: str) -> str:
        shown = shorten(name, 100).encode("ascii", "backslashreplace").decode()
        if name in self._hidden:
            return f"tool '{shown}' is switched off: {self._hidden[name]}"
        return f"unknown tool '{shown}'; {suggestion(name, self._tools) or 'tools/list names all of them'}"
