"""Turns an HTTP answer into a tool result, because a model needs to know what came back and what to do about it.

Vendors' documents are wrong about their own answers, so the content type and the schema are hints here: whatever
arrives becomes a result that every client can read.
"""

from __future__ import annotations

import base64
import codecs
import copy
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import mcp.types as t
from mcp import MCPError

from .service import Errors
from .tool import RESULT_LIMIT, path_text, shorten
from .upstream import STREAMS, Answer, is_json
from .values import dump, load

_ERROR_TEXT = 2_000
_TEXTUAL = re.compile(
    r"text/.*|.*\+(xml|yaml)"
    r"|application/(.*[-.])?(xml|yaml|javascript|ecmascript|csv|graphql|toml|sql|ndjson|jsonl|json-seq|jsonlines"
    r"|x-www-form-urlencoded|x-sh|diff|patch)"
)
_TOLD_HEADERS = ("etag", "content-length", "content-type", "last-modified", "location")
_RESULTS = Errors()
_HINTS = {
    400: "Check the arguments against what the API says here.",
    404: "Check the identifiers: nothing is there, or this credential may not see it.",
    405: "The API does not offer this at that address.",
    409: "It clashes with the present state: read it first, then decide.",
    410: "It existed once and is gone for good.",
    412: "It has changed in the meantime: read it again.",
    413: "Send less at once.",
    422: "The API understood the request and refuses its values: correct them as it says here.",
    429: "Too many requests: wait before the next call.",
}


def result_of(
    answer: Answer,
    mask: Callable[[str], str],
    limit: int = RESULT_LIMIT,
    arguments: Iterable[str] = (),
    errors: Errors = _RESULTS,
) -> t.CallToolResult:
    """The tool result of an answer.

    A 2xx passes as it is, up to `limit` characters; what is left out is told, with those of the tool's `arguments`
    that get at it. In anything else `mask` hides the credentials. Raises MCPError for a status that `errors` has among
    those of the protocol, with the text and the structured content that the result would have.
    """
    if 200 <= answer.status < 300:
        return _success(answer, limit, arguments)
    if 300 <= answer.status < 400:
        return _redirect(answer, mask)
    text, structured = _failure(answer, mask, errors.hints.get(answer.status, ""))
    if answer.status in errors.protocol:
        code = t.INTERNAL_ERROR if answer.status >= 500 else t.INVALID_REQUEST
        raise MCPError(code=code, message=_plain(text), data=structured)
    return _error(text, structured)


def conforming(result: t.CallToolResult, schema: Mapping[str, Any] | None) -> t.CallToolResult:
    """The result as a client takes it that holds structured content to the tool's output schema.

    What is not as it says is left out of the structured content and told; the text still has all of it. A result that
    cannot be made to fit is an error, because a client would refuse it and show nothing.
    """
    if schema is None or result.is_error:
        return result
    jsonschema: Any = importlib.import_module("jsonschema")
    checker = jsonschema.Draft202012Validator(schema)
    value = copy.deepcopy(result.structured_content or {})
    left: list[tuple[str | int, ...]] = []
    while errors := {tuple(error.absolute_path): error for error in checker.iter_errors(value)}:
        if () in errors:
            result.structured_content = None
            result.is_error = True
            why = shorten(str(errors[()].message), 200)
            result.content.append(_text(f"This is not what the tool's output schema promises: {why}."))
            return result
        misfits = sorted(errors, key=_in_order)
        left += misfits
        for *way, last in reversed(misfits):  # of a list the last first: the others keep their places
            holder = value
            for step in way:
                holder = holder[step]
            del holder[last]
    if left:
        told = ", ".join(f"`{path_text(p)}`" for p in left[:_TOLD_CUTS])
        told += f" and {len(left) - _TOLD_CUTS:,} more" if len(left) > _TOLD_CUTS else ""
        text = f"Not as the output schema says, and so only in the text and not in the structured content: {told}."
        result.content.append(_text(text))
    result.structured_content = value
    return result


