"""Turns shapes into Python types: an expression for an argument, a class for a nested object.

The classes come from one call of datamodel-code-generator. It gets schemas in which
everything that it would have to invent a name for has one already, and what it wrote is checked to be exactly the
classes that were asked for, made of declarations: that is the guarantee for the names, and that no text of the
document became code.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from ..names import field_name, settle
from .generator import ROOT, begin
from .publish import clean
from .shapes import Key, Place, Schemas, Shape, checkable_pattern

__all__ = ["ModelClass", "constraints", "model_classes", "type_expression"]

_FIELD = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minimum": "ge",
    "maximum": "le",
    "minItems": "min_length",
    "maxItems": "max_length",
    "multipleOf": "multiple_of",
}

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


@dataclass(frozen=True, slots=True)
class ModelClass:
    """One generated class: its source, and the names that it uses."""

    name: str
    source: str
    uses: frozenset[str]


def type_expression(schemas: Schemas, place: Place | Shape, names: Mapping[Key, str]) -> str:
    """Return the Python type of what `place` admits; `names` are the class names of the keys that have one."""
    shape = schemas.at(place.key) if isinstance(place, Place) else place
    if isinstance(place, Place) and place.key in names:
        return names[place.key] + (" | None" if shape.nullable else "")
    return _or_none(_expression(schemas, shape, names), shape.nullable)


def _or_none(text: str, nullable: bool) -> str:
    return text if not nullable or text in ("Any", "None") or text.endswith(" | None") else f"{text} | None"


def _expression(schemas: Schemas, shape: Shape, names: Mapping[Key, str]) -> str:
    if shape.type == "union":
        return _alternatives(schemas, shape, names)
    if shape.enum is not None:
        return _literal(shape.enum) or _SCALARS.get(shape.type, "Any")
    if shape.type == "array":
        if shape.items is None or shape.prefix:  # `items` speaks of what follows the prefix, and no list of Python does
            return "list[Any]"
        return f"list[{type_expression(schemas, shape.items, names)}]"
    if shape.type == "object":
        value = type_expression(schemas, shape.extra, names) if isinstance(shape.extra, Place) else "Any"
        return f"dict[str, {value}]"
    return _SCALARS.get(shape.type, "Any")


def _alternatives(schemas: Schemas, union: Shape, names: Mapping[Key, str]) -> str:
    """Return the union of the types of a union's members; their literals become one."""
    kinds: list[str] = []
    values: list[Any] = []
    classes = False
    members, nullable = _leaves(schemas, union, names)
    for member in members:
        shape = schemas.shape(member) if isinstance(member, Place) else member
        nullable = nullable or shape.nullable
        if shape.enum is not None and _literal(shape.enum):
            values += [v for v in shape.enum if repr(v) not in map(repr, values)]
        else:
            kind = type_expression(schemas, member, names)
            classes = classes or (isinstance(member, Place) and member.key in names)
            nullable = nullable or kind.endswith("None")
            kinds += [k for k in (kind.removesuffix(" | None"),) if k not in (*kinds, "None")]
    if "Any" in kinds:
        return "Any"
    parts = ([_literal(values)] if values else []) + kinds
    if classes and len(parts) > 1:
        return _or_none(f"OneOf[{', '.join(parts)},]", nullable)  # the comma: see `_spread`
    return _or_none(" | ".join(parts) or "None", nullable)


def _leaves(schemas: Schemas, union: Shape, names: Mapping[Key, str]) -> tuple[list[Place | Shape], bool]:
    """Return the members of a union and of the nameless unions among them, and whether one of those admits null."""
    found: list[Place | Shape] = []
    nullable = False
    for member in union.members:
        shape = schemas.shape(member) if isinstance(member, Place) else member
        if shape.type == "union" and not (isinstance(member, Place) and member.key in names):
            inner, null = _leaves(schemas, shape, names)
            found += inner
            nullable = nullable or null or shape.nullable
        else:
            found.append(member)
    return found, nullable


def _literal(values: Iterable[Any]) -> str:
    """Return a Literal of JSON values; empty when one of them is none that a Literal holds (PEP 586)."""
    if not all(isinstance(v, str | bool | int) for v in values):
        return ""
    parts = [repr(v) for v in values]
    return f"Literal[{', '.join(parts)}{',' if len(parts) > 1 else ''}]"  # the comma: see `_spread`


def constraints(shape: Shape) -> dict[str, Any]:
    """Return what pydantic's `Field` can check of the limits of `shape`, as keyword arguments."""
    if shape.type not in ("string", "integer", "number", "array") or shape.enum is not None:
        return {}
    found = {}
    for keyword, value in sorted(shape.limits.items()):
        if keyword not in _FIELD or (keyword == "pattern" and not checkable_pattern(value)):
            continue
        if keyword == "multipleOf" and not (isinstance(value, int) and shape.type == "integer"):
            continue  # binary fractions: 0.3 is no multiple of 0.1
        found[_FIELD[keyword]] = value
    return found


