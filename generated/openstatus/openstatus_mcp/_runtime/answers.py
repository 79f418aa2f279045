"""Turns an HTTP answer into a tool result, because a model needs to know what came back and what to do about it.

Vendors' documents are wrong about their own answers, so the content type and the schema are hints here: whatever
arrives becomes a result that every client can read.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import mcp.types as t

from .tool import shorten
from .upstream import Answer

_ERROR_TEXT = 2_000
_DEPTH = 100  # the SDK's serialiser gives up at about 250
_TEXTUAL = re.compile(
    r"text/.*|.*\+(xml|yaml)"
    r"|application/(.*[-.])?(xml|yaml|javascript|ecmascript|csv|graphql|toml|sql|ndjson|jsonl|json-seq|jsonlines"
    r"|x-www-form-urlencoded|x-sh|diff|patch)"
)
_TOLD_HEADERS = ("etag", "content-length", "content-type", "last-modified", "location")
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


def result_of(answer: Answer, mask: Callable[[str], str]) -> t.CallToolResult:
    """The tool result of an answer. A 2xx passes whole; in anything else `mask` hides the operator's credentials."""
    if 200 <= answer.status < 300:
        return _success(answer)
    if 300 <= answer.status < 400:
        return _redirect(answer, mask)
    return _failure(answer, mask)


def refusal(text: str) -> t.CallToolResult:
    """A result that tells the model why there is none."""
    return t.CallToolResult(content=[_text(text)], is_error=True)


def _text(text: str) -> t.TextContent:
    # A lone surrogate would break the transport, and with it every other call.
    return t.TextContent(type="text", text=text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _status_line(answer: Answer) -> str:
    reason = answer.reason
    if not reason:
        with suppress(ValueError):
            reason = HTTPStatus(answer.status).phrase
    return f"{answer.status} {shorten(reason, 80)}".strip()


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
    try:
        return body.decode(encoding, "replace")
    except (LookupError, UnicodeError):  # a codec that is none for text
        return body.decode("utf-8", "replace")


def _is_json(media_type: str) -> bool:
    return media_type.endswith(("/json", "+json", "/x-json")) or media_type == "application/problem"


def _load(text: str) -> tuple[Any, str]:
    """A JSON text as value and as compact text; numbers keep every digit in the text. ValueError if it is not JSON."""
    exact = True

    def number(literal: str) -> float:
        nonlocal exact
        value = float(literal)
        if abs(value) == float("inf"):
            raise ValueError("beyond what a number can hold")
        if len(literal) > 15 and Decimal(literal) != Decimal(repr(value)):
            exact = False
        return value

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        value = json.loads(text, parse_float=number, parse_constant=constant)
        if _deep(value):
            raise ValueError("nested too deeply")
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    try:
        compact.encode()
    except UnicodeEncodeError:  # "\ud83d" alone is legal JSON and no text
        compact = re.sub("[\ud800-\udfff]", "\ufffd", compact)
        value = json.loads(compact)
    if not exact:
        compact = re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda match: match[1] or "", text)
    return value, compact


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


# --- 2xx --------------------------------------------------------------------------------------------------------------


def _success(answer: Answer) -> t.CallToolResult:
    if answer.method == "HEAD":
        told = {name: value for name, value in answer.headers.items() if name in _TOLD_HEADERS or name.startswith("x-")}
        lines = [_status_line(answer), *(f"{name}: {value}" for name, value in told.items())]
        return _result("\n".join(lines), {"status": answer.status, "headers": told})
    if not answer.body:
        structured: dict[str, Any] = {"status": answer.status}
        text = _status_line(answer)
        if location := answer.headers.get("location"):
            structured["location"] = location
            text += f"\nlocation: {location}"
        return _result(text, structured)
    media_type, charset = _content_type(answer)
    if media_type in ("", "text/plain") or _is_json(media_type):
        text = _decode(answer.body, charset)
        try:
            value, compact = _load(text)
        except ValueError:
            if media_type or _looks_like_text(answer.body):
                return _result(text)
        else:
            if media_type != "text/plain":
                return _result(compact, value if isinstance(value, dict) else {"result": value})
            return _result(text, value if isinstance(value, dict) else None)
    elif _TEXTUAL.fullmatch(media_type) or charset:
        return _result(_decode(answer.body, charset))
    return _binary(answer, media_type or "application/octet-stream")


def _looks_like_text(body: bytes) -> bool:
    try:
        return b"\0" not in body and bool(body.decode())
    except UnicodeDecodeError:
        return False


def _result(text: str, structured: dict[str, Any] | None = None) -> t.CallToolResult:
    return t.CallToolResult(content=[_text(text)], structured_content=structured)


def _binary(answer: Answer, media_type: str) -> t.CallToolResult:
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


def _failure(answer: Answer, mask: Callable[[str], str]) -> t.CallToolResult:
    media_type, charset = _content_type(answer)
    raw = _decode(answer.body, charset) if _looks_like_text(answer.body) or media_type != "" else ""
    value: Any = None
    body = ""
    if raw and (_is_json(media_type) or _TEXTUAL.fullmatch(media_type) or not media_type):
        body = mask(raw.strip())
        try:
            value, body = _load(body)
        except ValueError:
            value = None
    message = shorten(_vendor_message(value), 1_000)
    head = mask(f"{_request_line(answer)} answered {_status_line(answer)}")
    lines = [f"{head}: {message}" if message else f"{head}."]
    if hint := _hint(answer):
        lines.append(hint)
    if body and body != message:
        lines.append(f"Answer: {shorten(body, _ERROR_TEXT)}")
    structured: dict[str, Any] = {"status": answer.status}
    if value is not None and len(body) <= 10 * _ERROR_TEXT:
        structured["error"] = value
    elif body:
        structured["error"] = shorten(body, _ERROR_TEXT)
    return _error("\n".join(lines), structured)


def _hint(answer: Answer) -> str:
    variables = " and ".join(answer.credentials)
    if answer.status == 401:
        if variables:
            return f"The API does not accept the credential in {variables}; the operator of this server must renew it."
        return "The API wants a credential, and this server was set up to send none here."
    if answer.status == 403:
        owner = f"The credential in {variables}" if variables else "An anonymous call"
        return f"{owner} is not allowed to do this; another call will not change that."
    if answer.status == 429 and (wait := answer.headers.get("retry-after")):
        return f"Too many requests: wait before the next call (Retry-After: {shorten(wait, 40)})."
    if answer.status >= 500:
        if answer.method in ("GET", "HEAD", "OPTIONS"):
            return "The fault is the API's, not the arguments'; try again later."
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
