"""Turns checked arguments into an answer of the API, because between the two a model's view is not the API's.

What the arguments leave out is filled in, a list is read page by page as far as it is wanted, and of an answer only
what was asked for is passed on. What an operation says of all that is in its `Operation`.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from .service import Caller, Settings
from .tool import (
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
from .upstream import Answer, Client, is_json
from .wire import build

_CONTEXTS_KEPT = 256
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STEPS = re.compile(r"[^.\[\]]+|\[\]")


class ApiError(Refused):
    """An answer of the API that is no success; the tool result says so unless a custom tool knows better."""

    def __init__(self, answer: Answer, operation: str) -> None:
        super().__init__(f"{operation} answered {answer.status} {answer.reason}".strip())
        self.answer = answer
        self.status = answer.status


class Calls:
    """Calls operations for whoever calls this server.

    `load` gives the class at a place such as `incidents:ListIncidents`.
    """

    def __init__(self, settings: Settings, client: Client, load: Callable[[str], type[Call]]) -> None:
        self._settings = settings
        self._client = client
        self._load = load
        self._contexts: OrderedDict[tuple[str, bytes], Answer] = OrderedDict()

    async def answer(self, contract: Contract, arguments: Mapping[str, Any], caller: Caller) -> Answer:
        """The API's answer to a tool's arguments, which `contract` has checked, reduced to what is passed on.

        Raises Refused when nothing can be sent, or when no complete answer came.
        """
        operation = _operation(contract)
        given = await self._prepared(operation, arguments, caller)
        bindings = list(contract.bindings)
        for number, (target, value) in enumerate(operation.fixed):
            if not isinstance(target, str):
                key = f"\0{number}"
                content = await self._value(value, arguments, caller)
                if content is not _ABSENT:
                    bindings.append((key, target))
                    given[key] = content
        if operation.paging is not None:
            return await self._pages(operation, operation.paging, bindings, given, caller)
        answer = await self._send(operation, bindings, given, caller)
        return _reduced(operation, answer, arguments)

    async def context(self, path: str, caller: Caller) -> Any:
        """The value at `name.path` of a context. Raises Refused when its operation fails or has no such value."""
        name, _, rest = path.partition(".")
        answer = await self._context(name, caller)
        if not 200 <= answer.status < 300:
            raise ApiError(answer, name)
        value = at(parsed(answer), rest)
        if value is None:
            raise Refused(f"the API's answer has no {path}")
        return value

    async def _context(self, name: str, caller: Caller) -> Answer:
        """The answer of a context's operation, asked for once for each credential.

        What may be different the next time is not kept: a credential that is not accepted, a limit, a failure.
        """
        # Of a caller's key only this is kept, and nothing can be made of it.
        known = name, hashlib.sha256(json.dumps(sorted((caller.values or {}).items())).encode()).digest()
        if known in self._contexts:
            self._contexts.move_to_end(known)
            return self._contexts[known]
        contract = Contract(self._load(self._settings.service.contexts[name]), {})
        operation = _operation(contract)
        answer = await self._client.send(operation, build(operation, (), {}), caller)
        if answer.status not in (401, 408, 429) and answer.status < 500:
            self._contexts[known] = answer
            if len(self._contexts) > _CONTEXTS_KEPT:
                self._contexts.popitem(last=False)
        return answer

    # -- what is sent ------------------------------

    async def _prepared(self, operation: Operation, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """The arguments with what is filled in, in the API's own words."""
        given = copy.deepcopy(dict(arguments)) if operation.fill or operation.fixed else dict(arguments)
        for path, value in operation.fill:
            if any(holder.get(key, _ABSENT) is _ABSENT for holder, key in _holders(given, path)):
                content = await self._value(value, arguments, caller)
                for holder, key in _holders(given, path):
                    if content is not _ABSENT:
                        holder.setdefault(key, copy.deepcopy(content))
        for target, value in operation.fixed:
            if isinstance(target, str) and (holders := list(_holders(given, target))):
                content = await self._value(value, arguments, caller)
                for holder, key in holders:
                    holder[key] = copy.deepcopy(content)
        for key, names in operation.values:
            if key in given:
                value = given[key]
                given[key] = (
                    [_translated(v, names) for v in value] if isinstance(value, list) else _translated(value, names)
                )
        for key, separator in operation.join:
            if isinstance(given.get(key), list):
                given[key] = separator.join(map(str, given[key]))
        return given

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
        wire = build(operation, [b for b in bindings if not isinstance(b[1], Local)], given)
        if query is not None:
            wire.query = query
        said = {name.lower() for name, _ in wire.headers}
        for header, path in self._settings.service.context_headers:
            if header.lower() not in said:
                try:
                    text = str(await self.context(path, caller))
                    wire.headers.append((header, text.encode("latin-1")))
                except (Refused, UnicodeEncodeError):
                    continue  # an account's key has no user: what needs the header is refused by the API, with a reason
        return await self._client.send(operation, wire, caller)

    # -- pages ------------------------------

    async def _pages(
        self,
        operation: Operation,
        paging: Paging,
        bindings: list[tuple[str, Marker]],
        given: dict[str, Any],
        caller: Caller,
    ) -> Answer:
        """The items of a list up to the tool's limit, as one answer; an answer that is no such list as it is.

        No page is asked for that is not needed; what fails later than on the first page ends the list and says so.
        """
        count, start = paging.arguments
        wanted = min(int(given.get(count, paging.max_items)), paging.max_items)
        place = given.get(start) if start else None
        place = place if place is not None else {"offset": 0, "page": 1}.get(paging.style)
        fixed_size = min(wanted, paging.page_size)
        found: list[Any] = []
        first: Answer | None = None
        total: int | None = None
        query: list[str] | None = None
        more, why = True, ""
        while more and len(found) < wanted:
            size = fixed_size if paging.style in ("page", "none") else min(wanted - len(found), paging.page_size)
            extra = [("\0limit", paging.limit, size), ("\0place", paging.place, place)]
            sent = [(key, marker) for key, marker, value in extra if marker is not None and value is not None]
            values = {key: value for key, _, value in extra if value is not None}
            answer = await self._send(operation, [*bindings, *sent], {**given, **values}, caller, query)
            value = parsed(answer) if 200 <= answer.status < 300 else None
            items = at(value, paging.items)
            if not isinstance(items, list):
                if first is None:
                    return answer
                why = f"the next page answered {answer.status} {answer.reason}".strip()
                break
            first = first or answer
            found += items
            if isinstance(count_ := at(value, paging.total) if paging.total else None, int):
                total = count_
            if paging.style == "none":
                more = _cut(paging, value, items, size)
                why = "the API gives no more at once" if more and len(found) < wanted else ""
                break
            place, more, query = _onward(paging, answer, value, items, size, place, total, len(found))
        if first is None:
            raise Refused("nothing was asked for")
        more = more or len(found) > wanted
        exact = len(found) <= wanted
        found = found[:wanted]
        note = _told(paging, len(found), more, why, total, place if exact else None)
        items_ = _selected(operation.select, found) if operation.select else found
        return _with(first, {paging.names[0]: items_, paging.names[1]: note})


