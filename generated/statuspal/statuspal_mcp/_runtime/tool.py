"""Turns what a model sends into arguments that an operation may take, because the MCP SDK validates nothing.

A tool is a pydantic class: its fields are the arguments, the markers in their annotations say where each value goes
in the HTTP request. The class only judges; the raw JSON values are what travels, so that big integers, decimals and
keys nobody declared reach the API untouched.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import permutations
from typing import Any, ClassVar, TypeAlias, get_type_hints

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, SchemaError, SchemaValidator, core_schema

RESULT_LIMIT = 50_000
"""Characters that a result holds of an answer: with more, clients file it or refuse it (Claude Code: 25,000 tokens)."""


class Refused(Exception):
    """A call that ends before an answer; the text is written for the model, which can act on it."""


class InvalidArguments(Refused):
    """Arguments that cannot be sent. `problems` holds one line a problem, each starting with the argument's path."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Path:
    """A variable of the path template (OpenAPI styles simple, label, matrix).

    A `plain` one is an identifier: it has no slash and no blank, and is no null that became a text on its way.
    """

    name: str
    style: str = "simple"
    explode: bool = False
    content: str = ""
    null: bool = False
    nested: str = ""
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter (form, spaceDelimited, pipeDelimited, deepObject; or JSON text when `content` says so).

    `nested` is the style of the lists in a list, which only OpenAPI 2.0 knows; without it they are JSON text.
    """

    name: str
    style: str = "form"
    explode: bool = True
    allow_reserved: bool = False
    content: str = ""
    null: bool = False
    nested: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """A request header (style simple; or a delimited one, from OpenAPI 2.0)."""

    name: str
    style: str = "simple"
    explode: bool = False
    content: str = ""
    null: bool = False
    nested: str = ""


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie (style form; or style cookie of OpenAPI 3.2, which encodes nothing)."""

    name: str
    style: str = "form"
    explode: bool = True
    content: str = ""
    null: bool = False


@dataclass(frozen=True, slots=True, init=False)
class Json:
    """The value at a key path of the JSON body; without keys the whole body."""

    keys: tuple[str, ...]
    null: bool

    def __init__(self, *keys: str, null: bool = False) -> None:
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "null", null)


@dataclass(frozen=True, slots=True, init=False)
class JsonRest:
    """An object whose members are merged into the JSON body at a key path (additional properties)."""

    keys: tuple[str, ...]
    null: bool

    def __init__(self, *keys: str, null: bool = False) -> None:
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "null", null)


@dataclass(frozen=True, slots=True)
class JsonLines:
    """The items of a list as the whole body, a line each (NDJSON), or as JSON text sequences (RFC 7464)."""

    null: bool = False


@dataclass(frozen=True, slots=True)
class Xml:
    """A property of the XML body, or without a name the whole body; what it is written as, `Operation.xml` says."""

    name: str = ""
    null: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A property of an urlencoded body."""

    name: str
    style: str = "form"
    explode: bool = True
    allow_reserved: bool = False
    content: str = ""
    null: bool = False
    nested: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart body. A file is given as base64 or as a `data:` URL (RFC 2397).

    `headers` are constant ones; the `root` of multipart/related comes first (RFC 2387).
    """

    name: str
    file: bool = False
    content: str = ""
    style: str = "form"
    explode: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    root: bool = False
    null: bool = False
    nested: str = ""


@dataclass(frozen=True, slots=True)
class PartHeader:
    """A header of a part of a multipart body."""

    part: str
    name: str
    style: str = "simple"
    explode: bool = False
    content: str = ""
    null: bool = False
    nested: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """The whole body as text, or as bytes given in base64."""

    base64: bool = False
    null: bool = False


@dataclass(frozen=True, slots=True)
class Local:
    """An argument that this server uses itself and does not send as it is: how many items, where to start."""

    null: bool = False


Marker: TypeAlias = (
    Path | Query | Header | Cookie | Json | JsonRest | JsonLines | Xml | Form | Part | PartHeader | Raw | Local
)
MARKERS = (Path, Query, Header, Cookie, Json, JsonRest, JsonLines, Xml, Form, Part, PartHeader, Raw, Local)


