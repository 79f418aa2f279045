"""Turns hand-written steps into a tool, because some tools are more than one operation.

A custom tool is a class like a generated one: its fields are the arguments, its docstring is the description. It calls
operations by their generated classes, so that an operation that changes breaks it where types are checked:

    report = await api.call(CreateStatusReport(title=self.title, page_id=self.page_id))
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic_core import to_jsonable_python

from .calls import ApiError, Calls
from .pages import parsed
from .service import Caller
from .tool import Call, Contract, InvalidArguments, Refused, Tool
from .upstream import Answer


@dataclass(frozen=True, slots=True)
class About:
    """What a custom tool says of itself beside its docstring: its title, its area, and the four hints of MCP.

    `area` is a module of tools, `custom` by default; `name` is the tool's, by default the class's in snake case.
    """

    title: str
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool = True
    area: str = "custom"
    name: str = ""


class Api:
    """The API as a custom tool calls it, with the credential of whoever called the tool."""

    def __init__(self, calls: Calls, contract: Callable[[type[Call]], Contract], caller: Caller) -> None:
        self._calls = calls
        self._contract = contract
        self._caller = caller

    async def call(self, tool: Tool) -> Any:
        """The value that an operation answers, None for an answer without a body; text where it is no JSON.

        Raises ApiError for a status that is no success, which becomes the tool's result unless it is caught; Refused
        when the arguments cannot be sent or no answer came.
        """
        contract = self._contract(type(tool))
        given = tool.model_dump(mode="json", by_alias=True, exclude_unset=True)
        try:
            answer = await self._calls.answer(contract, contract.check(given), self._caller)
        except InvalidArguments as error:  # not the tool's own, and something may have been sent before
            raise Refused(f"{contract.tool.__name__} was not sent: {'; '.join(error.problems)}") from None
        if not 200 <= answer.status < 300:
            raise ApiError(answer, contract.tool.__name__)
        value = parsed(answer)
        return value if value is not None or not answer.body else answer.body.decode("utf-8", "replace")

    async def context(self, path: str) -> Any:
        """The value at `name.path` of a context that mcpgen.toml declares. Raises Refused when there is none."""
        return await self._calls.context(path, self._caller)


class CustomTool(Call):
    """A tool written by hand. A subclass is the whole tool: documentation, arguments, and what it does."""

    ABOUT: ClassVar[About]

    async def run(self, api: Api) -> Any:
        """What the tool answers: a model, JSON, or a text. Raises what `Api.call` does, or Refused with a reason."""
        raise NotImplementedError


def answer_of(outcome: Any) -> Answer:
    """What a custom tool returned, as an answer of the API, so that one place makes results of both."""
    outcome = to_jsonable_python(outcome, by_alias=True)
    kind = "text/plain; charset=utf-8" if isinstance(outcome, str) else "application/json"
    text = outcome if isinstance(outcome, str) else json.dumps(outcome, ensure_ascii=False)
    return Answer("GET", "", 200, "OK", {"content-type": kind}, text.encode("utf-8", "surrogatepass"))
