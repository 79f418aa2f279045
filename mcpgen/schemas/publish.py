"""Turns shapes into the JSON Schemas that the model sees.

What clients can take decides the form: references are inlined and recursion is cut, bounds are inclusive, there is no
boolean schema, no type array and no title. See "What the model sees" in the design notes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .shapes import Key, Place, Schemas, Shape, fits, is_number, same

__all__ = ["Publisher", "TooLarge", "clean"]


class TooLarge(Exception):
    """An inlined schema passed its bound: references multiply."""


class Publisher:
    """Writes the published schemas of one document; what stands in several places is written once."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._known: dict[Key, tuple[dict[str, Any], int]] = {}
        """What is written inlined, and its size, of the keys that lead to no recursion."""
        self._begin(None, 0)

    def publish(self, place: Place | Shape, names: Mapping[Key, str] | None = None, *, room: int = 0) -> dict[str, Any]:
        """Return the schema of `place` as the model sees it; it may share parts with others and is not to be changed.

        Without `names` every reference is inlined and recursion is cut; with `names`, which says of the keys of
        `$defs` what they are called, those keys stay references. Errors: `Defect`, and `TooLarge` when the result is
        sure to be larger than `room` bytes (0: no bound).
        """
        self._begin(names, room)
        return self._of(place)

    def define(self, key: Key, names: Mapping[Key, str], *, bare: bool = False) -> dict[str, Any]:
        """Return the entry of `$defs` for `key`; `names` are the names of all entries. Errors: `Defect`.

        A `bare` entry is an open object that describes its required properties only.
        """
        self._begin(names, 0)
        shape = self._schemas.at(key)
        if not bare or shape.type != "object":
            return self._of(Place(key), root=True)
        left = len(shape.properties) - len(shape.required & shape.properties.keys())
        about = f"{clean(shape.description)} It has {left} optional properties more, not described here.".strip()
        needed = {n: p for n, p in shape.properties.items() if n in shape.required}
        return self._of(replace(shape, properties=needed, extra=True, rest={}, description=about))

    def _begin(self, names: Mapping[Key, str] | None, room: int) -> None:
        self._names = names
        self._path: list[Key] = []
        self._cutting: list[Key] = []
        self._cuts = 0
        self._room = room
        self._written = 0

    def _of(self, place: Place | Shape, root: bool = False) -> dict[str, Any]:
        if isinstance(place, Shape):
            return self._worded(place, place.description, place.default, self._write(place))
        if self._names is not None and place.key in self._names and not root:
            out: dict[str, Any] = {"$ref": f"#/$defs/{self._names[place.key]}"}
            if place.description:
                out["description"] = clean(place.description)
            return out
        if place.key in self._path:
            return self._cut(place)
        shape = self._schemas.at(place.key)
        description = place.description or shape.description
        default = shape.default if place.default is None else place.default
        return self._worded(shape, description, default, self._written_out(place.key, shape))

    def _written_out(self, key: Key, shape: Shape) -> dict[str, Any]:
        """Return what `_write` makes of `key`. Where nothing is cut nothing leads back, so it is the same anywhere."""
        if self._names is None and key in self._known:
            out, size = self._known[key]
            self._spend(size)
            return out
        before, cuts = self._written, self._cuts
        self._path.append(key)
        out = self._write(shape)
        self._path.pop()
        if self._names is None and self._cuts == cuts:
            self._known[key] = out, self._written - before
        return out

    def _spend(self, size: int) -> None:
        self._written += size
        if self._room and self._written > self._room:
            raise TooLarge

    def _cut(self, place: Place) -> dict[str, Any]:
        """Return the end of a recursion: the shape, open, without what leads on where it can be left out."""
        self._cuts += 1
        shape = self._schemas.at(place.key)
        again = "Nested in the same way again."
        if place.key in self._cutting:
            return {"type": shape.type, "description": again} if shape.type == "object" else {"description": again}
        self._cutting.append(place.key)
        try:
            if shape.type == "array":
                items = self._cut(shape.items) if shape.items is not None else {}
                return {"type": "array", "items": items, "description": again}
            if shape.type == "union":
                ends = [m for m in shape.members if not (isinstance(m, Place) and self._leads_back(m))]
                return {"anyOf": [*(self._of(m) for m in ends), {"type": "object", "description": again}]}
            return self._cut_object(shape) if shape.type == "object" else {"description": again}
        finally:
            self._cutting.pop()

    def _cut_object(self, shape: Shape) -> dict[str, Any]:
        properties = {}
        left = []
        for name, place in _ordered(shape.properties, shape.required):
            if not self._leads_back(place):
                properties[name] = self._of(place)
            elif name in shape.required:
                properties[name] = self._cut(place)
            else:
                left.append(f"`{name}`")
        out: dict[str, Any] = {"type": "object"}
        if properties:
            out["properties"] = properties
        if shape.required:
            out["required"] = sorted(shape.required)
        if left:
            out["description"] = f"May hold {', '.join(left)} again, nested in the same way."
        return out

    def _leads_back(self, place: Place) -> bool:
        """Tell whether `place` reaches one of the keys on the way to it."""
        seen: set[Key] = set()
        todo = [place]
        path = set(self._path)
        while todo:
            at = todo.pop()
            if at.key in path:
                return True
            if at.key not in seen and at.key not in self._known:
                seen.add(at.key)
                todo += self._schemas.children(self._schemas.at(at.key))
        return False

    def _write(self, shape: Shape) -> dict[str, Any]:
        """Return the schema of `shape` without its words: description and default."""
        self._spend(10 + sum(len(n) + 6 for n in shape.properties))
        out: dict[str, Any] = {}
        if shape.type == "union":
            members = [self._of(m) for m in shape.members]
            if shape.discriminator:
                members = [_tagged(m, shape.discriminator, t) for m, t in zip(members, shape.tags, strict=True)]
            out |= members[0] if len(members) == 1 else {"oneOf" if shape.exclusive else "anyOf": members}
        elif shape.enum is not None:
            if shape.type:
                out["type"] = shape.type
            out["enum"] = list(shape.enum)
        elif shape.type:
            out["type"] = shape.type
        if shape.format and shape.type in ("string", "integer", "number"):
            if shape.format in ("binary", "byte", "base64"):
                out["contentEncoding"] = "base64"
            else:
                out["format"] = shape.format
        out.update(shape.limits)
        if shape.type == "array":
            if shape.prefix:
                out["prefixItems"] = [self._of(p) for p in shape.prefix]
            out["items"] = self._of(shape.items) if shape.items is not None else {}
        if shape.type == "object":
            if shape.properties:
                out["properties"] = {n: self._of(p) for n, p in _ordered(shape.properties, shape.required)}
            if shape.required:
                out["required"] = sorted(shape.required)
            if shape.extra is False:
                out["additionalProperties"] = False
            elif isinstance(shape.extra, Place):
                out["additionalProperties"] = self._of(shape.extra)
        for name, value in shape.rest.items():
            out[name] = self._rest(value)
        if shape.nullable:
            if "oneOf" in out and not (set(out) - {"oneOf"}):
                out = {"anyOf": [out, {"type": "null"}]}
            elif "anyOf" in out and not (set(out) - {"anyOf"}):
                out["anyOf"] = [*out["anyOf"], {"type": "null"}]
            elif out:
                out = {"anyOf": [out, {"type": "null"}]}
        return out

    def _worded(self, shape: Shape, description: str, default: Any, out: dict[str, Any]) -> dict[str, Any]:
        self._spend(min(len(description), 1000))
        words = {}
        if description:
            words["description"] = clean(description)
        if default is not None and self._plain_default(shape, default):
            words["default"] = default
        return {**words, **out} if words else out

    def _rest(self, value: Any) -> Any:
        if isinstance(value, Place):
            return self._of(value)
        if isinstance(value, dict):
            return {k: self._rest(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._rest(v) for v in value]
        return value

    def _plain_default(self, shape: Shape, value: Any) -> bool:
        """Tell whether a default may be told: it must be of the type, and small."""
        if shape.enum is not None:
            return any(same(value, v) for v in shape.enum)
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if shape.type in ("string", "integer", "number", "boolean"):
            low, high = shape.limits.get("minimum", -math.inf), shape.limits.get("maximum", math.inf)
            if not fits(value, shape.type) or (is_number(value) and not low <= value <= high):
                return False
            return not (isinstance(value, str) and len(value) > 200)
        return shape.type == "array" and isinstance(value, list) and not value


def _tagged(member: dict[str, Any], name: str, values: tuple[str, ...]) -> dict[str, Any]:
    """Tell which value of the discriminator means a member of a union, where its schema says just string.

    Told, not required: a discriminator never changes what is valid (OpenAPI 3.1.1, "Discriminator Object").
    """
    properties = member.get("properties", {})
    inner = properties.get(name, {})
    if not values or inner.get("type") != "string" or "enum" in inner:
        return member
    said = f"{inner.get('description', '')} Here: {' or '.join(map(repr, values))}.".strip()
    return {**member, "properties": {**properties, name: {**inner, "description": clean(said)}}}


def _ordered(properties: Mapping[str, Place], required: frozenset[str]) -> list[tuple[str, Place]]:
    """Required properties first, each group by name: an addition upstream moves nothing."""
    return sorted(properties.items(), key=lambda item: (item[0] not in required, item[0]))


@lru_cache(maxsize=100_000)  # a component's words stand wherever it is used
def clean(text: str, limit: int = 1000) -> str:
    """Return text of the document as one the model may read: no control or direction characters, no comments."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    lines = text.replace("\r\n", "\n").split("\n")
    kept = "\n".join(s if s.isprintable() else "".join(c if c.isprintable() else " " for c in s) for s in lines)
    kept = re.sub(r"[ ]*\n[ ]*", "\n", re.sub(r"[ ]{2,}", " ", kept)).strip()
    kept = re.sub(r"\n{3,}", "\n\n", kept)
    if len(kept) <= limit:
        return kept
    cut = kept[: limit - 1]
    end = max(cut.rfind(". "), cut.rfind("\n"))
    return (cut[: end + 1].rstrip() if end > limit // 2 else cut.rstrip()) + "…"