# Values that are only known when a tool is called.


@dataclass(frozen=True, slots=True)
class Argument:
    """The value of another argument."""

    key: str


@dataclass(frozen=True, slots=True)
class Context:
    """A value in the answer of an operation that is called once: `me.user.email` is `user.email` in that of `me`."""

    path: str


@dataclass(frozen=True, slots=True)
class Now:
    """The present, or a distance from it (`-7d`, `+30m`), as a date-time of RFC 3339 in UTC."""

    distance: str = ""


@dataclass(frozen=True, slots=True)
class Paging:
    """How a list comes in pages.

    `style` is offset, page, cursor, link (RFC 8288, rel="next"), or none: all of it comes at once. `items`, `more` and
    `total` are paths in an answer; `limit` and `place` say where a page's size and start go; `arguments` are the keys
    of the tool's arguments for how many items, and where to start, empty where there is none. A page has `least` to
    `page_size` items; `first` is where the list begins, by default offset 0 or page 1. `names` are what the result
    calls the items and the sentence about them.
    """

    style: str
    items: str
    limit: Marker | None = None
    place: Marker | None = None
    more: str = ""
    total: str = ""
    page_size: int = 100
    least: int = 1
    first: int | None = None
    max_items: int = 1000
    arguments: tuple[str, str] = ("limit", "")
    names: tuple[str, str] = ("items", "note")


@dataclass(frozen=True, slots=True, init=False)
class XmlNode:
    """What the value of a property is written as in an XML body, and the nodes inside (OpenAPI, "XML Object").

    `kind` is element, attribute, text, cdata, or none (what is inside, and no node around it); for a list it is list
    (a node an item) or wrapped (those in an element). `name` is qualified; `xmlns` are the namespaces declared here.
    """

    key: str
    inside: tuple[XmlNode, ...]
    name: str
    kind: str
    xmlns: tuple[tuple[str, str], ...]

    def __init__(
        self,
        key: str,
        *inside: XmlNode,
        name: str = "",
        kind: str = "element",
        xmlns: tuple[tuple[str, str], ...] = (),
    ) -> None:
        for field, value in (("key", key), ("inside", inside), ("name", name or key), ("kind", kind), ("xmlns", xmlns)):
            object.__setattr__(self, field, value)


@dataclass(frozen=True, slots=True)
class Operation:
    """The HTTP request behind a tool.

    `id` is the operationId; `reads` tells whether it only reads, None that its method says so. `security` is an OR of
    ANDs of scheme names, None for the service's own. `body` is the media type to send; `wrapper` names the objects
    around the arguments that are there even when nothing is put in; `xml` is the root of an XML body.

    `fill` gives values to what the arguments leave out, `fixed` to what is no argument (a marker) or is always the same
    (a path), `values` are the API's for the names that a model sees, `join` what the items of a list are joined with.
    A path leads into an argument: `service.type`, `layers[].users[].type`.

    Of the answer, `paging` collects the items of a list, `unwrap` takes the value out of an object with that one key
    (and whatever else is in it, if it `drops` that), `select` is a JMESPath expression for what is passed on of the
    value or the items, `empty` the text for an answer without a body, in which `{argument}` is the value of one.
    """

    name: str
    method: str
    path: str
    id: str = ""
    reads: bool | None = None
    headers: tuple[tuple[str, str], ...] = ()
    security: tuple[tuple[str, ...], ...] | None = None
    server: str = ""
    body: str = ""
    body_required: bool = False
    wrapper: tuple[str, ...] = ()
    xml: XmlNode | None = None
    fill: tuple[tuple[str, Any], ...] = ()
    fixed: tuple[tuple[Marker | str, Any], ...] = ()
    values: tuple[tuple[str, Mapping[Any, Any]], ...] = ()
    join: tuple[tuple[str, str], ...] = ()
    paging: Paging | None = None
    unwrap: str = ""
    drops: bool = False
    select: str = ""
    empty: str = ""

    @property
    def reading(self) -> bool:
        """Whether it only reads, so that it may be sent again."""
        return self.method in READING_METHODS if self.reads is None else self.reads