# -- classes ------------------------------


def model_classes(schemas: Schemas, names: Mapping[Key, str]) -> Callable[[], dict[str, ModelClass]]:
    """Start to write a class for every key of `names`; return what waits for them, and gives them by class name.

    The classes derive from `Model`; their fields are called as `names.field_name` says and carry the wire name as
    alias. Nothing is imported and nothing is run when `names` is empty.
    """
    if not names:
        return dict
    definitions = {}
    aliases: dict[str, str] = {}
    for key, name in sorted(names.items(), key=lambda item: item[1]):
        definitions[name], fields = _definition(schemas, schemas.at(key), names)
        aliases.update({f"{name}.{wire}": python for wire, python in fields.items() if wire != python})
    written = begin(definitions, aliases)
    return lambda: _checked(written(), set(names.values()))


def _definition(schemas: Schemas, shape: Shape, names: Mapping[Key, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the schema of one class for datamodel-code-generator, and the names of its fields."""
    if not shape.is_class:
        return _typed(schemas, shape, names), {}
    properties = {}
    for wire, place in shape.properties.items():
        property_ = _property(schemas, place, names)
        if schemas.at(place.key).nullable and wire not in shape.required:
            property_ = {**_without_null(property_), "x-null": True}  # what may be left out is `| None` as it is
        properties[wire] = property_
    taken = {*names.values(), *_TYPING, *_PYDANTIC, "BaseModel", "Model", "OneOf"}
    fields = settle({w: field_name(w, taken) for w in properties}, lambda w: ())
    out: dict[str, Any] = {"type": "object", "properties": properties}
    if required := sorted(r for r in shape.required if r in properties):
        out["required"] = required
    if shape.extra is False and "patternProperties" not in shape.rest:
        out["additionalProperties"] = False
    return out, fields


def _property(schemas: Schemas, place: Place, names: Mapping[Key, str]) -> dict[str, Any]:
    shape = schemas.shape(place)
    out = _typed(schemas, place, names)
    if isinstance(out.get("type"), str | list):
        limits = constraints(shape)
        out.update({k: v for k, v in shape.limits.items() if _FIELD.get(k) in limits})
    if text := clean(place.description or shape.description):
        out["description"] = text
    return out


def _typed(schemas: Schemas, place: Place | Shape, names: Mapping[Key, str]) -> dict[str, Any]:
    """Return a type without constraints: inside lists and unions these would make classes of their own."""
    shape = schemas.shape(place) if isinstance(place, Place) else place
    if isinstance(place, Place) and place.key in names:
        return _with_null({"$ref": f"#/$defs/{names[place.key]}"}, shape.nullable)
    if shape.type == "union":
        members: list[dict[str, Any]] = []
        values: list[Any] = []
        nullable = shape.nullable
        for member in shape.members:
            one = _typed(schemas, member, names)
            for part in one["anyOf"] if set(one) == {"anyOf"} else [one]:
                kinds = part.get("type")
                nullable = nullable or kinds == "null" or (isinstance(kinds, list) and "null" in kinds)
                nullable = nullable or None in part.get("enum", ())
                if set(part) == {"enum"}:
                    values += [v for v in part["enum"] if v is not None and repr(v) not in map(repr, values)]
                elif kinds != "null":
                    plain = {**part, "type": kinds[0]} if isinstance(kinds, list) else part
                    members += [plain] if plain not in members else []
        if values:
            members.insert(0, {"enum": values})
        if {} in members:
            return {}
        if not members:
            return {"type": "null"}
        return _with_null(members[0] if len(members) == 1 else {"anyOf": members}, nullable)
    if shape.enum is not None and _literal(shape.enum):
        return {"enum": [*shape.enum, None] if shape.nullable else list(shape.enum)}
    if shape.type == "array":
        items = _typed(schemas, shape.items, names) if shape.items and not shape.prefix else {}
        return _with_null({"type": "array", "items": items}, shape.nullable)
    if shape.type == "object":
        extra = _typed(schemas, shape.extra, names) if isinstance(shape.extra, Place) else {}
        return _with_null({"type": "object", **({"additionalProperties": extra} if extra else {})}, shape.nullable)
    return _with_null({"type": shape.type} if shape.type else {}, shape.nullable)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), list):
        return {**schema, "type": schema["type"][0]}
    members = [m for m in schema.get("anyOf", ()) if m != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k != "anyOf"}
    return {**members[0], **rest} if len(members) == 1 else {**rest, "anyOf": members} if members else schema


def _with_null(schema: dict[str, Any], nullable: bool) -> dict[str, Any]:
    if not nullable or not schema:
        return schema
    if isinstance(schema.get("type"), str):
        return schema if schema["type"] == "null" else {**schema, "type": [schema["type"], "null"]}
    if set(schema) == {"anyOf"}:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]}


_TYPING = {"Annotated", "Any", "Literal", "Union"}
_PYDANTIC = {"ConfigDict", "Field", "RootModel"}
_BUILTINS = {"bool", "dict", "float", "int", "list", "str"}


def _quoted(annotation: ast.expr) -> Iterator[str]:
    """Yield the texts of an annotation that stand for types: none of a Literal, none of a call's arguments."""
    if isinstance(annotation, ast.Constant):
        if isinstance(annotation.value, str):
            yield annotation.value
    elif isinstance(annotation, ast.Subscript):
        if not (isinstance(annotation.value, ast.Name) and annotation.value.id == "Literal"):
            yield from _quoted(annotation.slice)
    elif isinstance(annotation, ast.BinOp):
        yield from _quoted(annotation.left)
        yield from _quoted(annotation.right)
    elif isinstance(annotation, ast.Tuple | ast.List):
        for inner in annotation.elts:
            yield from _quoted(inner)


def _checked(source: str, wanted: set[str]) -> dict[str, ModelClass]:
    """Split generated source into its classes; anything but the wanted declarations is an error of ours."""
    tree = ast.parse(source)
    lines = source.encode().split(b"\n")
    found: dict[str, ModelClass] = {}
    for statement in tree.body:
        if not isinstance(statement, ast.ClassDef) or statement.name == ROOT:
            continue
        nodes = list(ast.walk(statement))
        uses = {n.id for n in nodes if isinstance(n, ast.Name)}
        said = [n.annotation for n in nodes if isinstance(n, ast.AnnAssign)]
        uses |= {name for annotation in (*statement.bases, *said) for name in _quoted(annotation)}
        _assert_declares(statement, nodes)
        text, unions = _spread(statement, lines[statement.lineno - 1 : statement.end_lineno], nodes, wanted)
        uses |= {"OneOf"} if unions else set()
        found[statement.name] = ModelClass(
            statement.name, text, frozenset(uses & (wanted | _TYPING | _PYDANTIC | {"Model", "OneOf"}))
        )
    if set(found) != wanted:
        odd = sorted(set(found) ^ wanted)
        raise AssertionError(f"datamodel-code-generator did not write exactly the classes asked for: {odd[:8]}")
    return found


def _spread(class_: ast.ClassDef, lines: list[bytes], nodes: list[ast.AST], wanted: set[str]) -> tuple[str, bool]:
    """Return the source of a class in which each value of a Literal and each member of a union of classes will have a
    line of its own, so that one more is one more line; and whether there is such a union.

    What makes ruff break the lines is a comma after the last one, its "magic trailing comma"; `A | B` has no place for
    one, so such a union is a `OneOf`.
    """
    starts = [0, *accumulate(len(line) + 1 for line in lines)]

    def span(node: ast.expr) -> tuple[int, int]:
        end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return starts[node.lineno - class_.lineno] + node.col_offset, starts[end[0] - class_.lineno] + end[1]

    edits = []
    inner = {id(n.left) for n in nodes if isinstance(n, ast.BinOp)}
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            if isinstance(node.slice, ast.Tuple):
                edits.append((span(node.slice)[1], span(node.slice)[1], b","))
        elif isinstance(node, ast.BinOp) and id(node) not in inner:
            members = _members(node)
            kinds = [m for m in members if not (isinstance(m, ast.Constant) and m.value is None)]
            classes = any(isinstance(m, ast.Name) and m.id in wanted for m in kinds)
            if len(kinds) > 1 and classes and members[: len(kinds)] == kinds:
                (start, _), (_, end) = span(kinds[0]), span(kinds[-1])
                edits += [(start, start, b"OneOf["), (end, end, b",]")]
                edits += [(span(a)[1], span(b)[0], b", ") for a, b in pairwise(kinds)]
    source = b"\n".join(lines)
    for start, end, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[end:]
    return source.decode(), any(text == b",]" for _, _, text in edits)


def _members(union: ast.expr) -> list[ast.expr]:
    return [*_members(union.left), *_members(union.right)] if isinstance(union, ast.BinOp) else [union]


def _assert_declares(class_: ast.ClassDef, nodes: list[ast.AST]) -> None:
    """Hold that a class is made of annotated fields and a model_config, and calls nothing but Field and ConfigDict."""
    for statement in class_.body:
        if not isinstance(statement, ast.AnnAssign | ast.Assign | ast.Pass):
            raise AssertionError(f"{class_.name}: unexpected {type(statement).__name__} in generated code")
    for node in nodes:
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _PYDANTIC):
            raise AssertionError(f"{class_.name}: unexpected call in generated code")
        if isinstance(node, ast.Attribute | ast.Lambda | ast.Await | ast.JoinedStr):
            raise AssertionError(f"{class_.name}: unexpected {type(node).__name__} in generated code")
