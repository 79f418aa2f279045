"""Turns the parameters and the request body of one operation into drafts of arguments and their places on the wire.

Sources: OpenAPI 3.1.1, "Parameter Object", "Style Values", "Request Body Object", "Media Type Object", "Encoding
Object"; OpenAPI 3.2.0, "Sequential Media Types"; RFC 9110 section 8.3; RFC 7578; RFC 2387; RFC 2397; RFC 7464.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from .problems import Problem
from .schemas import Defect, Place, Schemas, Shape, clean
from .spec import RawOperation, Spec, escape
from .xmlnodes import Unclear, XmlNodes

__all__ = ["Binder", "Body", "Draft", "plain_path"]

_NOT_ARGUMENTS = frozenset({"accept", "content-type", "authorization"})
"""Header parameters that OpenAPI says are ignored (3.1.1, "Parameter Object", `name`)."""

_NOT_SENDABLE = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
)
"""Header fields that belong to the connection, not to the request (RFC 9110 section 7.6.1)."""

_OWN_PART_HEADERS = frozenset({"content-disposition", "content-transfer-encoding"})
"""Header fields of a part that follow from its content and name; files are sent as they are (RFC 7578, 4.7)."""

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_NO_FIELD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no value of a header can hold (RFC 9110 section 5.5)."""

_STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
_STYLES_3_2 = _STYLES | {"querystring": (), "cookie": ("form", "cookie")}

_FILES = ("image/", "audio/", "video/", "application/octet-stream", "application/pdf", "application/zip")
"""Media types whose content no text can be."""

_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+[\t -~]*")
"""A media type and its parameters (RFC 9110 section 8.3.1), or a range."""

_DELIMITED = {"ssv": "spaceDelimited", "pipes": "pipeDelimited", "tsv": "tabDelimited"}
"""What OpenAPI 2.0 says of lists in places where 3.x has no style for it; the runtime knows these styles anywhere."""

_LISTS_IN_LISTS = {"csv": "form", **_DELIMITED}

_LINES = re.compile(r"[a-z]+/(?:x-)?(?:ndjson|jsonl|json-?lines)|.*[/+]json-seq")
"""Media types that hold a JSON value a line, or a record."""

_MARKERS = {"path": "Path", "query": "Query", "header": "Header", "cookie": "Cookie"}

_FILE_HINT = "Base64, or a data: URL (RFC 2397), which may also say the media type and name."


_WRAPPERS = 3
"""How many single-key objects around a body are opened."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An argument before names are settled and types are written."""

    place: str
    wire: str
    marker_source: str
    site: Place
    required: bool
    shape: Shape
    schema: dict[str, Any] | None = None
    type_source: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """How the request body is sent."""

    media_type: str = ""
    required: bool = False
    wrapper: tuple[str, ...] = ()
    drafts: tuple[Draft, ...] = ()
    xml: str = ""
    """The source of the root node of an XML body."""


