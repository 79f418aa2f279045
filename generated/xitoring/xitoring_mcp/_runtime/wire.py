"""Turns checked arguments into the bytes of an HTTP request, because the OpenAPI document decides every one of them.

Serialisation follows OpenAPI's styles, which are RFC 6570 in other words; text is percent-encoded as UTF-8 down to
the unreserved characters of RFC 3986. Delimiters that a style adds stay literal, those inside a value are encoded.
Nothing here knows a host or a credential: that is `upstream`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from .tool import (
    Cookie,
    Form,
    Header,
    InvalidArguments,
    Json,
    JsonLines,
    JsonRest,
    Marker,
    Operation,
    Part,
    PartHeader,
    Path,
    Query,
    Raw,
    Xml,
)

_LITERAL_PATH = "/:@!$&'()*+,;=~%"  # what a path template may already hold, escapes included
_LITERAL_QUERY = _LITERAL_PATH + "?"
_RESERVED_IN_QUERY = ":/?@!$'()*,;"  # allowReserved: legal in a query, and never one of & = + #
_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[\t -~]*)?")
_BREAKS_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BREAKS_COOKIE = re.compile(r"[^\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]")  # RFC 6265, 4.1.1, and the comma of lists


@dataclass(slots=True)
class Wire:
    """A request without its host: `path` and `query` are percent-encoded, header values are bytes as sent."""

    method: str
    path: str
    query: list[str] = field(default_factory=list)
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    body: bytes | None = None
    complete: Callable[[bytearray], bool] | None = None
    """Tells when a stream has brought all that is waited for; without it a stream is collected for half of the time."""

    @property
    def target(self) -> str:
        """Path and query, as in the request line."""
        return "?".join([self.path, "&".join(self.query)]) if self.query else self.path


def build(operation: Operation, bindings: Iterable[tuple[str, Marker]], arguments: Mapping[str, Any]) -> Wire:
    """The request that carries these arguments. An argument left out is not sent.

    Raises InvalidArguments for a value that has no place on the wire: an empty or dot-segment path value, a line
    break in a header, bytes that are not base64.
    """
    template, _, literal_query = operation.path.partition("?")
    wire = Wire(operation.method, "", [quote(literal_query, safe=_LITERAL_QUERY)] if literal_query else [])
    variables: dict[str, str] = {}
    body = _Body(operation)
    problems: list[str] = []
    bindings = tuple(bindings)
    for _, marker in bindings:
        body.expect(marker)
    for key, marker in bindings:
        if key not in arguments:
            continue
        value = arguments[key]
        try:
            match marker:
                case Path():
                    variables[marker.name] = _path_value(marker, value)
                case Query():
                    wire.query += _styled(marker, value)
                case Header():
                    wire.headers.append((marker.name, _header_value(marker, value)))
                case Cookie(style="cookie"):
                    wire.cookies += _plain_cookies(marker, value)
                case Cookie():
                    wire.cookies += _pairs(marker.name, value, "form", marker.explode, marker.content)
                case _:
                    body.add(marker, value)
        except UnicodeEncodeError:
            problems.append(
                f"{_named(key, marker)}: holds half of a surrogate pair, which is not text; replace that character"
            )
        except (TypeError, ValueError) as error:
            problems.append(f"{_named(key, marker)}: {error}")
    if problems := problems or body.problems():
        raise InvalidArguments(problems)
    wire.path = _fill(template, variables)
    given = {name.lower() for name, _ in wire.headers}
    wire.headers += [(name, value.encode()) for name, value in operation.headers if name.lower() not in given]
    content_type, wire.body = body.finish()
    if wire.body is not None:
        wire.headers = [header for header in wire.headers if header[0].lower() != "content-type"]
        wire.headers.append(("Content-Type", content_type.encode("latin-1")))
    return wire


def _named(key: str, marker: Marker) -> str:
    """What a problem is with: an argument, or what is filled in for none."""
    return f"{getattr(marker, 'name', 'body')} (no argument)" if key.startswith("\0") else key


# --- values as text ---------------------------------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """A JSON value as the text of a parameter: `true`, `5` for 5.0, nothing for null, JSON for an object or array."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            plain = format(Decimal(repr(value)), "f")  # no exponent, unless it would be a screenful of zeros
            plain = plain.removesuffix(".0")
            return plain if len(plain) <= 40 else repr(value)
        case int():
            return str(value)
        case _:
            return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _content(value: Any, media_type: str) -> str:
    """A value in the media type that its `content` names; a text in something other than JSON stays as it is."""
    return value if isinstance(value, str) and "json" not in media_type.lower() else _json(value)