READING_METHODS = ("GET", "HEAD", "OPTIONS", "QUERY", "TRACE")


class Model(BaseModel):
    """An object inside an argument.

    A field `X | None = None` may be left out, but an explicit null is refused unless the document allows null
    (`x-null` in `json_schema_extra`, or `null=True` on a marker).
    """

    # Built when first used: a call pays for the models of its own tool, not for those of the whole area.
    # What nobody declared stays: a custom tool that reads an object and writes it back must not lose parts of it.
    model_config = ConfigDict(defer_build=True, protected_namespaces=(), extra="allow")

    def __init__(self, /, **given: Any) -> None:
        """Takes fields by their names in Python; None is left out, except where the document allows null."""
        cls = type(self)
        if not cls.__pydantic_fields_complete__:
            cls.model_rebuild()
        said = {}
        for name, value in given.items():
            info = cls.model_fields.get(name)
            if value is not None or info is None or _null_allowed((info, *info.metadata)):
                said[(info and info.alias) or name] = value
        super().__init__(**said)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pydantic validates without a call of it

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        fields = _model_fields(handler.resolve_ref_schema(schema))
        # A class that names one below itself has text for annotations until now, and pydantic keeps what it reads.
        hints = {} if cls.__pydantic_fields_complete__ else get_type_hints(cls, include_extras=True)
        for name, info in cls.__pydantic_fields__.items():
            said = (info, *info.metadata, *getattr(hints.get(name), "__metadata__", ()))
            if name in fields and info.default is None and not _null_allowed(said):
                _forbid_null(fields[name])
        return schema


class Call(Model):
    """The arguments of one tool."""

    model_config = ConfigDict(extra="forbid")


class Tool(Call):
    """One operation. A subclass is the whole tool: documentation, arguments and HTTP binding."""

    OPERATION: ClassVar[Operation]


class ProxiedTool(Call):
    """A tool of another MCP server, to which its arguments are passed on as they came.

    So is what the class does not know: the schema that it was made of may be an older or a simpler one.
    """

    model_config = ConfigDict(extra="allow")

    REMOTE: ClassVar[str]


def _model_fields(schema: Any) -> dict[str, Any]:
    while "fields" not in schema:
        if "schema" not in schema:
            return {}
        schema = schema["schema"]
    fields = schema["fields"]
    return fields if isinstance(fields, dict) else {}


def _null_allowed(said: Iterable[Any]) -> bool:
    """Whether what is said of a field, its `FieldInfo` or its markers, allows an explicit null."""
    for item in said:
        if isinstance(item, FieldInfo) and isinstance(item.json_schema_extra, dict):
            if item.json_schema_extra.get("x-null"):
                return True
        elif isinstance(item, MARKERS) and item.null:
            return True
    return False


def _forbid_null(schema: Any) -> None:
    # A default is not validated, so dropping "nullable" leaves "may be absent" and takes away "may be null".
    while isinstance(inner := schema.get("schema"), dict):
        if inner.get("type") == "nullable":
            schema["schema"] = inner["schema"]
            return
        schema = inner


# --- what a class accepts ---------------------------------------------------------------------------------------------

_SHAPE_ERRORS = {"list_type", "dict_type", "model_type", "model_attributes_type", "set_type", "tuple_type"}
_SHOWN_PROBLEMS = 20