def _in_order(path: tuple[str | int, ...]) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in path]


def refusal(text: str) -> t.CallToolResult:
    """A result that tells the model why there is none."""
    return t.CallToolResult(content=[_text(text)], is_error=True)


def _text(text: str) -> t.TextContent:
    return t.TextContent(type="text", text=_plain(text))


def _plain(text: str) -> str:
    # A lone surrogate would break the transport, and with it every other call.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _status_line(answer: Answer) -> str:
    reason = answer.reason
    if not reason:
        with suppress(ValueError):
            reason = HTTPStatus(answer.status).phrase
    return f"{answer.status} {shorten(reason, 80)}".strip()


_NO_CHARSETS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "unicode_escape")
"""What Python decodes and no API sends; punycode takes minutes for a megabyte."""


# --- what the body is -------------------------------------------------------------------------------------------------


def _content_type(answer: Answer) -> tuple[str, str]:
    """Media type in lower case, and charset, either may be empty."""
    media_type, _, parameters = answer.headers.get("content-type", "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]+)", parameters, re.IGNORECASE)
    return media_type.strip().lower(), charset[1] if charset else ""


def _decode(body: bytes, charset: str) -> str:
    encoding = "utf-8-sig"
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif charset and charset.lower() not in ("utf-8", "utf8"):
        with suppress(LookupError):
            encoding = codecs.lookup(charset).name
    if encoding in _NO_CHARSETS:
        encoding = "utf-8"
    try:
        return _plain(body.decode(encoding, "replace"))
    except (LookupError, UnicodeError):  # a codec that is none for text
        return body.decode("utf-8", "replace")


def _load(text: str) -> tuple[Any, str]:
    """A JSON text as value and as compact text; numbers keep every digit in the text. ValueError if it is not JSON."""
    compact = dump(load(text, exact=True))
    try:
        compact.encode()
    except UnicodeEncodeError:  # "\ud83d" alone is legal JSON and no text
        compact = text = re.sub("[\ud800-\udfff]", "\ufffd", compact)
    return load(text), compact


# --- 2xx --------------------------------------------------------------------------------------------------------------


def _success(answer: Answer, limit: int, arguments: Iterable[str]) -> t.CallToolResult:
    if answer.method == "HEAD":
        told = {name: value for name, value in answer.headers.items() if name in _TOLD_HEADERS or name.startswith("x-")}
        lines = [_status_line(answer), *(f"{name}: {value}" for name, value in told.items())]
        return _result("\n".join(lines), {"status": answer.status, "headers": told})
    if not answer.body and not answer.cut:  # nothing, and nothing was on its way
        structured: dict[str, Any] = {"status": answer.status}
        text = answer.text or _status_line(answer)
        if location := answer.headers.get("location"):
            structured["location"] = location
            text += f"\nlocation: {location}"
        return _result(text, structured)
    media_type, charset = _content_type(answer)
    if media_type in STREAMS:
        text = _decode(answer.body, charset)
        if (value := _stream(text, media_type, bool(answer.cut))) is None:
            return _cut_text(answer, text, limit, arguments)
        return _whole(answer, value, dump(value), limit, arguments)
    if media_type in ("", "text/plain") or is_json(media_type):
        text = _decode(answer.body, charset)
        try:
            value, compact = _load(text)
        except ValueError:
            if media_type or _looks_like_text(answer.body):
                return _cut_text(answer, text, limit, arguments)
        else:
            if media_type != "text/plain":
                return _whole(answer, value, compact, limit, arguments)
            if len(text) <= limit:
                return _result(text, value if isinstance(value, dict) else None)
            return _cut_text(answer, text, limit, arguments)
    elif _TEXTUAL.fullmatch(media_type) or charset:
        return _cut_text(answer, _decode(answer.body, charset), limit, arguments)
    return _binary(answer, media_type or "application/octet-stream")