class Binder:
    """Reads requests; what it has to say about the document on the way goes to `notes`."""

    def __init__(self, spec: Spec, schemas: Schemas, notes: list[Problem]) -> None:
        self._styles = _STYLES_3_2 if spec.version.startswith("3.2") else _STYLES
        self._spec, self._schemas, self._notes = spec, schemas, notes
        self._xml = XmlNodes(spec, schemas)

    def parameters(
        self, raw: RawOperation, credentials: Collection[tuple[str, str]]
    ) -> tuple[list[Draft], tuple[tuple[str, str], ...]]:
        """Return the arguments that the parameters of an operation stand for, and its constant headers.

        `credentials` are the places (place, lower-case name) that the operation's credentials take.
        """
        found: dict[tuple[str, str], tuple[Mapping[str, Any], str]] = {}
        for holder, pointer in ((raw.item, raw.item_pointer), (raw.node, raw.pointer)):
            stated = holder.get("parameters")
            if stated is None:
                continue
            if not isinstance(stated, list):
                raise Defect(f"{pointer}/parameters", "`parameters` must be a list")
            for index, item in enumerate(stated):
                node, at = self._spec.deref(item, f"{pointer}/parameters/{index}")
                place, name = self._identity(node, at)
                found[place, name.lower() if place == "header" else name] = (node, at)
        template = self._template(raw)
        literal_query = raw.path.split("#")[0].partition("?")[2]
        fixed = {unquote(pair.partition("=")[0]) for pair in literal_query.split("&")}
        drafts, headers = [], []
        for (place, _), (node, at) in sorted(found.items(), key=lambda item: item[0]):
            name = node["name"]
            if place == "header" and name.lower() in _NOT_ARGUMENTS:
                if name.lower() == "accept" and (value := self._constant(node, at)):
                    headers.append(("Accept", value))
                continue
            if place == "query" and name in fixed:
                continue  # the path says its value: /ips?networks=all
            if (place, name.lower()) in credentials:
                continue
            if place == "header" and (name.lower() in _NOT_SENDABLE or not _FIELD_NAME.fullmatch(name)):
                if node.get("required") is True and name.lower() not in _NOT_SENDABLE:
                    raise Defect(at, f"{name!r} cannot be the name of a header (RFC 9110 section 5.1)")
                message = f"the header `{name}` cannot be sent as an argument"
                self._notes.append(Problem(message, at))
                continue
            if place == "path" and name not in template:
                message = f"the path has no {{{name}}}; the parameter is left out"
                self._notes.append(Problem(message, at, "correct the name of the parameter, or the path"))
                continue
            if place == "querystring":
                drafts += self._query_string(name, node, at)
            else:
                drafts.append(self._parameter(place, name, node, at))
        declared = {d.wire for d in drafts if d.place == "path"}
        for name in template:
            if name not in declared:
                raise Defect(raw.pointer, f"the path parameter `{name}` is not declared")
        return drafts, tuple(headers)

    def _template(self, raw: RawOperation) -> list[str]:
        """Return the names of the path's parameters, if the path can be filled in and sent as it is written."""
        path, _, query = plain_path(raw.path).split("#")[0].partition("?")
        rest = re.sub(r"\{[^{}/]+\}", "x", path)
        if set("{}") & set(rest + query):
            raise Defect(
                raw.pointer, "the path has braces that are no parameter of the path (OpenAPI, Path Templating)"
            )
        while (decoded := unquote(rest)) != rest:  # as the runtime reads it, `_climbs`
            rest = decoded
        if any(part.strip() in (".", "..") for part in re.split(r"[/\\]", rest)):
            raise Defect(
                raw.pointer, "the path has a dot segment, which leads to another path (RFC 3986 section 5.2.4)"
            )
        return re.findall(r"\{([^{}/]+)\}", path)

    def _identity(self, node: Any, at: str) -> tuple[str, str]:
        if not isinstance(node, dict):
            raise Defect(at, f"a parameter must be an object, this is {json.dumps(node)[:40]}")
        place, name = node.get("in"), node.get("name")
        if not isinstance(name, str) or not name:
            raise Defect(at, "the parameter has no `name`")
        if place not in self._styles:
            *first, last = self._styles
            must = f"{', '.join(first)} or {last}"
            raise Defect(at, f"the parameter `{name}` says in: {json.dumps(place)}; it must be {must}")
        return place, name

    def _constant(self, node: Mapping[str, Any], at: str, *, chosen: bool = True) -> str:
        """Return the value of a header that the document fixes: its only value, or its default.

        `chosen` tells whether a default is taken although the document names other values too.
        """
        schema, _ = self._spec.deref(node.get("schema", {}), f"{at}/schema")
        if not isinstance(schema, dict):
            return ""
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        values = values if isinstance(values, list) else []
        value = values[0] if len(values) == 1 else None if values and not chosen else schema.get("default")
        return value if isinstance(value, str) and value.isprintable() and value.isascii() else ""

    def _parameter(self, place: str, name: str, node: Mapping[str, Any], at: str) -> Draft:
        required = node.get("required") is True
        if place == "path" and not required:
            self._notes.append(
                Problem(f"the path parameter `{name}` must say required: true; it is taken as required", at)
            )
            required = True
        content = node.get("content")
        options: dict[str, Any] = {}
        if isinstance(content, dict) and content:
            media_type, site, _, _ = self._content(content, at)
            options["content"] = media_type
        elif "schema" in node:
            site = self._schemas.place(f"{at}/schema")
            options = self._style(place, name, node, at)
        else:
            raise Defect(at, f"the parameter `{name}` has neither a schema nor content")
        shape = self._checked(site)
        values = [v for v in shape.enum or () if isinstance(v, str)]
        if place == "header" and any(map(_NO_FIELD_VALUE.search, values)):
            raise Defect(at, f"the header `{name}` has a value that no header can carry (RFC 9110 section 5.5)")
        if isinstance(node.get("description"), str):
            site = site._replace(description=node["description"])
        elif not site.description:
            site = site._replace(description=shape.description)
        if node.get("deprecated") is True:
            site = site._replace(description=f"[DEPRECATED] {site.description}".strip())
        if shape.nullable and not required:
            options["null"] = True
        marker = _call(_MARKERS[place], name, **options)
        return Draft(place, name, marker, site, required, shape)

    def _content(self, content: Mapping[str, Any], at: str) -> tuple[str, Place, Mapping[str, Any], str]:
        """Return the media type of a parameter, its schema, and its Media Type Object with the place of that."""
        media_type = next((m for m in sorted(content) if _is_json(m)), min(content))
        media, media_at = self._spec.deref(content[media_type], f"{at}/content/{escape(media_type)}")
        return media_type, self._site(media, media_at), media if isinstance(media, dict) else {}, media_at

    def _query_string(self, name: str, node: Mapping[str, Any], at: str) -> list[Draft]:
        """Return the arguments for a whole query string (OpenAPI 3.2.0, "Parameter Locations").

        The fields of a form stand side by side, as query parameters do; anything else is one argument.
        """
        content = node.get("content")
        if not isinstance(content, dict) or not content:
            raise Defect(at, f"the parameter `{name}` is a whole query string and has no content")
        media_type, site, media, media_at = self._content(content, at)
        shape = self._checked(site)
        required = node.get("required") is True
        form = _base_type(media_type) == "application/x-www-form-urlencoded"
        if form and shape.is_class and self._opens(shape, required):
            return [
                replace(draft, place="query", marker_source=draft.marker_source.replace("Form(", "Query(", 1))
                for draft in self._form_body(shape, media, media_at)
            ]
        if form and shape.type != "object":
            raise Defect(media_at, "a query string that is a form needs an object")
        about = node.get("description")
        site = site._replace(description=about if isinstance(about, str) else site.description or shape.description)
        marker = _call("Query", "", **({} if form else {"content": media_type}))
        return [Draft("query", name, marker, site, required, shape)]

    def _style(self, place: str, name: str, node: Mapping[str, Any], at: str) -> dict[str, Any]:
        """Return the options of a marker that differ from the place's defaults (OpenAPI, "Style Values")."""
        style = node.get("style", _STYLES[place][0])
        if style not in self._styles[place]:
            raise Defect(f"{at}/style", f"{json.dumps(style)} is no style of a {place} parameter")
        explode = node.get("explode")
        if not isinstance(explode, bool):
            explode = style in ("form", "cookie")
        options: dict[str, Any] = {}
        if style != _STYLES[place][0]:
            options["style"] = style
        if explode != (place in ("query", "cookie")):
            options["explode"] = explode
        if (delimited := _DELIMITED.get(node.get("x-collection-format", ""))) and place != "cookie":
            options["style"] = delimited
        if node.get("allowReserved") is True and place == "query":
            options["allow_reserved"] = True
        return options | self._nested(node, at)

    def _nested(self, node: Mapping[str, Any], at: str) -> dict[str, Any]:
        """Return how lists in a list are written, if OpenAPI 2.0 says it (`collectionFormat` of `items`)."""
        stated = node.get("x-collection-format-items")
        if not isinstance(stated, list):
            return {}
        if len(set(stated)) > 1 or stated[0] not in _LISTS_IN_LISTS:
            raise Defect(at, f"lists in lists that are written as {' and '.join(stated)} cannot be told apart")
        return {"nested": _LISTS_IN_LISTS[stated[0]]}

    def _site(self, media: Any, at: str) -> Place:
        """Return the schema of a Media Type Object; one without a schema admits everything."""
        if isinstance(media, dict) and "schema" in media:
            return self._schemas.place(f"{at}/schema")
        return self._schemas.anything(at)

    def _checked(self, site: Place) -> Shape:
        """Return the shape of `site` after reaching all that it leads to, so that defects show now."""
        if self._schemas.endless(site):
            raise Defect(site.key[0], "a value of this schema must hold another of its kind, without end")
        return self._schemas.shape(site)

    # -- bodies ------------------------------

    def media_types(self, raw: RawOperation) -> list[str]:
        """Return the media types that the body of an operation may have."""
        node, _ = self._spec.deref(raw.node.get("requestBody", {}), f"{raw.pointer}/requestBody")
        content = node.get("content") if isinstance(node, dict) else None
        return [m for m in content if _MEDIA_TYPE.fullmatch(m)] if isinstance(content, dict) else []

    def body(self, raw: RawOperation, pinned: str = "") -> Body:
        """Return how the body is sent; of several media types as the one that is `pinned`."""
        stated = raw.node.get("requestBody")
        if stated is None:
            return Body()
        node, at = self._spec.deref(stated, f"{raw.pointer}/requestBody")
        if not isinstance(node, dict):
            raise Defect(at, "`requestBody` must be an object")
        content = node.get("content")
        if not isinstance(content, dict) or not content:
            if node.get("required") is True:
                raise Defect(at, "the request body is required but has no media type")
            self._notes.append(Problem("the request body has no media type; the tool sends none", at))
            return Body()
        media_type = pinned or _best([m for m in content if _MEDIA_TYPE.fullmatch(m)] or list(content))
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise Defect(at, f"{json.dumps(media_type)[:60]} is no media type")
        media, media_at = self._spec.deref(content[media_type], f"{at}/content/{escape(media_type)}")
        site = self._site(media, media_at)
        shape = self._checked(site)
        required = node.get("required") is True
        base = _base_type(media_type)
        note = node.get("description")
        if isinstance(note, str) and not site.description:
            site = site._replace(description=note)
        sent = _sendable(media_type, shape)
        # A body with required properties that forgets `required: true` is asked for: POST, PUT and PATCH without the
        # body they describe are no calls that anybody means (103 of PagerDuty's 175 bodies forget it).
        asked = required or (bool(shape.required) and raw.method in ("POST", "PUT", "PATCH"))
        xml = ""
        if _is_json(sent):
            wrapper, drafts = self._json_body(site, shape, asked)
        elif base == "application/x-www-form-urlencoded" or base.startswith("multipart/"):
            if shape.type == "object" and not shape.properties and not isinstance(shape.extra, Place):
                return Body()  # a form without fields
            if not shape.is_class:
                said = {"": "a schema that admits anything", "union": "alternatives"}.get(shape.type, shape.type)
                raise Defect(media_at, f"a body of type {base} needs an object with properties, and this is {said}")
            multipart = base if base != "application/x-www-form-urlencoded" else ""
            sent = re.sub(r";\s*boundary=[^;]*", "", sent) if multipart else sent
            asked = required or bool(shape.required)  # there is no other way to say that all of it may be left out
            wrapper, drafts = (), self._form_body(self._form(shape, media_at), media, media_at, multipart=multipart)
        elif (lines := self._lines_body(site, shape, media, media_at, base, asked)) is not None:
            wrapper, drafts = (), [lines]
        elif _is_xml(sent) and (root := self._xml_root(f"{media_at}/schema", site, sent)):
            wrapper, drafts, xml = (), self._xml_body(site, shape, asked), root
        else:
            if _is_xml(sent):
                words = self._xml_words(f"{media_at}/schema", site, shape, sent)
                site = site._replace(description=words)
            wrapper, drafts = (), self._raw_body(site, shape, sent, required)
        return Body(sent, asked, wrapper, tuple(drafts), xml)

    def _opens(self, shape: Shape, asked: bool) -> bool:
        """Tell whether an object's properties may stand side by side with the parameters and nothing is lost."""
        return (
            shape.is_class
            and not shape.nullable
            and not shape.rest
            and not shape.limits
            and (asked or not shape.required)
            and not (shape.required - shape.properties.keys())
        )

    def _json_body(self, site: Place, shape: Shape, asked: bool) -> tuple[tuple[str, ...], list[Draft]]:
        """Return the wrappers that are sent even when there is nothing to put in, and the arguments."""
        wrapper: tuple[str, ...] = ()
        needed: tuple[str, ...] = ()
        while self._opens(shape, asked):
            if len(shape.properties) == 1 and not isinstance(shape.extra, Place):
                ((name, inner),) = shape.properties.items()
                inside = self._schemas.shape(inner)
                must = asked and name in shape.required
                if self._opens(inside, must) and len(wrapper) < _WRAPPERS:
                    if needed == wrapper and name in shape.required:
                        needed += (name,)
                    wrapper += (name,)
                    shape, asked = inside, must
                    continue
            return needed, self._properties(shape, wrapper)
        if wrapper:
            raise AssertionError("a wrapper was opened around what does not open")
        options = {"null": True} if shape.nullable and not asked else {}
        about = site.description.strip() or "The request body."
        if forms := self._forms(shape):
            about += f"{'' if about.endswith(('.', '!', '?', ':')) else '.'} {forms}"
        site = site._replace(description=about)
        return (), [Draft("body", "body", _call("Json", **options), site, asked, shape)]

    def _forms(self, shape: Shape) -> str:
        """Return in words how the forms of a union of objects are told apart; empty where nothing tells."""
        forms = [self._schemas.shape(m) if isinstance(m, Place) else m for m in shape.members]
        if len(forms) < 2 or not all(f.is_class for f in forms):
            return ""
        for tag in sorted(frozenset.intersection(*(f.required for f in forms))):
            values = [self._schemas.shape(f.properties[tag]).enum for f in forms if tag in f.properties]
            said = [json.dumps(v, ensure_ascii=False) for enum in values for v in enum or ()]
            if len(values) == len(forms) and all(values) and len(set(said)) == len(said):
                told = [
                    f"{' or '.join(json.dumps(v, ensure_ascii=False) for v in enum or ())} needs "
                    f"{', '.join(f'`{n}`' for n in sorted(form.required - {tag})) or 'no more'}"
                    for enum, form in zip(values, forms, strict=True)
                ]
                return clean(f"It has one of {len(forms)} forms, which `{tag}` tells apart: {'; '.join(told)}.", 600)
        needs = sorted({", ".join(f"`{n}`" for n in sorted(f.required)) for f in forms})
        if len(needs) == len(forms) and all(needs):
            return clean(f"It has one of {len(forms)} forms, told apart by what they need: {'; or '.join(needs)}.", 600)
        return ""

    def _properties(self, shape: Shape, wrapper: tuple[str, ...]) -> list[Draft]:
        drafts = self._fields("Json", shape, *wrapper)
        if isinstance(shape.extra, Place):
            drafts.append(self._extra(shape, _call("JsonRest", *wrapper)))
        return drafts

    def _fields(self, marker: str, shape: Shape, *above: str) -> list[Draft]:
        """Return an argument for each property of an object, bound by `marker` to its name below `above`."""
        drafts = []
        for name, place in shape.properties.items():
            inner = self._schemas.shape(place)
            required = name in shape.required
            options = {"null": True} if inner.nullable and not required else {}
            drafts.append(Draft("body", name, _call(marker, *above, name, **options), place, required, inner))
        return drafts

    def _extra(self, shape: Shape, marker: str) -> Draft:
        """Return the argument that takes the properties an object admits beyond those it names."""
        assert isinstance(shape.extra, Place)
        about = "Further properties of the request body, by name."
        bag = Shape(shape.extra.key, "object", description=about, extra=shape.extra)
        return Draft("body", "additional_properties", marker, Place((), about), False, bag)

    def _xml_root(self, pointer: str, site: Place, media_type: str) -> str:
        """Return the source of the root node of an XML body; empty when the document leaves open how to write it."""
        charset = re.search(r";\s*charset=\"?([^\s;\"]+)", media_type.lower())
        if charset and charset[1] != "utf-8":
            return ""
        try:
            return self._xml.root(pointer, site)
        except Unclear:
            return ""

    def _xml_words(self, pointer: str, site: Place, shape: Shape, media_type: str) -> str:
        """Return what is said of an XML body that the model writes itself."""
        stated = site.description or shape.description
        if (name := self._xml.root_name(pointer)) and shape.type == "object":
            return f"{stated or f'The request body, of type {media_type}.'} Its root element is `{name}`."
        return f"{stated} As an XML document." if stated else ""

    def _xml_body(self, site: Place, shape: Shape, asked: bool) -> list[Draft]:
        if not self._opens(shape, asked):
            site = site if site.description else site._replace(description="The request body.")
            return [Draft("body", "body", _call("Xml"), site, asked, shape)]
        return self._fields("Xml", shape)

    def _lines_body(self, site: Place, shape: Shape, media: Any, at: str, base: str, asked: bool) -> Draft | None:
        """Return the list whose items are the lines of a body; None for a body that is no list, or of no such type."""
        items = None
        if isinstance(media, dict) and "itemSchema" in media:
            items = self._schemas.place(f"{at}/itemSchema")
            self._checked(items)
        if not _LINES.fullmatch(base) or not (shape.type == "array" or (items and not shape.type)):
            return None
        if items and shape.items:
            items = shape.items._replace(key=tuple(dict.fromkeys(shape.items.key + items.key)))
        about = site.description or shape.description or "The request body: one item a line."
        shape = replace(shape, type="array", nullable=False, description=about, items=items or shape.items)
        return Draft("body", "body", _call("JsonLines"), Place((), about), asked, shape)

    def _form(self, shape: Shape, at: str) -> Shape:
        """Return a form with all the fields that it requires; what else it demands of them together is noted."""
        if shape.rest or shape.limits:
            demands = ", ".join(sorted({*shape.rest, *shape.limits}))
            message = f"what the form says with {demands} cannot stand beside its fields; the API has to check it"
            self._notes.append(Problem(message, at))
        if isinstance(shape.extra, Place):
            self._notes.append(Problem("the form admits further fields, which no argument takes", at))
        missing = sorted(shape.required - shape.properties.keys())
        unknown = {n: self._schemas.anything(f"{at}/schema/properties/{escape(n)}") for n in missing}
        return replace(shape, properties={**unknown, **shape.properties})

    def _form_body(self, shape: Shape, media: Mapping[str, Any], at: str, *, multipart: str = "") -> list[Draft]:
        """Return the fields of a form; `multipart` is the media type of one that is."""
        encodings = media.get("encoding")
        encodings = encodings if isinstance(encodings, dict) else {}
        drafts = []
        # The first part of multipart/related is its root (RFC 2387): there the order in the document means something.
        first = next(iter(self._xml.properties(f"{at}/schema")), "") if multipart == "multipart/related" else ""
        for name, place in shape.properties.items():
            inner = self._schemas.shape(place)
            encoding = encodings.get(name)
            encoding = encoding if isinstance(encoding, dict) else {}
            required = name in shape.required
            where = f"{at}/encoding/{escape(name)}"
            if multipart:
                options = self._part(inner, encoding, where, multipart)
                constant, headers = self._part_headers(name, encoding, where, required)
                drafts += headers
                options |= {"headers": constant} if constant else {}
                options |= {"root": True} if name == first else {}
            else:
                options = self._pair(inner, encoding, where)
            if inner.nullable and not required:
                options["null"] = True
            marker = _call("Part" if multipart else "Form", name, **options)
            if options.get("file"):
                about = place.description or inner.description
                place = place._replace(description=f"{about} {_FILE_HINT}".strip())
                drafts.append(self._file(Draft("body", name, marker, place, required, inner)))
            else:
                drafts.append(Draft("body", name, marker, place, required, inner))
        return drafts

    def _file(self, draft: Draft) -> Draft:
        """Return a file's argument, which is a string, or a list of them, also where only an encoding says it."""
        shape = draft.shape
        many = shape.type == "array" and shape.items is not None
        item = self._schemas.shape(shape.items) if many and shape.items is not None else shape
        if item.format or item.enum or item.nullable or shape.nullable:
            return draft
        schema: dict[str, Any] = {"type": "string", "contentEncoding": "base64"}
        schema = {"type": "array", "items": schema} if many else schema
        schema = {"description": clean(draft.site.description), **schema}
        return replace(draft, schema=schema, type_source="list[str]" if many else "str")

    def _part_headers(
        self, name: str, encoding: Mapping[str, Any], at: str, needed: bool
    ) -> tuple[tuple[tuple[str, str], ...], list[Draft]]:
        """Return the headers of a part that the document fixes, and arguments for the others (but Content-Type)."""
        constants, drafts = [], []
        stated = encoding.get("headers")
        stated = stated if isinstance(stated, dict) else {}
        for header in sorted(stated):
            node, where = self._spec.deref(stated[header], f"{at}/headers/{escape(header)}")
            if header.lower() == "content-type":
                continue
            if not isinstance(node, dict):
                raise Defect(where, "a header must be an object")
            if header.lower() in _OWN_PART_HEADERS or not _FIELD_NAME.fullmatch(header):
                self._notes.append(Problem(f"the header `{header}` of a part cannot be set", where))
                continue
            if value := self._constant(node, where, chosen=False):
                constants.append((header, value))
                continue
            if not {"schema", "content"} & node.keys() and node.get("required") is not True:
                self._notes.append(Problem(f"the header `{header}` of a part has neither a schema nor content", where))
                continue
            draft = self._parameter("header", header, {"description": "", **node, "name": header}, where)
            about = draft.site.description or f"The header {header} of `{name}`."
            if draft.required and not needed:
                about = f"{about} Required when `{name}` is given."
            marker = draft.marker_source.replace("Header(", f"PartHeader({name!r}, ", 1)
            site = draft.site._replace(description=about)
            wire = f"{name}_{header}"
            drafts.append(
                replace(
                    draft, place="body", wire=wire, marker_source=marker, site=site, required=draft.required and needed
                )
            )
        return tuple(constants), drafts

    def _pair(self, shape: Shape, encoding: Mapping[str, Any], at: str) -> dict[str, Any]:
        """Return how one property of an urlencoded body is written (OpenAPI 3.1.1, "Encoding Object")."""
        if any(k in encoding for k in ("style", "explode", "allowReserved")):
            reserved = {"allow_reserved": True} if encoding.get("allowReserved") is True else {}
            return _delimited(encoding, at) | reserved | self._nested(encoding, at)
        content = encoding.get("contentType")
        if isinstance(content, str) and _is_json(content):
            return {"content": content}
        return {"content": "application/json"} if self._structured(shape) else {}

    def _part(self, shape: Shape, encoding: Mapping[str, Any], at: str, media_type: str) -> dict[str, Any]:
        """Return how one property of a multipart body is written."""
        item = self._schemas.shape(shape.items) if shape.type == "array" and shape.items is not None else shape
        content = encoding.get("contentType")
        options: dict[str, Any] = {}
        media = str(content).split(",")[0].strip() if isinstance(content, str) else ""
        if _is_binary(item) or (item.type in ("", "string") and media.startswith(_FILES)):
            options["file"] = True
        elif (
            any(k in encoding for k in ("style", "explode"))
            and shape.type == "array"
            and not self._structured(item)
            and media_type == "multipart/form-data"
            and not self._spec.declared_version.startswith("3.0")  # where it is for urlencoded bodies only
        ):
            return _delimited(encoding, at) | self._nested(encoding, at)
        if media and "*" not in media:
            options["content"] = media
        elif not options and (self._structured(item) or (item is not shape and item.type == "array")):
            options["content"] = "application/json"  # the default for objects, and for lists within a list
        return options

    def _structured(self, shape: Shape) -> bool:
        """Tell whether a value of `shape` may be an object, or a list of objects: what JSON is for in a form."""
        if shape.type == "array":
            return shape.items is not None and self._structured(self._schemas.shape(shape.items))
        if shape.type == "union":
            return any(self._structured(self._schemas.shape(m) if isinstance(m, Place) else m) for m in shape.members)
        return shape.type == "object"

    def _raw_body(self, site: Place, shape: Shape, media_type: str, required: bool) -> list[Draft]:
        base = _base_type(media_type)
        text = base.startswith("text/") or base.endswith(("xml", "yaml", "csv")) or bool(_LINES.fullmatch(base))
        media = media_type.startswith(_FILES)
        textual = shape.format == "byte" or (shape.type == "string" and shape.format in ("", "base64") and not media)
        binary = not text and not textual
        about = site.description or shape.description or f"The request body, of type {media_type}."
        if binary:
            about = f"{about} {_FILE_HINT}"
        scalar = shape.type in ("string", "integer", "number", "boolean") and not shape.nullable
        if base == "text/plain" and scalar and shape.format not in ("binary", "byte", "base64"):
            return [Draft("body", "body", _call("Raw"), site._replace(description=about), required, shape)]
        whole = Shape(site.key, "string", description=about)
        schema: dict[str, Any] = {"description": clean(about), "type": "string"}
        if binary or shape.format in ("byte", "binary"):
            schema["contentEncoding"] = "base64"
        marker = _call("Raw", base64=True) if binary else _call("Raw")
        return [Draft("body", "body", marker, site._replace(description=about), required, whole, schema, "str")]