def _items(value: Any, explode: bool, safe: str | None = "", nested: str = "") -> list[str]:
    """The members between a style's delimiters: the items of an array; `k=v` (explode) or `k`, `v` of an object."""
    between = _separator(nested, plain=safe is None)

    def encode(item: Any) -> str:
        if nested and isinstance(item, list):
            return between.join(map(encode, item))
        return text_of(item) if safe is None else quote(text_of(item), safe=safe)

    def member(item: Any) -> str:
        return ",".join(map(encode, item)) if isinstance(item, list) and not _nested(item) else encode(item)

    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        if explode:
            return [f"{encode(key)}={member(item)}" for key, item in value.items()]
        return [text for key, item in value.items() for text in (encode(key), member(item))]
    return [encode(value)]


def _separator(style: str, *, plain: bool = False) -> str:
    separator = _SEPARATORS.get(style, ",")
    return unquote(separator) if plain else separator


def _nested(items: list[Any]) -> bool:
    return any(isinstance(item, (dict, list)) for item in items)


# --- parameters -------------------------------------------------------------------------------------------------------


def _path_value(marker: Path, value: Any) -> str:
    if marker.content:
        text = _content(value, marker.content)
        _refuse_blank(text)
        return quote(text, safe="")
    _refuse_blank(value)
    if marker.plain and any(_NO_ID.search(text_of(v)) for v in (value if isinstance(value, list) else [value])):
        raise ValueError("must be an identifier as the API gave it, without a slash or a blank, and not null")
    items = _items(value, marker.explode, nested=marker.nested)
    name = quote(marker.name, safe="")
    match marker.style:
        case "label":
            return "." + ("." if marker.explode else ",").join(items)
        case "matrix" if marker.explode and isinstance(value, list):
            return "".join(f";{name}={item}" for item in items)
        case "matrix" if marker.explode and isinstance(value, dict):
            return "".join(f";{item}" for item in items)
        case "matrix":
            return f";{name}={','.join(items)}"
        case _:
            return _separator(marker.style).join(items)


_NO_ID = re.compile(r"[\s/\\?#%]|^(?i:null|none|undefined|nan)$")


def _refuse_blank(value: Any) -> None:
    """Refuse what would address another resource than the one meant: nothing, or a step up (CVE-2026-32871)."""
    if isinstance(value, (list, dict)):
        if not value:
            raise ValueError("must not be empty, as it is part of the path")
        for item in value.values() if isinstance(value, dict) else value:
            _refuse_blank(item)
        return
    text = text_of(value)
    if not text.strip():
        raise ValueError("must not be empty or blank, as it is part of the path")
    if _climbs(text):
        raise ValueError("must not hold the path segments '.' or '..', not even encoded")


def _climbs(text: str) -> bool:
    while (decoded := unquote(text)) != text:  # some servers decode more than once
        text = decoded
    return any(segment.strip() in (".", "..") for segment in re.split(r"[/\\]", text))


def _fill(template: str, variables: Mapping[str, str]) -> str:
    pieces = re.split(r"\{([^{}]*)\}", template)
    missing = [name for name in pieces[1::2] if name not in variables]
    if missing:
        raise InvalidArguments([f"{name}: required, as it is part of the path" for name in missing])
    pieces[::2] = [quote(piece, safe=_LITERAL_PATH) for piece in pieces[::2]]
    pieces[1::2] = [variables[name] for name in pieces[1::2]]
    path = "".join(pieces)
    if variables and _climbs(path):  # two values side by side, each of them harmless
        raise InvalidArguments(["arguments: together they make a path segment '.' or '..'"])
    return path


def _styled(marker: Query | Form, value: Any) -> list[str]:
    """The pairs of a query parameter or form property."""
    safe = _RESERVED_IN_QUERY if marker.allow_reserved else ""
    return _pairs(marker.name, value, marker.style, marker.explode, marker.content, safe, marker.nested)


def _pairs(
    name: str, value: Any, style: str, explode: bool, content: str, safe: str = "", nested: str = ""
) -> list[str]:
    """The `name=value` pairs of one query parameter, cookie or form property, encoded. An empty array gives none."""
    key = quote(name, safe="")
    if content:
        text = quote(_content(value, content), safe="")
        return [f"{key}={text}" if name else text]  # without a name it is the whole query string
    if style == "deepObject":
        return [f"{quote(path, safe='')}={quote(text_of(item), safe=safe)}" for path, item in _deep(name, value)]
    if not isinstance(value, (list, dict)):
        return [f"{key}={quote(text_of(value), safe=safe)}"]
    if not value:
        return []
    items = _items(value, explode, safe, nested)
    if explode:
        return items if isinstance(value, dict) else [f"{key}={item}" for item in items]
    return [f"{key}={_separator(style).join(items)}"]