def _looks_like_text(body: bytes) -> bool:
    try:
        return b"\0" not in body and bool(body.decode())
    except UnicodeDecodeError:
        return False


def _result(text: str, structured: dict[str, Any] | None = None) -> t.CallToolResult:
    return t.CallToolResult(content=[_text(text)], structured_content=structured)


def _whole(answer: Answer, value: Any, text: str, limit: int, arguments: Iterable[str]) -> t.CallToolResult:
    """A JSON value as structured content and as `text`; of one that is too long the beginning of its parts."""
    left: list[str] = []
    if len(text) > limit:
        value = _trim(value, limit, (), left)
        text = dump(value)
    structured = value if isinstance(value, dict) else {"result": value}
    if not left and not answer.cut:
        return _result(text, structured)
    note = _note(answer, left, limit, arguments)
    result = _result(text, {**structured, "_not_all": note})
    result.content.append(_text(note))
    return result


def _cut_text(answer: Answer, text: str, limit: int, arguments: Iterable[str]) -> t.CallToolResult:
    left = [f"here are the first {limit:,} of {len(text):,} characters"] if len(text) > limit else []
    result = _result(text[:limit])
    if left or answer.cut:
        result.content.append(_text(_note(answer, left, limit, arguments)))
    return result


def _note(answer: Answer, left: list[str], limit: int, arguments: Iterable[str]) -> str:
    """What is missing from a result, why, and how to get it."""
    why = [answer.cut] if answer.cut else []
    if left:
        why.append(f"a result of this server holds at most {limit:,} characters")
        if len(left) > _TOLD_CUTS:
            left = [*left[:_TOLD_CUTS], f"and {len(left) - _TOLD_CUTS} more parts are shortened"]
    told = f": {'; '.join(left)}" if left else ""
    return f"This is not all of the answer, because {' and '.join(why)}{told}. {_way_on(answer.method, arguments)}"


_TOLD_CUTS = 6
_SIZES = {
    "limit",
    "perpage",
    "pagesize",
    "maxresults",
    "maxitems",
    "max",
    "count",
    "size",
    "top",
    "first",
    "take",
    "numresults",
}
_PLACES = {
    "offset",
    "page",
    "cursor",
    "pagetoken",
    "nexttoken",
    "nextpagetoken",
    "pagenumber",
    "after",
    "startingafter",
    "start",
    "startat",
    "skip",
}


def _way_on(method: str, arguments: Iterable[str]) -> str:
    """How to get the rest, in terms of the arguments that a tool has."""
    names = list(arguments)
    plain = {name: re.sub(r"[^a-z]", "", name.lower()) for name in names}
    sizes = [f"`{name}`" for name in names if plain[name] in _SIZES]
    places = [f"`{name}`" for name in names if plain[name] in _PLACES]
    if sizes and places:
        return f"Ask for less at once with {sizes[0]}, and for what follows with {places[0]}."
    if method not in ("GET", "QUERY"):
        return "Another tool may read the rest of it."
    if sizes or places:
        return f"Ask for less at once with {sizes[0]}." if sizes else f"Ask for another part with {places[0]}."
    if names:
        return f"Ask for something narrower: its arguments are {', '.join(f'`{name}`' for name in names[:8])}."
    return "This tool has no argument that makes it smaller; another one may read a part of it."


