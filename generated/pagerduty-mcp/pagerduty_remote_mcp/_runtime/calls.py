"""Turns checked arguments into an answer of the API, because between the two a model's view is not the API's.

What the arguments leave out is filled in, a list is read page by page as far as it is wanted, and of an answer only
what was asked for is passed on. What an operation says of all that is in its `Operation`.
"""

from __future__ import annotations

import copy
import hmac
import importlib
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import anyio

from .pages import Pages, at, parsed
from .service import Caller, Settings
from .tool import (
    RESULT_LIMIT,
    Argument,
    Call,
    Context,
    Contract,
    Cookie,
    Header,
    Local,
    Marker,
    Now,
    Operation,
    Paging,
    Path,
    Refused,
    Tool,
    shorten,
)
from .upstream import Answer, Client, Unanswered
from .values import dump
from .wire import build, text_of

_CONTEXTS_KEPT = 256
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STEPS = re.compile(r"[^.\[\]]+|\[\]")
_NO_HEADER_VALUE = re.compile(r"[\x00-\x1f\x7f]")


class ApiError(Refused):
    """An answer of the API that is no success; the tool result says so unless a custom tool knows better."""

    def __init__(self, answer: Answer, operation: str) -> None:
        super().__init__(f"{operation} answered {answer.status} {answer.reason}".strip())
        self.answer = answer
        self.status = answer.status