def _plain_cookies(marker: Cookie, value: Any) -> list[str]:
    """The `name=value` pairs of the style that encodes nothing, of what a cookie may hold (RFC 6265, 4.1.1)."""
    items = _items(value, marker.explode, None)
    if not marker.explode or not isinstance(value, (list, dict)):
        items = [f"{marker.name}={','.join(items)}"] if items else []
    elif isinstance(value, list):
        items = [f"{marker.name}={item}" for item in items]
    if any(_BREAKS_COOKIE.search(item) for item in items):
        raise ValueError('must not hold blanks, quotes, ";", "\\" or anything but ASCII, as it is sent in a cookie')
    return items


def _deep(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    """`a[b][c]`; plain values of an array are `a[]` each, objects and arrays in it are numbered.

    OpenAPI leaves this undefined; it is what PHP, Rack, qs and the vendors that use such forms (Stripe) read.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _deep(f"{path}[{key}]", item)
    elif isinstance(value, list):
        numbered = _nested(value)
        for index, item in enumerate(value):
            yield from _deep(f"{path}[{index if numbered else ''}]", item)
    else:
        yield path, value


def _header_value(marker: Header | PartHeader, value: Any) -> bytes:
    items = _items(value, marker.explode, None, marker.nested)
    text = _content(value, marker.content) if marker.content else _separator(marker.style, plain=True).join(items)
    text = text.strip(" \t")  # blanks around a value are not part of it (RFC 9110, 5.5)
    if _BREAKS_HEADER.search(text):
        raise ValueError("must not hold line breaks or control characters, as it is sent in a header")
    return text.encode()


# --- bodies -----------------------------------------------------------------------------------------------------------


class _Body:
    """Collects the arguments that make up the body; which kind of body it is, the tool's markers say."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.content_type = operation.body
        self.given = False
        self.kind: type[Marker] = Json
        self.whole: Any = None
        self.tree: dict[str, Any] | None = {}
        self.named: set[tuple[str, ...]] = set()
        self.pairs: list[str] = []
        self.parts: list[_Part] = []
        self.part_headers: dict[str, list[tuple[str, bytes]]] = {}
        self.elements: dict[str, tuple[str, str]] = {}  # a property of an XML body: attributes and content

    def expect(self, marker: Marker) -> None:
        """Learn a marker of the tool, whether or not its argument is given."""
        if isinstance(marker, (Form, Part, Raw, JsonLines)):
            self.kind = type(marker)
        elif isinstance(marker, Json):
            self.named.add(marker.keys)

    def add(self, marker: Marker, value: Any) -> None:
        self.given = True
        match marker:
            case PartHeader():
                self.part_headers.setdefault(marker.part, []).append((marker.name, _header_value(marker, value)))
            case JsonLines():
                start = "\x1e" if self.content_type.split(";")[0].strip().lower().endswith("json-seq") else ""
                self.whole = "".join(f"{start}{_json(item)}\n" for item in value).encode()
            case Xml():
                self._xml(marker.name, value)
            case Json(keys=()):
                self.whole, self.tree = value, None
            case Json():
                self._object(marker.keys[:-1])[marker.keys[-1]] = value
            case JsonRest():
                for key in value or {}:
                    if (*marker.keys, key) in self.named:
                        raise ValueError(f"must not hold {key!r}, which is an argument of its own")
                self._object(marker.keys).update(value or {})
            case Form():
                many = marker.content and marker.explode and isinstance(value, list)
                for item in value if many else [value]:
                    self.pairs += _styled(marker, item)
            case Part():
                many = marker.explode and isinstance(value, list)
                parts = [_part(marker, item) for item in (value if many else [value])]
                self.parts = [*parts, *self.parts] if marker.root else [*self.parts, *parts]
            case Raw(base64=True):
                media_type, _, self.whole = decode_file("" if value is None else value)
                if "*" in self.content_type or not self.content_type:
                    self.content_type = media_type or "application/octet-stream"
            case Raw():
                self.whole = text_of(value).encode()

    def _object(self, keys: tuple[str, ...]) -> dict[str, Any]:
        node = self.tree = {} if self.tree is None else self.tree
        for key in keys:
            node = node.setdefault(key, {})
        return node

    def _xml(self, name: str, value: Any) -> None:
        from . import xmlbody  # few servers need it

        root = self.operation.xml
        assert root is not None
        if name:
            (node,) = (n for n in root.inside if n.key == name)
            self.elements[name] = xmlbody.write(node, value)
        else:
            self.whole = xmlbody.write(root, value)[1]

    def problems(self) -> list[str]:
        """What is wrong with the arguments taken together."""
        given = {part.name for part in self.parts}
        return [f"{n}: must be given too, as headers of it are" for n in self.part_headers if n not in given]

    def finish(self) -> tuple[str, bytes | None]:
        """Content-Type and content; no content when nothing was given and nothing is required."""
        if not self.given and not (self.operation.body_required and self.operation.body):
            return "", None
        if self.kind is Form:
            return self.content_type, "&".join(self.pairs).encode()
        if self.kind is Part:
            boundary = secrets.token_hex(16)
            kind = self.content_type
            if kind.lower() == "multipart/related" and self.parts:
                kind += f'; type="{self.parts[0].media_type or "text/plain"}"'  # RFC 2387, 3.1
            return f"{kind}; boundary={boundary}", _multipart(self.parts, self.part_headers, boundary)
        if self.kind is Raw or self.kind is JsonLines:
            return self.content_type, self.whole or b""
        if self.operation.xml is not None:
            from . import xmlbody

            return self.content_type, xmlbody.document(self.operation.xml, self.elements, self.whole)
        if self.tree is not None:
            self._object(self.operation.wrapper)
        return self.content_type or "application/json", _json(self.whole if self.tree is None else self.tree).encode()


@dataclass(slots=True)
class _Part:
    name: str
    file_name: str
    media_type: str
    content: bytes
    headers: tuple[tuple[str, str], ...]


def _part(marker: Part, value: Any) -> _Part:
    file_name, media_type, content = _part_content(marker, value)
    return _Part(marker.name, file_name, media_type, content, marker.headers)


def _part_content(marker: Part, value: Any) -> tuple[str, str, bytes]:
    declared = marker.content if _MEDIA_TYPE.fullmatch(marker.content) and "*" not in marker.content else ""
    if marker.file:
        media_type, name, content = decode_file("" if value is None else value)
        return name or marker.name, media_type or declared or "application/octet-stream", content
    if declared and not (declared.startswith("text/plain") and isinstance(value, (dict, list))):
        return "", declared, _content(value, declared).encode()
    if isinstance(value, list) and (marker.nested or not _nested(value)):
        return "", "", _separator(marker.style, plain=True).join(_items(value, False, None, marker.nested)).encode()
    media_type = "application/json" if isinstance(value, (dict, list)) else ""
    return "", media_type, text_of(value).encode()


def decode_file(value: Any) -> tuple[str, str, bytes]:
    """Media type, file name and bytes of a file argument: base64, or a `data:` URL (RFC 2397) that may name both."""
    if not isinstance(value, str):
        raise TypeError("must be a string: the file in base64, or a data: URL")
    if value[:5].lower() != "data:":
        return "", "", _base64(value)
    head, comma, data = value[5:].partition(",")
    if not comma:
        raise ValueError("is a data: URL without a comma; write data:text/plain,hello or data:image/png;base64,AAAA")
    media_type, *parameters = [part.strip() for part in head.split(";")]
    media_type = media_type or "text/plain"
    encoded = bool(parameters) and parameters[-1].lower() == "base64"
    file_name = ""
    for parameter in parameters:
        key, equals, text = parameter.partition("=")
        if key.lower() in ("name", "filename"):
            file_name = unquote(text).strip('"')
        elif equals:
            media_type += f";{parameter}"
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ValueError("is a data: URL with a media type that is none; write it as type/subtype")
    return media_type, file_name, _base64(unquote(data)) if encoded else unquote_to_bytes(data)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64; give the file in base64, or plain text as data:text/plain,hello") from None


def _multipart(parts: Iterable[_Part], given: Mapping[str, list[tuple[str, bytes]]], boundary: str) -> bytes:
    """RFC 7578, with names quoted as browsers do. The headers `given` are for every part of a name."""
    chunks: list[bytes] = []
    for part in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(part.name)}"'
        if part.file_name:
            head += f'; filename="{_quoted(part.file_name)}"'
        if part.media_type:
            head += f"\r\nContent-Type: {part.media_type}"
        headers = [(name, value.encode()) for name, value in part.headers] + given.get(part.name, [])
        more = [b"\r\n%s: %s" % (name.encode(), value) for name, value in headers]
        chunks += [head.encode(), *more, b"\r\n\r\n", part.content, b"\r\n"]
    return b"".join([*chunks, f"--{boundary}--\r\n".encode()])


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