_ABSENT: Any = object()


def at(value: Any, path: str) -> Any:
    """The value at a path of keys with dots; None where there is none. An empty path is the value itself."""
    for key in filter(None, path.split(".")):
        value = value.get(key) if isinstance(value, dict) else None
    return value


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
    return names.get(value, value) if isinstance(value, (str, int)) else value


def _moment(distance: str) -> str:
    moment = datetime.now(UTC)
    if distance:
        moment += timedelta(**{_UNITS[distance[-1]]: int(distance[:-1])})
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def parsed(answer: Answer) -> Any:
    """The JSON value of an answer; None when it is none."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.cut or not (is_json(media_type) or not media_type):
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _with(answer: Answer, value: Any) -> Answer:
    """The answer as if it had held `value`."""
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return replace(answer, headers={**answer.headers, "content-type": "application/json"}, body=body)


def _selected(expression: str, value: Any) -> Any:
    jmespath: Any = importlib.import_module("jmespath")  # only servers that select something have it; it has no types
    return jmespath.search(expression, value)


def _reduced(operation: Operation, answer: Answer, arguments: Mapping[str, Any]) -> Answer:
    """An answer without its wrapper, or the part of it that was chosen; one without a body as a text."""
    if not 200 <= answer.status < 300:
        return answer
    if operation.empty and not answer.body and not answer.cut:
        return replace(answer, text=_filled(operation.empty, arguments))
    if not operation.unwrap and not operation.select:
        return answer
    value = parsed(answer)
    if value is None:
        return answer
    if operation.unwrap and isinstance(value, dict) and value.keys() == {operation.unwrap}:
        value = value[operation.unwrap]
    elif not operation.select:
        return answer  # it holds more than its wrapper: nothing is dropped in silence
    return _with(answer, _selected(operation.select, value) if operation.select else value)


def _filled(template: str, arguments: Mapping[str, Any]) -> str:
    return re.sub(r"\{([A-Za-z0-9_-]+)\}", lambda m: shorten(str(arguments.get(m[1], m[0])), 200), template)


def _onward(
    paging: Paging, answer: Answer, value: Any, items: list[Any], size: int, place: Any, total: int | None, count: int
) -> tuple[Any, bool, list[str] | None]:
    """Where the next page starts, whether there is one, and the query that asks for it if it is given whole."""
    said = at(value, paging.more) if paging.more else None
    match paging.style:
        case "cursor":
            going = isinstance(said, (str, int)) and not isinstance(said, bool) and said not in ("", place)
            return (said if going else None), going and bool(items), None
        case "link":
            query = _next_link(answer)
            return None, bool(query and items), query
        case "offset" | "page":
            following = place + len(items) if paging.style == "offset" else place + 1
            if isinstance(said, bool):
                going = said
            elif isinstance(said, int) and paging.style == "page":
                going = place < said  # a number of pages
            elif total is not None:
                going = (following if paging.style == "offset" else place * size) < total
            else:
                going = len(items) >= size
            return following, going and bool(items), None
    return None, False, None


def _cut(paging: Paging, value: Any, items: list[Any], size: int) -> bool:
    """Whether a list that comes at once is not whole: the API says so, or gave just as many as it was asked for."""
    said = at(value, paging.more) if paging.more else None
    return said if isinstance(said, bool) else paging.limit is not None and len(items) >= size


def _next_link(answer: Answer) -> list[str] | None:
    """The query of `rel="next"` in the header Link (RFC 8288), if it leads to the same resource."""
    for target, rest in re.findall(r"<([^<>]*)>([^<]*)", answer.headers.get("link", "")):
        if re.search(r"""\brel\s*=\s*"?[^";]*\bnext\b""", rest):
            here, there = urlsplit(answer.url), urlsplit(target)
            if there.query and there.path in ("", here.path) and there.netloc in ("", here.netloc):
                return there.query.split("&") if there.query.isascii() and there.query.isprintable() else None
    return None


def _told(paging: Paging, count: int, more: bool, why: str, total: int | None, place: Any) -> str:
    """The sentence about the items of a result."""
    noun = "item" if count == 1 else "items"
    if why:
        return f"The first {count:,} {noun}; not all, because {why}."
    if not more:
        return f"{count:,} {noun}, all there are."
    of = f" of {total:,}" if total is not None and total > count else ""
    limit, start = paging.arguments
    onward = f"continue with `{start}` {json.dumps(place)}" if start and place is not None else ""
    if count >= paging.max_items:
        rest = f" To go on, {onward}." if onward else " Narrow the search to see the others."
        return f"The first {count:,}{of} {noun}, the most that one call returns; there are more.{rest}"
    wider = f"ask with a higher `{limit}`, up to {paging.max_items:,}"
    return f"The first {count:,}{of} {noun}; there are more: {wider}{f', or {onward}' if onward else ''}."


def way_on(contract: Contract) -> list[str]:
    """The arguments with which a model can ask for less: neither those of the path nor headers."""
    return [key for key, marker in contract.bindings if not isinstance(marker, Path | Header | Cookie)]