class Contract:
    """What one tool accepts: its class, its published schema, and the table from argument to marker."""

    def __init__(self, tool: type[Call], schema: Mapping[str, Any]) -> None:
        self.tool = tool
        self.bindings: tuple[tuple[str, Marker], ...] = tuple(
            (info.alias or name, marker)
            for name, info in tool.model_fields.items()
            for marker in info.metadata
            if isinstance(marker, MARKERS)
        )
        # The schema of another server is not one that mcpgen wrote after what a class can say.
        needed = issubclass(tool, ProxiedTool) or _needs_schema_check(schema)
        self._schema_check = schema_check(schema) if needed else None

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they may be sent.

        Validation is strict (no coercion). An object or array that arrived as JSON text is decoded, as some clients
        encode twice. Raises InvalidArguments with every problem found.
        """
        given = dict(arguments)
        try:
            errors = self._errors(given)
            if errors:
                decoded = _decode_texts(given, errors)
                if decoded is not None:
                    given, errors = decoded, self._errors(decoded)
            problems = self._explain(errors, given)
            if not problems and self._schema_check is not None:
                problems = self._schema_check(given)
        except RecursionError:
            problems = ["arguments: nested too deeply"]
        if problems:
            raise InvalidArguments(_bounded(problems))
        return given

    def _errors(self, given: Mapping[str, Any]) -> list[Any]:
        try:
            text = _encode(_whole_numbers(given))
        except ValueError:
            return [error for key, value in given.items() for error in _not_json(key, value)]
        try:
            # As JSON text, so that strict mode still takes a date or an enumeration from a string.
            self.tool.__pydantic_validator__.validate_json(text, strict=True)
        except ValidationError as error:
            return list(error.errors(include_url=False))
        return []

    def _explain(self, errors: Sequence[Any], given: Mapping[str, Any]) -> list[str]:
        known = [info.alias or name for name, info in self.tool.model_fields.items()]
        found: dict[str, list[str]] = {}
        shown: dict[str, str] = {}
        for error in errors:
            path, is_value = _locate(error, given)
            texts = found.setdefault(path, [])
            kind = error["type"]
            if kind == "missing":
                text = "required, but missing"
            elif kind == "extra_forbidden" and len(error["loc"]) == 1:
                text = "unknown argument; " + (suggestion(path, known) or "known: " + shorten(", ".join(known), 400))
            elif kind == "extra_forbidden":
                text = "unknown property; leave it out"
            elif is_value and error["input"] is None:
                text = "null is not allowed here; leave it out instead, or give a value"
            else:
                message = shorten(str(error["msg"]), 1000)
                text = "must " + message[13:] if message.startswith("Input should ") else message
                if is_value and kind != "value_error":
                    shown[path] = f" (got {show(error['input'])})"
            if text not in texts:
                texts.append(text)
        return [f"{path}: {' or '.join(texts)}{shown.get(path, '')}" for path, texts in found.items()]


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _not_json(key: str, value: Any) -> list[dict[str, Any]]:
    """What keeps one argument from being JSON, as an error in pydantic's form."""
    try:
        _encode({key: value})
    except UnicodeEncodeError:
        text = "holds half of a surrogate pair, which is not text; replace that character"
    except ValueError:
        text = "holds a number that JSON cannot carry (NaN, Infinity, or too long)"
    else:
        return []
    return [{"type": "value_error", "loc": (key,), "msg": text, "input": ""}]


def _bounded(problems: list[str]) -> list[str]:
    rest = len(problems) - _SHOWN_PROBLEMS
    return problems if rest <= 0 else [*problems[:_SHOWN_PROBLEMS], f"… and {rest} more problems"]


def _whole_numbers(value: Any) -> Any:
    """5.0 as 5: for JSON Schema they are the same integer, for pydantic's strict mode they are not."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    return value


def _decode_texts(given: Mapping[str, Any], errors: Sequence[Any]) -> dict[str, Any] | None:
    decoded = dict(given)
    changed = False
    for key in {error["loc"][0] for error in errors if error["loc"] and error["type"] in _SHAPE_ERRORS}:
        text = given.get(key)
        if isinstance(text, str) and text.lstrip()[:1] in ("{", "["):
            try:
                decoded[key] = json.loads(text)
                changed = True
            except ValueError:
                continue
    return decoded if changed else None


def _locate(error: Any, given: Any) -> tuple[str, bool]:
    """Where an error is, in the model's own terms, and whether its value is at that very place.

    Pydantic mixes the names of union members into the location; whatever does not lead on in the arguments is one.
    """
    steps: list[str | int] = []
    node = given
    loc = error["loc"]
    for position, step in enumerate(loc):
        in_array = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if in_array or (isinstance(node, dict) and step in node):
            node = node[step]
        elif not (position == len(loc) - 1 and error["type"] == "missing"):
            continue
        steps.append(step)
    return path_text(steps) or "arguments", error["type"] not in ("missing", "extra_forbidden")


def path_text(steps: Iterable[str | int]) -> str:
    """`['a', 0, 'b']` as `a[0].b`; names are cut, as a model may send anything."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + shorten(step, 80)
    return text