def _trim(value: Any, room: int, path: tuple[str | int, ...], left: list[str]) -> Any:
    """A JSON value cut to about `room` characters, still JSON. `left` learns what is missing, part by part.

    Of a list the first items stay, of a text its beginning; the members of an object share the room, and those that
    need less than their share leave the rest to the others.
    """
    if _size(value) <= room:
        return value
    where = f"`{path_text(path)}`" if path else "the answer"
    if isinstance(value, str):
        left.append(f"of {where} here are the first {max(room, 0):,} of {len(value):,} characters")
        return value[: max(room, 0)]
    if isinstance(value, list):
        kept: list[Any] = []
        used = 2
        for item in value:
            used += _size(item) + 1
            if used > room:
                break
            kept.append(item)
        if not kept and len(path) < _TRIM_DEPTH and room > _LEAST:
            kept.append(_trim(value[0], room - 3, (*path, 0), left))
        if len(kept) < len(value):
            left.append(f"of {where} here are the first {len(kept):,} of {len(value):,} items")
        return kept
    if not isinstance(value, dict):
        return value
    sizes = {key: len(key) + 4 + _size(item) for key, item in value.items()}
    found: dict[str, Any] = {}
    rest = room - 2
    for index, key in enumerate(sorted(sizes, key=lambda key: (sizes[key], key))):
        share = rest // (len(sizes) - index)
        if sizes[key] <= share:
            found[key] = value[key]
            rest -= sizes[key]
        elif share - len(key) > _LEAST and len(path) < _TRIM_DEPTH:
            found[key] = _trim(value[key], share - len(key) - 4, (*path, key), left)
            rest -= len(key) + 4 + _size(found[key])
    if len(found) < len(value):
        left.append(f"of {where} here are {len(found):,} of {len(value):,} properties")
    return {key: found[key] for key in value if key in found}


_LEAST = 40
"""Characters below which a part of a value is not worth having."""
_TRIM_DEPTH = 8


def _size(value: Any) -> int:
    return len(dump(value))


def _stream(text: str, media_type: str, cut: bool) -> dict[str, Any] | None:
    """What a stream held: its events, or its JSON values; None when lines that should be JSON are not.

    Of a stream that was `cut`, what comes after the last whole event or line is dropped.
    """
    events = media_type == STREAMS[0]
    if cut:
        ends = [match.end() for match in re.finditer(r"\n\r?\n|\r\r" if events else r"\n", text)]
        text = text[: ends[-1] if ends else 0]
    if events:
        return {"events": list(_events(text))}
    try:
        return {"items": [_load(line)[0] for line in re.split(r"[\n\x1e]", text) if line.strip()]}
    except ValueError:
        return None


def _events(text: str) -> Iterator[dict[str, Any]]:
    """The events of a stream (WHATWG HTML, 9.2.6 "Interpreting an event stream"), their data decoded where it is JSON.

    An event that the end of the stream leaves without its blank line counts too.
    """
    event: dict[str, Any] = {}
    data: list[str] = []
    for line in [*re.split(r"\r\n|\n|\r", text), ""]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field in ("event", "id"):
            event[field] = value
        if not line:
            if data:
                content: Any = "\n".join(data)
                with suppress(ValueError):
                    content = _load(content)[0]
                yield {**event, "data": content}
            event, data = {}, []


def _binary(answer: Answer, media_type: str) -> t.CallToolResult:
    if answer.cut:
        return _error(
            f"{_request_line(answer)} answered {_status_line(answer)} with a file of type {shorten(media_type, 80)} "
            f"that cannot be passed on, because {answer.cut}.",
            {"status": answer.status},
        )
    data = base64.b64encode(answer.body).decode()
    content: t.ContentBlock
    if media_type.startswith("image/"):
        content = t.ImageContent(type="image", data=data, mime_type=media_type)
    elif media_type.startswith("audio/"):
        content = t.AudioContent(type="audio", data=data, mime_type=media_type)
    else:
        blob = t.BlobResourceContents(uri=answer.url, mime_type=media_type, blob=data)
        content = t.EmbeddedResource(type="resource", resource=blob)
    told = f"{media_type}, {len(answer.body)} bytes"
    if disposition := answer.headers.get("content-disposition"):
        told += f", {shorten(disposition, 200)}"
    return t.CallToolResult(content=[_text(told), content])


# --- everything else --------------------------------------------------------------------------------------------------