def _call(marker: str, *names: str, **options: Any) -> str:
    """Return the source of a marker: `Query('team_ids[]', explode=False)`."""
    inner = [repr(n) for n in names] + [f"{k}={v!r}" for k, v in options.items()]
    return f"{marker}({', '.join(inner)})"


def plain_path(path: str) -> str:
    """Return a path template without RFC 6570 operators: some write `{.id*}` where OpenAPI has `{id}` and a style."""
    return re.sub(r"\{[.;+#/?&]?([^{}/*]+)\*?\}", r"{\1}", path)


def _base_type(media_type: str) -> str:
    return media_type.split(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    base = _base_type(media_type)
    return base in ("application/json", "text/json") or base.endswith("+json")


def _is_xml(media_type: str) -> bool:
    base = _base_type(media_type)
    return base in ("application/xml", "text/xml") or base.endswith("+xml")


def _delimited(encoding: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return the options for an Encoding Object that says a style."""
    style = encoding.get("style", "form")
    if style not in _STYLES["query"]:
        raise Defect(f"{at}/style", f"{json.dumps(style)[:60]} is no style of a form's field")
    style = _DELIMITED.get(encoding.get("x-collection-format", ""), style)
    options: dict[str, Any] = {} if style == "form" else {"style": str(style)}
    return options if encoding.get("explode", style == "form") is True else {**options, "explode": False}


_PREFERENCE = (
    lambda m: m == "application/json",
    _is_json,
    lambda m: m in ("*/*", "application/*"),
    lambda m: m == "application/x-www-form-urlencoded",
    lambda m: m == "multipart/form-data",
    lambda m: m.startswith("multipart/"),
    lambda m: m.startswith("text/") or m.endswith(("+xml", "/xml", "yaml", "ndjson")),
)
"""What a model writes best comes first; the alphabet decides among equals, as no order of the document may."""


def _best(media_types: list[str]) -> str:
    """Return the media type to send."""
    for fits in _PREFERENCE:
        for media_type in sorted(media_types):
            if fits(_base_type(media_type)):
                return media_type
    return min(media_types)


def _sendable(media_type: str, shape: Shape) -> str:
    """Return a media type that can be sent for a range such as `*/*`; `image/*` stays, the file says which."""
    if "*" not in media_type:
        return media_type
    if media_type.startswith("text/"):
        return "text/plain"
    if media_type not in ("*/*", "application/*"):
        return media_type
    return "application/octet-stream" if _is_binary(shape) else "application/json"


def _is_binary(shape: Shape) -> bool:
    return shape.type == "string" and shape.format in ("binary", "base64", "file")