def show(value: Any) -> str:
    """A value as JSON for a message, about 100 characters of it."""
    if isinstance(value, str):
        value = value[:110]
    return shorten(json.dumps(value, ensure_ascii=False, default=str), 100)


def shorten(text: str, limit: int) -> str:
    """The text, cut to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` when something known is close to the name, otherwise nothing."""
    from difflib import get_close_matches  # only ever needed for a mistake

    near = get_close_matches(name[:100], list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else ""


# --- keywords of JSON Schema that a pydantic class cannot say ---------------------------------------------------------

_BEYOND_PYDANTIC = {
    "allOf",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "maxProperties",
    "minProperties",
    "not",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
}
_SCHEMA_MAPS = ("properties", "$defs", "patternProperties", "dependentSchemas")


_LIMITS = {"maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "multipleOf", "pattern"}


def _needs_schema_check(schema: Any, inside: bool = False) -> bool:
    """Whether the published schema says something that the class does not.

    `inside` a list, a map or a union the class knows types, but no limits.
    """
    if not isinstance(schema, dict):
        return False
    if not _BEYOND_PYDANTIC.isdisjoint(schema) or (inside and not _LIMITS.isdisjoint(schema)):
        return True
    if "anyOf" in schema and not {"type", "properties", "required", "additionalProperties"}.isdisjoint(schema):
        return True  # alternatives on top of an object; anyOf alone is a union in the class
    # An enumeration of objects or fractions has no class; and for pydantic's Literal[1] the value true is a 1.
    for value in [*schema.get("enum", ()), schema.get("const", "")]:
        if isinstance(value, (dict, list, float)) or (isinstance(value, int) and value in (0, 1)):
            return True
    properties, extra = schema.get("properties", {}), schema.get("additionalProperties")
    if (isinstance(extra, dict) and properties) or (extra is False and not properties):
        return True
    if not set(schema.get("required", ())) <= properties.keys():
        return True
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    named = [value for key in _SCHEMA_MAPS for value in schema.get(key, {}).values()]
    return any(_needs_schema_check(value, True) for value in inner) or any(map(_needs_schema_check, named))


def _undecidable(schema: Any) -> bool:
    """Whether telling if a value fits takes what is not checked here: formats, and patterns with a look-around."""
    if isinstance(schema, list):
        return any(map(_undecidable, schema))
    if not isinstance(schema, dict):
        return False
    if not {"format", "contentEncoding", "$ref"}.isdisjoint(schema):
        return True
    pattern = schema.get("pattern")
    return (isinstance(pattern, str) and _engine(pattern) is None) or any(map(_undecidable, schema.values()))


def _told_apart(branches: Any) -> bool:
    """Whether what the branches of a `oneOf` require tells them apart, so that a value that fits two mixes them up.

    Otherwise that a value fits several is the document's doing: no sensible value of PagerDuty's custom fields fits one
    branch alone, and the API takes them.
    """
    if all(isinstance(branch, dict) and branch.keys() <= {"required", "not", "type"} for branch in branches):
        return True
    needs = [frozenset(branch.get("required", ())) for branch in branches]
    return not any(one <= other for one, other in permutations(needs, 2))


def schema_check(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], list[str]]:
    """Compile a published schema; what comes of it tells all that is wrong with a value, a line each.

    Its regular expressions run on pydantic's linear engine, never on `re`, which a hostile value could keep busy for
    hours. What cannot be decided is not refused: the API has the last word.
    """
    jsonschema: Any = importlib.import_module("jsonschema")  # late: most tools never need it; untyped: it has no stubs
    referencing: Any = importlib.import_module("referencing")  # comes with jsonschema
    relevance = jsonschema.exceptions.relevance

    def keys_matched(instance: Mapping[str, Any], patterns: Iterable[str]) -> dict[str, list[str]]:
        return {pattern: [key for key in instance if _matches(pattern, key)] for pattern in patterns}

    def pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Any:
        if isinstance(instance, dict):
            for pattern, keys in keys_matched(instance, patterns).items():
                for key in keys:
                    yield from validator.descend(instance[key], patterns[pattern], path=key, schema_path=pattern)

    def additional_properties(validator: Any, additional: Any, instance: Any, schema: Any) -> Any:
        if not isinstance(instance, dict):
            return
        covered = set(schema.get("properties", ()))
        for keys in keys_matched(instance, schema.get("patternProperties", ())).values():
            covered.update(keys)
        for key in instance:
            if key not in covered:
                yield from validator.descend(instance[key], additional, path=key)

    standard = jsonschema.Draft202012Validator.VALIDATORS

    def pattern(validator: Any, expression: str, instance: Any, schema: Any) -> Any:
        if isinstance(instance, str) and not _matches(expression, instance):
            yield jsonschema.ValidationError(f"{show(instance)} does not match {expression!r}")

    def one_of(validator: Any, branches: Any, instance: Any, schema: Any) -> Any:
        for error in standard["oneOf"](validator, branches, instance, schema):
            if error.context or _told_apart(branches):
                yield error

    def if_decidable(keyword: str) -> Callable[..., Any]:
        def judged(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
            return () if _undecidable(value) else standard[keyword](validator, value, instance, schema)

        return judged

    def multiple_of(validator: Any, step: Any, instance: Any, schema: Any) -> Any:
        # As decimals: in binary 0.3 is no multiple of 0.1.
        number = isinstance(instance, (int, float)) and not isinstance(instance, bool)
        with suppress(InvalidOperation):  # too many digits between them to tell
            if number and Decimal(str(instance)) % Decimal(str(step)):
                yield jsonschema.ValidationError(f"{show(instance)} is not a multiple of {step}")

    def unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Any:
        # As texts: jsonschema compares each object with all the others, which takes minutes for 10,000 of them.
        if unique and isinstance(instance, list):
            texts = {json.dumps(_whole_numbers(item), sort_keys=True) for item in instance}
            if len(texts) < len(instance):
                yield jsonschema.ValidationError("has items that are the same")

    checker = jsonschema.validators.extend(
        jsonschema.Draft202012Validator,
        {
            "pattern": pattern,
            "oneOf": one_of,
            "not": if_decidable("not"),
            "if": if_decidable("if"),
            "contains": if_decidable("contains"),
            "multipleOf": multiple_of,
            "uniqueItems": unique_items,
            "patternProperties": pattern_properties,
            "additionalProperties": additional_properties,
        },
    )(schema, registry=referencing.Registry())  # empty: a reference that leads out of the schema is never fetched

    def explain(error: Any, depth: int = 0) -> str:
        if error.validator in ("oneOf", "anyOf") and depth < 3:
            forms = len(error.validator_value)
            if not error.context:
                return f"must match exactly one of the {forms} allowed forms, but matches several"
            nearest = min(error.context, key=relevance)
            inner = path_text(nearest.relative_path)
            where = f"{inner}: " if inner else ""
            return (
                f"matches none of the {forms} allowed forms; the nearest one says: {where}{explain(nearest, depth + 1)}"
            )
        if error.validator in ("not", "uniqueItems", "contains", "minProperties", "maxProperties", "enum", "const"):
            return f"breaks the rule {error.validator}: {show(error.validator_value)}"
        return shorten(str(error.message), 300)

    def check(given: Mapping[str, Any]) -> list[str]:
        return [f"{path_text(error.path) or 'arguments'}: {explain(error)}" for error in checker.iter_errors(given)]

    return check


_patterns: dict[str, SchemaValidator | None] = {}


def _engine(pattern: str) -> SchemaValidator | None:
    """A matcher in linear time; None for a look-around, which that engine has not."""
    if pattern not in _patterns:
        try:
            _patterns[pattern] = SchemaValidator(core_schema.str_schema(pattern=pattern))
        except SchemaError:
            _patterns[pattern] = None
    return _patterns[pattern]


def _matches(pattern: str, text: str) -> bool:
    engine = _engine(pattern)
    return engine is None or engine.isinstance_python(text)