def _redirect(answer: Answer, mask: Callable[[str], str]) -> t.CallToolResult:
    location = mask(re.sub(r"//[^/?#@]*@", "//", answer.headers.get("location", "")))
    structured: dict[str, Any] = {"status": answer.status}
    if answer.status == 304:
        return _result("304 Not Modified: it has not changed since the version that the request named.", structured)
    if not location:
        return _error(f"{_request_line(answer)} answered {_status_line(answer)} without saying where to.", structured)
    structured["location"] = location
    text = (
        f"{_request_line(answer)} answered {_status_line(answer)} and points to {shorten(location, 1_000)}. "
        "This server follows no redirect to another host and none of a request that writes."
    )
    # For a read this is often the result itself: the address of a download.
    return _result(text, structured) if answer.method in ("GET", "HEAD") else _error(text, structured)


def _error(text: str, structured: dict[str, Any]) -> t.CallToolResult:
    result = _result(text, structured)
    result.is_error = True
    return result


def _request_line(answer: Answer) -> str:
    return f"{answer.method} {shorten(answer.url, 300)}"


def _failure(answer: Answer, mask: Callable[[str], str], advice: str) -> tuple[str, dict[str, Any]]:
    """What to say of an error of the API, its own words among it, and the same as structured content."""
    media_type, charset = _content_type(answer)
    raw = _decode(answer.body, charset) if _looks_like_text(answer.body) or media_type != "" else ""
    value: Any = None
    body = ""
    if raw and (is_json(media_type) or _TEXTUAL.fullmatch(media_type) or not media_type):
        body = mask(raw.strip())
        try:
            value, body = _load(body)
        except ValueError:
            value = None
    message = shorten(_vendor_message(value), 1_000)
    head = mask(f"{_request_line(answer)} answered {_status_line(answer)}")
    lines = [f"{head}: {message}" if message else f"{head}."]
    if hint := " ".join(filter(None, (_hint(answer), advice))):
        lines.append(hint)
    if body and body != message:
        lines.append(f"Answer: {shorten(body, _ERROR_TEXT)}")
    structured: dict[str, Any] = {"status": answer.status}
    if value is not None and len(body) <= 10 * _ERROR_TEXT:
        structured["error"] = value
    elif body:
        structured["error"] = shorten(body, _ERROR_TEXT)
    return "\n".join(lines), structured


def _hint(answer: Answer) -> str:
    credential = f"the credential in {' and '.join(answer.credentials)}" if answer.credentials else ""
    if answer.credentials and answer.by_caller:
        credential = "the key that came with this call"
    if answer.status == 401 and credential:
        owner = "whoever calls this server" if answer.by_caller else "the operator of this server"
        return f"The API does not accept {credential}; {owner} must renew it."
    if answer.status == 401:
        why = "none came with this call" if answer.by_caller else "this server was set up to send none here"
        return f"The API wants a credential, and {why}."
    if answer.status == 403:
        who = credential[:1].upper() + credential[1:] or "An anonymous call"
        return f"{who} is not allowed to do this; another call will not change that."
    wait = answer.headers.get("retry-after", "")
    told = f" (Retry-After: {shorten(wait, 40)})" if wait else ""
    if answer.status == 429 and wait:
        return f"Too many requests: wait before the next call{told}."
    if answer.status >= 500:
        if answer.reads:
            return f"The fault is the API's, not the arguments'; try again later{told}."
        return "The fault is the API's; it may have carried the request out all the same: check before repeating it."
    return _HINTS.get(answer.status, "")


def _vendor_message(value: Any, depth: int = 0) -> str:
    """The sentence for people in an error body, wherever vendors put it."""
    if isinstance(value, str):
        return value.strip()
    if depth > 3:
        return ""
    if isinstance(value, list):
        found = [_vendor_message(item, depth + 1) for item in value[:5]]
        return "; ".join(dict.fromkeys(filter(None, found)))
    if not isinstance(value, dict):
        return ""
    found = []
    for key in ("message", "error", "error_description", "detail", "title", "errors"):
        text = _vendor_message(value.get(key), depth + 1)
        if text and not any(text in other for other in found):
            found.append(text)
    return ": ".join(found)