class Calls:
    """Calls operations for whoever calls this server.

    `load` gives the class at a place such as `incidents:ListIncidents`; `result_limit` is what a result may hold.
    """

    def __init__(
        self,
        settings: Settings,
        client: Client,
        load: Callable[[str], type[Call]],
        result_limit: int = RESULT_LIMIT,
    ) -> None:
        self._settings = settings
        self._client = client
        self._load = load
        self._result_limit = result_limit
        self._contexts: OrderedDict[tuple[str, bytes], Answer] = OrderedDict()
        self._asking: dict[tuple[str, bytes], anyio.Event] = {}
        self._secret = secrets.token_bytes(32)

    async def answer(self, contract: Contract, arguments: Mapping[str, Any], caller: Caller) -> Answer:
        """The API's answer to a tool's arguments, which `contract` has checked, reduced to what is passed on.

        Raises Refused when nothing can be sent, or when no complete answer came.
        """
        operation = _operation(contract)
        bindings, given = await self._prepared(contract, operation, arguments, caller)
        if operation.paging is not None:
            return await self._pages(operation, operation.paging, bindings, given, caller)
        answer = await self._send(operation, bindings, given, caller)
        return _reduced(operation, answer, arguments)

    async def context(self, path: str, caller: Caller) -> Any:
        """The value at `name.path` of a context. Raises Refused when its operation fails or has no such value."""
        name, _, rest = path.partition(".")
        answer = await self._context(name, caller)
        asked = f"{answer.method} {urlsplit(answer.url).path}"
        if not 200 <= answer.status < 300:
            raise ApiError(answer, asked)
        value = at(parsed(answer), rest)
        if value is None:
            raise Refused(f"the answer to {asked} has no {rest}")
        return value

    async def _context(self, name: str, caller: Caller) -> Answer:
        """The answer of a context's operation, asked for once for each credential, in half of the time that is left.

        What may be different the next time is not kept: a credential that is not accepted, a limit, a failure.
        """
        now = anyio.current_time()
        caller = replace(caller, deadline=now + (min(caller.deadline, now + self._client.timeout) - now) / 2)
        # Of a caller's key only this is kept, and without the secret nothing can be made of it.
        values = json.dumps(sorted((caller.values or {}).items())).encode()
        known = name, hmac.digest(self._secret, values, "sha256")
        while known in self._asking:
            with anyio.CancelScope(deadline=caller.deadline) as clock:
                await self._asking[known].wait()
            if clock.cancelled_caught:
                raise Unanswered("it has not been answered in time")
        if known in self._contexts:
            self._contexts.move_to_end(known)
            return self._contexts[known]
        asking = self._asking[known] = anyio.Event()
        try:
            answer = await self._asked(name, caller)
        finally:
            del self._asking[known]
            asking.set()
        told = parsed(answer) is not None if answer.status < 400 else answer.status not in (401, 408, 429)
        if told and answer.status < 500:
            self._contexts[known] = answer
            if len(self._contexts) > _CONTEXTS_KEPT:
                self._contexts.popitem(last=False)
        return answer

    async def _asked(self, name: str, caller: Caller) -> Answer:
        contract = Contract(self._load(self._settings.service.contexts[name]), {})
        operation = _operation(contract)
        bindings, given = await self._prepared(contract, operation, {}, caller)
        return await self._client.send(operation, build(operation, _sent(bindings), given), caller)

    # -- what is sent ------------------------------

    async def _prepared(
        self, contract: Contract, operation: Operation, arguments: Mapping[str, Any], caller: Caller
    ) -> tuple[list[tuple[str, Marker]], dict[str, Any]]:
        """What is sent and where it goes: the arguments with what is filled in, in the API's own words."""
        given = copy.deepcopy(dict(arguments)) if operation.fill or operation.fixed else dict(arguments)
        bindings = list(contract.bindings)
        for path, value in operation.fill:
            if any(key not in holder for holder, key in _holders(given, path)):
                content = await self._value(value, given, caller)
                for holder, key in _holders(given, path):
                    if content is not _ABSENT:
                        holder.setdefault(key, copy.deepcopy(content))
        for key, names in operation.values:
            value = given.get(key)
            if isinstance(value, list):
                given[key] = [_translated(v, names) for v in value]
            elif key in given:
                given[key] = _translated(value, names)
        for key, separator in operation.join:
            if isinstance(given.get(key), list):
                given[key] = separator.join(map(text_of, given[key]))
        for number, (target, value) in enumerate(operation.fixed):
            holders: list[tuple[dict[str, Any], str]] = [(given, f"\0{number}")]
            if isinstance(target, str):
                holders = list(_holders(given, target))
            content = await self._value(value, given, caller) if holders else _ABSENT
            if content is _ABSENT:
                continue
            for holder, key in holders:
                holder[key] = copy.deepcopy(content)
            if not isinstance(target, str):
                bindings.append((f"\0{number}", target))
        return bindings, given

    async def _value(self, value: Any, arguments: Mapping[str, Any], caller: Caller) -> Any:
        """A value of `fill` or `fixed` as JSON; `_ABSENT` when the argument that it repeats is not given."""
        match value:
            case Argument():
                return arguments.get(value.key, _ABSENT)
            case Context():
                try:
                    return await self.context(value.path, caller)
                except Refused as error:
                    raise Refused(f"this needs {value.path}, and {error}") from None
            case Now():
                return _moment(value.distance)
            case dict():
                found = {k: await self._value(v, arguments, caller) for k, v in value.items()}
                return {k: v for k, v in found.items() if v is not _ABSENT}
            case list():
                return [v for v in [await self._value(v, arguments, caller) for v in value] if v is not _ABSENT]
        return value

    async def _send(
        self,
        operation: Operation,
        bindings: Iterable[tuple[str, Marker]],
        given: Mapping[str, Any],
        caller: Caller,
        query: list[str] | None = None,
    ) -> Answer:
        wire = build(operation, _sent(bindings), given)
        if query is not None:
            wire.query = query
        said = {name.lower() for name, _ in wire.headers}
        for header, path in self._settings.service.context_headers:
            if header.lower() not in said:
                try:
                    value = await self.context(path, caller)
                    text = text_of(value).encode("latin-1")
                except (Refused, UnicodeEncodeError):
                    continue  # an account's key has no user: what needs the header is refused by the API, with a reason
                if not isinstance(value, dict | list) and not _NO_HEADER_VALUE.search(text_of(value)):
                    wire.headers.append((header, text))
        return await self._client.send(operation, wire, caller)

    async def _pages(
        self,
        operation: Operation,
        paging: Paging,
        bindings: list[tuple[str, Marker]],
        given: dict[str, Any],
        caller: Caller,
    ) -> Answer:
        """The items of a list up to the tool's limit, as one answer; an answer that is no such list as it is.

        No page is asked for that is not needed, and none for longer than a call may take; what fails later than on the
        first page ends the list and says so.
        """
        pages = Pages(paging, given, exact=not operation.select)
        deadline = min(anyio.current_time() + self._client.timeout, caller.deadline)

        async def read() -> Answer:
            sent, values = pages.request()
            return await self._send(operation, [*bindings, *sent], given | values, caller, pages.query)

        first = await read()
        if not pages.take(first):
            if operation.select and 200 <= first.status < 300 and first.body:
                raise _unfit(operation, first)
            return first
        with anyio.CancelScope(deadline=deadline) as clock:
            while pages.going:
                try:
                    pages.take(await read())
                except Refused as error:
                    pages.stop(f"the next page did not come: {error}")
        if clock.cancelled_caught:
            pages.stop(f"reading on would take longer than {self._client.timeout:g} seconds")
        items = _selected(operation, first, pages.items) if operation.select else pages.items
        if isinstance(items, list) and len(items) == len(pages.items):
            fitting = _fitting(items, self._result_limit - _NOTE)
            if 0 < fitting < len(items):
                pages.keep(fitting, f"a result of this server holds at most {self._result_limit:,} characters")
                items = items[:fitting]
        return _with(first, {paging.names[0]: items, paging.names[1]: pages.note()})


_ABSENT: Any = object()
_NOTE = 500
"""Characters that the sentence about the items has."""


def _fitting(items: list[Any], room: int) -> int:
    """How many of the items have room in a result."""
    count = 0
    for item in items:
        room -= len(dump(item)) + 1
        if room < 0:
            break
        count += 1
    return count


def _sent(bindings: Iterable[tuple[str, Marker]]) -> list[tuple[str, Marker]]:
    return [b for b in bindings if not isinstance(b[1], Local)]


def _operation(contract: Contract) -> Operation:
    if not issubclass(contract.tool, Tool):
        raise TypeError(f"{contract.tool.__name__} is no operation")
    return contract.tool.OPERATION


def _holders(value: Any, path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects that hold, or might hold, what a path such as `layers[].users[].type` names, and the key there."""
    *way, last = _STEPS.findall(path)
    level = [value]
    for step in way:
        if step == "[]":
            level = [item for outer in level if isinstance(outer, list) for item in outer]
        else:
            level = [outer[step] for outer in level if isinstance(outer, dict) and step in outer]
    return ((holder, last) for holder in level if isinstance(holder, dict))


def _translated(value: Any, names: Mapping[Any, Any]) -> Any:
    return names.get(value, value) if isinstance(value, str) else value


def _moment(distance: str) -> str:
    moment = datetime.now(UTC)
    if distance:
        moment += timedelta(**{_UNITS[distance[-1]]: int(distance[:-1])})
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _with(answer: Answer, value: Any) -> Answer:
    """The answer as if it had held `value`."""
    body = dump(value).encode("utf-8", "surrogatepass")
    return replace(answer, headers={**answer.headers, "content-type": "application/json"}, body=body)


def _selected(operation: Operation, answer: Answer, value: Any) -> Any:
    """What an operation passes on of `value`. Raises Refused for a value that its expression does not fit."""
    jmespath: Any = importlib.import_module("jmespath")  # only servers that select something have it; it has no types
    try:
        return jmespath.search(operation.select, value)
    except (jmespath.exceptions.JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
        why = re.sub(r"(?s), invalid type for value: .*", ": a value of another type", str(error)).splitlines()
        raise _unfit(operation, answer, f": {shorten(why[0], 200)}" if why else "") from None


def _unfit(operation: Operation, answer: Answer, why: str = "") -> Refused:
    """What is said instead of an answer that an expression does not fit: it may be there to leave a secret out."""
    done = "nothing was changed" if operation.reading else "the request was carried out: do not repeat it"
    return Refused(
        f"the API answered {answer.status}, but not as this tool expects, so that its answer cannot be passed on "
        f"(select {operation.select}{why}); {done}"
    )


def _reduced(operation: Operation, answer: Answer, arguments: Mapping[str, Any]) -> Answer:
    """An answer without its wrapper, or the part of it that was chosen; one without a body as a text."""
    if not 200 <= answer.status < 300:
        return answer
    if not answer.body and not answer.cut:
        return replace(answer, text=_filled(operation.empty, arguments))
    if not operation.unwrap and not operation.select:
        return answer
    value = parsed(answer, exact=not operation.select)
    fits = value is not None
    if operation.unwrap:
        whole = value if isinstance(value, dict) else {}
        # Where it holds more than its wrapper, nothing is dropped in silence.
        fits = operation.unwrap in whole and bool(len(whole) == 1 or operation.drops or operation.select)
        value = whole.get(operation.unwrap)
    if not fits and operation.select:
        raise _unfit(operation, answer)
    if not fits:
        return answer
    return _with(answer, _selected(operation, answer, value) if operation.select else value)


def _filled(template: str, arguments: Mapping[str, Any]) -> str:
    def shown(match: re.Match[str]) -> str:
        return shorten(text_of(arguments[match[1]]), 200) if match[1] in arguments else "?"

    return re.sub(r"\{([A-Za-z0-9_-]+)\}", shown, template)


def way_on(contract: Contract) -> list[str]:
    """The arguments with which a model can ask for less: neither those of the path nor headers."""
    return [key for key, marker in contract.bindings if not isinstance(marker, Path | Header | Cookie)]
