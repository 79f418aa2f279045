"""What `compare` says of two schemas: case by case, and held against a validator.

The table says what is told of each kind of change. The drawn pairs keep it honest: no value may be lost or gained of
which nothing is told; MCPGEN_EXAMPLES says how many are drawn.
"""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from conftest import TESTS
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from mcpgen import spec
from mcpgen.config import Config
from mcpgen.contract import Contract, of_plan
from mcpgen.contract.schemas import SchemaChange, compare
from mcpgen.planner import plan

N, W, U, R = "narrowed", "widened", "undecided", "reworded"

S: dict[str, Any] = {"type": "string"}
INT: dict[str, Any] = {"type": "integer"}
NULL: dict[str, Any] = {"type": "null"}


def enum(*values: Any) -> dict[str, Any]:
    return {"enum": list(values)}


def obj(*required: str, **properties: Any) -> dict[str, Any]:
    """A closed object."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def opened(*required: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return schema | ({"required": list(required)} if required else {})


def array(items: Any = True, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def any_of(*members: Any, **more: Any) -> dict[str, Any]:
    return {"anyOf": list(members), **more}


def one_of(*members: Any, **more: Any) -> dict[str, Any]:
    return {"oneOf": list(members), **more}


def titled(title: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": title, **schema, **more}


def defs(schema: dict[str, Any], **named: Any) -> dict[str, Any]:
    return {**schema, "$defs": named}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


PHONE = opened("type", type={"const": "phone"}, number=S)
EMAIL = opened("type", type={"const": "email"}, address=S)
FAX = opened("type", type={"const": "fax"}, line=INT)
CARD = titled("Card", obj("pan", pan=S))
BANK = titled("Bank", obj("iban", iban=S))
LIST = defs(obj(head=ref("Item")), Item=obj(value=S, next=ref("Item")))

CASES: dict[str, tuple[Any, Any, list[tuple[str, str, str]]]] = {
    # --- the same
    "type array and anyOf": ({"type": ["string", "null"]}, any_of(S, NULL), []),
    "anyOf and oneOf of types": (one_of(S, INT), any_of(INT, S), []),
    "one-member anyOf": (any_of(S), S, []),
    "one-member oneOf in allOf": ({"allOf": [one_of(S)]}, S, []),
    "allOf merged": (
        {"allOf": [{"type": "string", "minLength": 1}, {"maxLength": 3}]},
        {**S, "minLength": 1, "maxLength": 3},
        [],
    ),
    "const and enum": ({"const": "a"}, enum("a"), []),
    "const and enum with type": ({"const": "a"}, {"type": "string", "enum": ["a"]}, []),
    "constants and enum": (one_of({"const": "a"}, {"const": "b"}), enum("a", "b"), []),
    "nullable enum": (any_of(enum("a", "b"), NULL), enum("a", "b", None), []),
    "booleans listed": ({"type": "boolean"}, enum(True, False), []),
    "true and {}": (obj(a=True), obj(a={}), []),
    "false and not": (obj(a=False), obj(a={"not": {}}), []),
    "number of whole steps": (INT, {"type": "number", "multipleOf": 1}, []),
    "exclusive bound of integers": ({**INT, "exclusiveMinimum": 0}, {**INT, "minimum": 1}, []),
    "numbers that are equal": ({**INT, "minimum": 1}, {**INT, "minimum": 1.0}, []),
    "a rule of another type": (S, {**S, "minimum": 3, "required": ["a"]}, []),
    "an enum that a limit leaves as it is": (enum("a", "b"), {**enum("a", "b"), "maxLength": 3}, []),
    "an enum that a limit shortens": (enum("a"), {**enum("a", "bb"), "maxLength": 1}, []),
    "small integers listed": ({**INT, "minimum": 1, "maximum": 3}, enum(1, 2, 3), []),
    "order of properties and names": (obj("b", "a", a=S, b=INT), obj("a", "b", b=INT, a=S), []),
    "component renamed": (defs(obj(a=ref("Old")), Old=S), defs(obj(a=ref("New")), New=S), []),
    "component inlined": (defs(obj(a=ref("Old")), Old=obj(x=INT)), obj(a=obj(x=INT)), []),
    "component not used": (defs(S, Old=INT), defs(S, Old=S), []),
    "recursive component renamed": (
        LIST,
        defs(obj(head=ref("Node")), Node=obj(value=S, next=ref("Node"))),
        [],
    ),
    "reference to the root": ({**obj(up={"$ref": "#"}), "$id": "a"}, {**obj(up={"$ref": "#"}), "$id": "b"}, []),
    "reference by anchor": (defs(ref("A"), A=S), defs({"$ref": "#a"}, A={"$anchor": "a", "type": "string"}), []),
    "least properties that are required anyhow": (opened("a", a=S), {**opened("a", a=S), "minProperties": 1}, []),
    "two closed objects merged": (
        {"allOf": [obj(a=S), {"properties": {"a": {"minLength": 1}, "b": INT}}]},
        obj(a={**S, "minLength": 1}, b=False),
        [],
    ),
    "members in another order": (any_of(PHONE, EMAIL), any_of(EMAIL, PHONE), []),
    "oneOf that cannot overlap": (one_of(PHONE, EMAIL), any_of(PHONE, EMAIL), []),
    "no effect of a lone then": (S, {**S, "then": {"minLength": 9}}, []),
    "a double negation": ({**S, "maxLength": 2}, {"not": {"not": {**S, "maxLength": 2}}}, []),
    "names are strings": (
        {**opened(), "propertyNames": {"maxLength": 8}},
        {**opened(), "propertyNames": {**S, "maxLength": 8}},
        [],
    ),
    "rules inside of a union and beside it": (
        {"type": "object", "required": ["a"], "anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
        any_of({"type": "object", "required": ["a", "b"]}, {"type": "object", "required": ["a", "c"]}),
        [],
    ),
    "comments and ids": ({**S, "$comment": "x", "$schema": "y"}, {**S, "$comment": "z"}, []),
    # --- types
    "type narrowed": ({"type": ["string", "integer"]}, S, [(N, "type-narrowed", "")]),
    "type widened": (obj(a=S), obj(a={"type": ["string", "boolean"]}), [(W, "type-widened", "a")]),
    "type changed": (obj(a=S), obj(a=INT), [(N, "type-changed", "a"), (W, "type-changed", "a")]),
    "number to integer": ({"type": "number"}, INT, [(N, "type-narrowed", "")]),
    "integer to number": (INT, {"type": "number"}, [(W, "type-widened", "")]),
    "null dropped": (obj(a={"type": ["string", "null"]}), obj(a=S), [(N, "null-dropped", "a")]),
    "null added": (obj(a=S), obj(a=any_of(S, NULL)), [(W, "null-added", "a")]),
    "null dropped from an enum": (enum("a", None), enum("a"), [(N, "null-dropped", "")]),
    "anything to a type": ({}, S, [(N, "type-narrowed", "")]),
    "a type to anything": (opened("a", a=S), {}, [(W, "type-widened", "")]),
    "nothing valid any more": (obj(a=S), obj(a=False), [(N, "type-narrowed", "a")]),
    "null dropped and type changed": (
        any_of(S, NULL),
        INT,
        [(N, "null-dropped", ""), (N, "type-changed", ""), (W, "type-changed", "")],
    ),
    # --- values
    "value removed": (enum("a", "b", "c"), enum("a", "c"), [(N, "value-removed", "")]),
    "value added": (enum("a"), {"const": "a"} | enum("a", "b"), []),
    "values added": (obj(s=enum("a")), obj(s=enum("a", "b", "c")), [(W, "value-added", "s")]),
    "value swapped": (enum("a", "b"), enum("a", "c"), [(N, "value-removed", ""), (W, "value-added", "")]),
    "values reordered": (enum("a", "b"), enum("b", "a"), [(R, "values-reordered", "")]),
    "const changed": ({"const": 1}, {"const": 2}, [(N, "value-removed", ""), (W, "value-added", "")]),
    "true is not one": ({"const": 1}, {"const": True}, [(N, "value-removed", ""), (W, "value-added", "")]),
    "enum added": (S, enum("a"), [(N, "value-removed", "")]),
    "enum dropped": ({**S, **enum("a")}, S, [(W, "value-added", "")]),
    "enum for a limit": (
        {**S, "maxLength": 1},
        enum("a", "bb"),
        [(N, "value-removed", ""), (W, "value-added", "")],
    ),
    "enum for a pattern": (enum("a"), {**S, "pattern": "a"}, [(U, "pattern-added", ""), (W, "value-added", "")]),
    "values of mixed types": (enum("a", 1), enum("a", 2), [(N, "value-removed", ""), (W, "value-added", "")]),
    "value of one type gone": (enum("a", 1), enum("a"), [(N, "value-removed", "")]),
    "what a value means": (
        one_of({"const": 1, "title": "Low"}, {"const": 2, "title": "High"}),
        one_of({"const": 1, "title": "Minor"}, {"const": 2, "title": "High"}),
        [(R, "description-changed", "")],
    ),
    "objects listed": (enum({"a": 1}), enum({"a": 1.0}, {"a": 2}), [(W, "value-added", "")]),
    # --- limits
    "maxLength lowered": ({**S, "maxLength": 5}, {**S, "maxLength": 4}, [(N, "limit-tightened", "")]),
    "maxLength dropped": ({**S, "maxLength": 5}, S, [(W, "limit-loosened", "")]),
    "minimum raised, maximum raised": (
        {**INT, "minimum": 1, "maximum": 5},
        {**INT, "minimum": 2, "maximum": 6},
        [(N, "limit-tightened", ""), (W, "limit-loosened", "")],
    ),
    "bound made exclusive": (
        {"type": "number", "maximum": 1},
        {"type": "number", "exclusiveMaximum": 1},
        [(N, "limit-tightened", "")],
    ),
    "multipleOf made a divisor": ({**INT, "multipleOf": 10}, {**INT, "multipleOf": 5}, [(W, "limit-loosened", "")]),
    "multipleOf changed": (
        {**INT, "multipleOf": 2},
        {**INT, "multipleOf": 3},
        [(N, "limit-tightened", ""), (W, "limit-loosened", "")],
    ),
    "multipleOf in tenths": (
        {"type": "number", "multipleOf": 0.1},
        {"type": "number", "multipleOf": 0.3},
        [(N, "limit-tightened", "")],
    ),
    "a bound that integers do not feel": (
        {"type": "number", "minimum": 0.5},
        {**INT, "minimum": 0.5},
        [(N, "type-narrowed", "")],
    ),
    "minItems and uniqueItems": (
        array(S, minItems=1),
        array(S, uniqueItems=True),
        [(N, "limit-tightened", ""), (W, "limit-loosened", "")],
    ),
    "maxProperties added": (opened(), {**opened(), "maxProperties": 3}, [(N, "limit-tightened", "")]),
    "minProperties dropped": ({**opened(), "minProperties": 2}, opened(), [(W, "limit-loosened", "")]),
    # --- patterns and formats
    "pattern changed": ({**S, "pattern": "a"}, {**S, "pattern": "b"}, [(U, "pattern-changed", "")]),
    "pattern added": (S, {**S, "pattern": "b"}, [(N, "pattern-added", "")]),
    "pattern removed": ({**S, "pattern": "b"}, S, [(W, "pattern-removed", "")]),
    "format added": (S, {**S, "format": "date"}, [(N, "format-added", "")]),
    "format removed": ({**S, "format": "date"}, S, [(W, "format-removed", "")]),
    "format changed": ({**S, "format": "date"}, {**S, "format": "time"}, [(U, "format-changed", "")]),
    "format of more values": ({**INT, "format": "int32"}, {**INT, "format": "int64"}, [(W, "format-changed", "")]),
    "format of fewer values": ({**S, "format": "iri"}, {**S, "format": "uri"}, [(N, "format-changed", "")]),
    "contentEncoding added": (S, {**S, "contentEncoding": "base64"}, [(N, "format-added", "")]),
    "pattern and length": (
        {**S, "pattern": "a", "maxLength": 9},
        {**S, "pattern": "b", "maxLength": 8},
        [(N, "limit-tightened", ""), (U, "pattern-changed", "")],
    ),
    # --- properties
    "property removed": (obj(a=S, b=S), obj(a=S), [(N, "property-removed", "b")]),
    "required property removed": (obj("b", a=S, b=S), obj(a=S), [(N, "property-removed", "b")]),
    "property added": (obj(a=S), obj(a=S, b=S), [(W, "property-added", "b")]),
    "required property added": (obj(a=S), obj("b", a=S, b=S), [(N, "property-added-required", "b")]),
    "property removed from an open object": (opened(a=S, b=S), opened(a=S), [(N, "property-removed", "b")]),
    "property added to an open object": (opened(a=S), opened(a=S, b=S), [(W, "property-added", "b")]),
    "property renamed": (obj(a=S), obj(b=S), [(N, "property-removed", "a"), (W, "property-added", "b")]),
    "made required": (obj(a=S), obj("a", a=S), [(N, "required-added", "a")]),
    "made optional": (obj("a", a=S), obj(a=S), [(W, "required-dropped", "a")]),
    "required without a description": (opened(), {**opened(), "required": ["x"]}, [(N, "required-added", "x")]),
    "required, and described only now": (
        {**opened(), "required": ["x"]},
        opened("x", x=S),
        [(W, "property-added", "x")],
    ),
    "three levels deep": (
        obj(incident=opened(priority=obj(id=S))),
        obj(incident=opened(priority=obj("id", id={**S, "maxLength": 9}))),
        [(N, "limit-tightened", "incident.priority.id"), (N, "required-added", "incident.priority.id")],
    ),
    "extras forbidden": (opened(a=S), obj(a=S), [(N, "extras-forbidden", "")]),
    "extras allowed": (obj(a=S), opened(a=S), [(W, "extras-allowed", "")]),
    "extras of a type": (
        obj(labels={"type": "object"}),
        obj(labels={"type": "object", "additionalProperties": S}),
        [(N, "type-narrowed", "labels.*")],
    ),
    "map values": (
        obj(labels={"type": "object", "additionalProperties": {**S, "maxLength": 5}}),
        obj(labels={"type": "object", "additionalProperties": {**S, "maxLength": 6}}),
        [(W, "limit-loosened", "labels.*")],
    ),
    "property of a map described": (
        {"type": "object", "additionalProperties": S},
        {"type": "object", "additionalProperties": S, "properties": {"a": {**S, "maxLength": 1}}},
        [(N, "property-added", "a"), (W, "property-added", "a")],
    ),
    "property of a map no longer described": (
        {"type": "object", "additionalProperties": S, "properties": {"a": {**S, "maxLength": 1}}},
        {"type": "object", "additionalProperties": S},
        [(N, "property-removed", "a"), (W, "property-removed", "a")],
    ),
    "patternProperties": (
        {"type": "object", "patternProperties": {"^x-": S}},
        {"type": "object", "patternProperties": {"^x-": INT}},
        [(N, "type-changed", "/^x-/"), (W, "type-changed", "/^x-/")],
    ),
    "pattern of names added": (
        opened(),
        {"type": "object", "patternProperties": {"^x-": S}},
        [(N, "pattern-property-added", "/^x-/")],
    ),
    "pattern of names in a closed object": (
        {"type": "object", "patternProperties": {"a": S}, "additionalProperties": False},
        {"type": "object", "patternProperties": {"a": S, "b": S}, "additionalProperties": False},
        [(U, "pattern-property-added", "/b/")],
    ),
    "property beside a pattern": (
        {"type": "object", "patternProperties": {"a": S}, "additionalProperties": False},
        {"type": "object", "patternProperties": {"a": S}, "additionalProperties": False, "properties": {"b": S}},
        [(U, "property-added", "b"), (W, "property-added", "b")],
    ),
    "propertyNames": (
        obj(labels={"type": "object", "propertyNames": {"maxLength": 9}}),
        obj(labels={"type": "object", "propertyNames": {"maxLength": 8}}),
        [(N, "limit-tightened", "labels{name}")],
    ),
    "dependentRequired": (
        {**opened(a=S, b=S, c=S), "dependentRequired": {"a": ["b"]}},
        {**opened(a=S, b=S, c=S), "dependentRequired": {"a": ["c"]}},
        [(N, "dependency-added", ""), (W, "dependency-dropped", "")],
    ),
    "propertyNames added": (
        opened(),
        {**opened(), "propertyNames": {"maxLength": 8}},
        [(N, "limit-tightened", "{name}")],
    ),
    "dependentSchemas": (
        {**opened(a=S), "dependentSchemas": {"a": {"required": ["b"]}}},
        opened(a=S),
        [(W, "required-dropped", "{with a}.b")],
    ),
    "names that need quotes": (
        obj(**{"a.b": obj(**{"x[]": S, "*": S})}),
        obj(**{"a.b": obj(**{"x[]": INT, "*": S})}),
        [(N, "type-changed", '"a.b"."x[]"'), (W, "type-changed", '"a.b"."x[]"')],
    ),
    "unevaluatedProperties": (
        {"type": "object", "allOf": [opened(a=S)], "unevaluatedProperties": False},
        {"type": "object", "allOf": [opened(a=S, b=S)], "unevaluatedProperties": False},
        [(U, "constraint-changed", ""), (W, "property-added", "b")],
    ),
    # --- arrays
    "items": (
        obj(list=array(obj(id=S))),
        obj(list=array(obj(id={**S, "minLength": 1}))),
        [(N, "limit-tightened", "list[].id")],
    ),
    "items of a type": (array(), array(S), [(N, "type-narrowed", "[]")]),
    "items forbidden": (array(S), array(False), [(N, "items-forbidden", "[]")]),
    "items allowed": (array(False, prefixItems=[S]), array(S, prefixItems=[S]), [(W, "items-allowed", "[]")]),
    "an item of a tuple": (
        array(False, prefixItems=[S, INT]),
        array(False, prefixItems=[S, {"type": "number"}]),
        [(W, "type-widened", "[1]")],
    ),
    "an item of a tuple gone": (
        array(False, prefixItems=[S, INT]),
        array(False, prefixItems=[S]),
        [(N, "items-removed", "[1]")],
    ),
    "an item of a tuple new": (
        array(False, prefixItems=[S]),
        array(False, prefixItems=[S, INT]),
        [(W, "items-added", "[1]")],
    ),
    "a first item described": (array(S), array(S, prefixItems=[enum("a")]), [(N, "value-removed", "[0]")]),
    "contains added": (array(S), array(S, contains={"const": "a"}), [(N, "contains-added", "{contains}")]),
    "contains": (
        array(S, contains=enum("a")),
        array(S, contains=enum("a", "b")),
        [(W, "value-added", "{contains}")],
    ),
    "contains counted": (
        array(S, contains=enum("a"), maxContains=2),
        array(S, contains=enum("a", "b"), maxContains=2),
        [(U, "constraint-changed", "{contains}")],
    ),
    "maxContains": (
        array(S, contains=enum("a"), maxContains=2),
        array(S, contains=enum("a"), maxContains=1),
        [(N, "limit-tightened", "{contains}")],
    ),
    # --- unions
    "member removed": (any_of(PHONE, EMAIL, FAX), any_of(PHONE, FAX), [(N, "union-member-removed", "(email)")]),
    "member added": (
        obj(contact=any_of(CARD, BANK)),
        obj(contact=any_of(CARD, BANK, titled("Cash", obj("amount", amount=INT)))),
        [(W, "union-member-added", "contact(Cash)")],
    ),
    "a second member": (
        obj(pay=CARD),
        obj(pay=any_of(CARD, BANK)),
        [(W, "union-member-added", "pay(Bank)")],
    ),
    "member covered by another": (
        any_of(S, {**S, "format": "date"}),
        S,
        [(R, "union-member-removed", "(string date)")],
    ),
    "member narrowed, and another takes it": (
        any_of(titled("Short", {**S, "maxLength": 5}), titled("Any", S)),
        any_of(titled("Short", {**S, "maxLength": 3}), titled("Any", S)),
        [(R, "limit-tightened", "(Short)")],
    ),
    "member swapped": (
        any_of(PHONE, EMAIL),
        any_of(PHONE, FAX),
        [(N, "union-member-removed", "(email)"), (W, "union-member-added", "(fax)")],
    ),
    "property of a member": (
        obj(to=any_of(PHONE, EMAIL)),
        obj(to=any_of(PHONE, {**EMAIL, "properties": {**EMAIL["properties"], "address": {**S, "maxLength": 9}}})),
        [(N, "limit-tightened", "to(email).address")],
    ),
    "member known by its component": (
        defs(any_of(ref("A"), ref("B")), A=obj("a", a=S), B=obj("b", b=S)),
        defs(any_of(ref("B"), ref("A")), A=obj("a", a=S), B=obj("b", b=INT)),
        [(N, "type-changed", "(B).b"), (W, "type-changed", "(B).b")],
    ),
    "members of two types": (
        obj(p=any_of(S, obj(id=S))),
        obj(p=any_of({**S, "maxLength": 9}, obj(id=S, name=S))),
        [(N, "limit-tightened", "p"), (W, "property-added", "p.name")],
    ),
    "member and null": (any_of(PHONE, EMAIL, NULL), any_of(PHONE, EMAIL), [(N, "null-dropped", "")]),
    "words of a member": (
        any_of(titled("A", S, description="one", pattern="a"), titled("B", {**S, "pattern": "b"})),
        any_of(titled("A", S, description="two", pattern="a"), titled("B", {**S, "pattern": "b"})),
        [(R, "description-changed", "(A)")],
    ),
    "oneOf that can overlap": (
        one_of(titled("A", opened("a", a=S)), titled("B", opened("b", b=S))),
        one_of(titled("A", opened("a", a=INT)), titled("B", opened("b", b=S))),
        [(N, "type-changed", "(A).a"), (U, "overlap-changed", ""), (W, "type-changed", "(A).a")],
    ),
    "oneOf loosened": (
        one_of(opened("a", a=S), opened("b", b=S)),
        any_of(opened("a", a=S), opened("b", b=S)),
        [(W, "overlap-allowed", "")],
    ),
    "anyOf tightened": (
        any_of(opened("a", a=S), opened("b", b=S)),
        one_of(opened("a", a=S), opened("b", b=S)),
        [(N, "overlap-forbidden", "")],
    ),
    "property added to a member of oneOf": (
        one_of(titled("A", opened("a", a=S)), titled("B", opened("b", b=S))),
        one_of(titled("A", opened("a", a=S, c=S)), titled("B", opened("b", b=S))),
        [(W, "property-added", "(A).c")],
    ),
    "a rule beside a union that stays": (
        one_of(opened("a", a=S), opened("b", b=S)),
        one_of(opened("a", a=S), opened("b", b=S), minProperties=2),
        [
            (N, "limit-tightened", "(object with a)"),
            (N, "limit-tightened", "(object with b)"),
            (U, "overlap-changed", ""),
        ],
    ),
    "a union beside rules": (
        opened(a=S, b=S),
        {**opened(a=S, b=S), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        [(N, "union-added", "")],
    ),
    "a member of a union beside rules": (
        {**opened(a=S, b=S, c=S), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {**opened(a=S, b=S, c=S), "anyOf": [{"required": ["a"]}, {"required": ["c"]}]},
        [(N, "union-member-removed", "(object with b)"), (W, "union-member-added", "(object with c)")],
    ),
    # --- not, if
    "not added": (S, {**S, "not": {"const": "a"}}, [(N, "not-added", "")]),
    "not of a type": (
        {"type": ["string", "null"]},
        {"type": ["string", "null"], "not": NULL},
        [(N, "null-dropped", "")],
    ),
    "not widened": (
        {**S, "not": enum("a", "b")},
        {**S, "not": enum("a")},
        [(W, "not-changed", "")],
    ),
    "not of a pattern": ({**S, "not": {"pattern": "a"}}, {**S, "not": {"pattern": "b"}}, [(U, "not-changed", "")]),
    "then": (
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"if": {"required": ["a"]}, "then": {"required": ["c"]}},
        [(N, "required-added", "{then}.c"), (W, "required-dropped", "{then}.b")],
    ),
    "another condition": (
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"if": {"required": ["x"]}, "then": {"required": ["b"]}},
        [(U, "condition-changed", "")],
    ),
    "condition added": (opened(), {**opened(), "if": {"required": ["a"]}, "else": False}, [(N, "condition-added", "")]),
    # --- references
    "a component in two places": (
        defs(obj(a=ref("A"), b=ref("A")), A=S),
        defs(obj(a=ref("A"), b=ref("A")), A={**S, "maxLength": 3}),
        [(N, "limit-tightened", "a"), (N, "limit-tightened", "b")],
    ),
    "a recursive component": (
        LIST,
        defs(obj(head=ref("Item")), Item=obj(value=INT, next=ref("Item"))),
        [(N, "type-changed", "head.value"), (W, "type-changed", "head.value")],
    ),
    "words beside a reference": (
        defs(obj(a={**ref("A"), "description": "x"}), A=titled("A", S, description="y")),
        defs(obj(a={**ref("A"), "description": "x"}), A=titled("A", S, description="z")),
        [],
    ),
    "another document": ({"$ref": "https://x/y"}, {"$ref": "https://x/z"}, [(U, "constraint-changed", "")]),
    # --- words
    "description": (
        obj(a={**S, "description": "x"}),
        obj(a={**S, "description": "y"}),
        [(R, "description-changed", "a")],
    ),
    "description of a nullable form": (
        any_of({**S, "description": "x"}, NULL),
        {"type": ["string", "null"], "description": "y"},
        [(R, "description-changed", "")],
    ),
    "title, default, examples, deprecated": (
        {**S, "title": "x", "default": "x", "examples": ["x"]},
        {**S, "default": "y", "examples": ["y"], "deprecated": True},
        [
            (R, "default-changed", ""),
            (R, "deprecated-changed", ""),
            (R, "examples-changed", ""),
            (R, "title-changed", ""),
        ],
    ),
    "readOnly": (S, {**S, "readOnly": True}, [(U, "access-changed", "")]),
    "extension": (S, {**S, "x-a": 1}, [(R, "annotation-changed", "")]),
    # --- what is not understood
    "unknown keyword": ({**S, "nullable": True}, S, [(U, "constraint-changed", "")]),
    "keyword of the wrong kind": ({**S, "minLength": "1"}, {**S, "minLength": "2"}, [(U, "constraint-changed", "")]),
    # --- two at once
    "argument and word": (
        obj(a=S, b={**S, "description": "x"}),
        obj("a", a=S, b={**S, "description": "y"}),
        [(N, "required-added", "a"), (R, "description-changed", "b")],
    ),
    "type and requiredness": (
        obj("a", a=S),
        obj(a={"type": ["string", "null"]}),
        [(W, "null-added", "a"), (W, "required-dropped", "a")],
    ),
}


def told(changes: list[SchemaChange]) -> list[tuple[str, str, str]]:
    return sorted((c.verdict, c.what, c.place) for c in changes)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    old, new, expected = CASES[name]
    untouched = copy.deepcopy((old, new))
    changes = compare(old, new)
    assert told(changes) == sorted(expected), changes
    assert (old, new) == untouched
    assert changes == sorted(changes, key=lambda c: (c.place, c.what))
    assert all(c.reason and "\n" not in c.reason for c in changes)
    json.dumps([(c.old, c.new) for c in changes])
    assert compare(old, old) == compare(new, copy.deepcopy(new)) == []


REASONS: dict[str, tuple[Any, Any, list[str]]] = {
    "values": (enum("low", "high"), enum("high"), ['may no longer be "low"']),
    "more values": (enum(0), enum(0, "a", "b"), ['may be "a", "b" now']),
    "three values": (enum("x"), enum("x", "a", "b", "c"), ['takes 3 more values: "a", "b", "c"']),
    "many values": (enum(0), enum(*range(21)), ["takes 20 more values: 1, 2, 3, 4, 5, 6, 7, 8 and 12 more"]),
    "a long value": (enum("a"), enum("a", "b" * 99), ['may be "' + "b" * 58 + "… now"]),
    "what does not print": (enum("a"), enum("a", "\x1b\u202e"), ['may be "\\u001b\\u202e" now']),
    "one value": (S, enum("a"), ['must be "a" now']),
    "one of": (S, enum("a", "b"), ['must be one of "a", "b" now']),
    "at most": ({**INT, "maximum": 500}, {**INT, "maximum": 100}, ["at most 100 now, was 500"]),
    "length": ({**S, "maxLength": 500}, {**S, "maxLength": 1}, ["at most 1 character now, was 500"]),
    "no limit": (array(), array(maxItems=2), ["at most 2 items now, had no upper limit"]),
    "limit dropped": ({**INT, "minimum": 1.5}, INT, ["no lower limit now, was at least 2"]),
    "more than": (
        {"type": "number", "minimum": 0},
        {"type": "number", "exclusiveMinimum": 0},
        ["more than 0 now, was at least 0"],
    ),
    "required": (obj(a=S), obj("a", a=S), ["is required now"]),
    "null": ({"type": ["string", "null"]}, S, ["no longer takes null"]),
    "gone": (obj(a=S, b=S), obj(a=S), ["the property is gone"]),
    "types": (
        {"type": ["string", "integer", "boolean"]},
        S,
        ["no longer takes a boolean or an integer"],
    ),
    "type": (S, INT, ["must be an integer now, was a string", "may be an integer now, was a string"]),
    "from anything": ({}, S, ["must be a string now, was anything"]),
    "dependency": (opened(), {**opened(), "dependentRequired": {"a": ["b"]}}, ['beside "a", "b" is required now']),
    "pattern": ({**S, "pattern": "^a$"}, {**S, "pattern": "^b$"}, ['must match "^b$" now, was "^a$"']),
}


@pytest.mark.parametrize("name", REASONS)
def test_reason(name: str) -> None:
    old, new, expected = REASONS[name]
    assert [c.reason for c in compare(old, new)] == expected


def test_what_was_there_and_what_is() -> None:
    """The JSON on both sides: of values those that came or went, of a schema the schema."""
    old = obj(a=enum("x", "y"), b={**S, "maxLength": 5}, c={**S, "description": "one"}, d=S)
    new = obj(a=enum("x", "z"), b={**S, "maxLength": 4}, c={**S, "description": "two"})
    found = {(c.place, c.verdict): (c.old, c.new) for c in compare(old, new)}
    assert found == {
        ("a", N): (["y"], None),
        ("a", W): (None, ["z"]),
        ("b", N): (5, 4),
        ("c", R): ("one", "two"),
        ("d", N): (S, None),
    }


# --- hostile schemas --------------------------------------------------------------------------------------------------


def nested(depth: int, leaf: Any, *, way: str = "") -> Any:
    """Objects in objects, or unions in unions."""
    for n in range(depth):
        leaf = {way: [leaf, {"type": "object", "required": [f"p{n}"]}]} if way else opened(a=leaf)
    return leaf


def members(count: int, more: int) -> list[Any]:
    return [opened(f"p{i}", **{f"p{i}": {**S, "maxLength": i + more}}) for i in range(count)]


def doubled(leaf: Any, way: str) -> Any:
    """Components that each use the next one twice: a tree of 2 to the 40th, written out."""
    steps = range(40)
    if way == "properties":
        named = {f"d{n}": opened(a=ref(f"d{n + 1}"), b=ref(f"d{n + 1}")) for n in steps}
    else:
        named = {f"d{n}": {way: [ref(f"d{n + 1}"), ref(f"d{n + 1}")]} for n in steps}
    return defs(ref("d0"), **named, d40=leaf)


def woven(type_: str) -> Any:
    """Components that all lead to one another, by unions."""
    named = {
        f"c{i}": opened(
            x={"type": type_}, **{f"r{j}": any_of(ref(f"c{i * 7 % 60}"), ref(f"c{j}"), S) for j in range(8)}
        )
        for i in range(60)
    }
    return defs(ref("c1"), **named)


HOSTILE: dict[str, tuple[Any, Any]] = {
    "deep": (nested(95, S), nested(95, INT)),
    "too deep": (nested(5000, S), nested(5000, INT)),
    **{f"deep {way}": (nested(90, S, way=way), nested(90, INT, way=way)) for way in ("anyOf", "oneOf", "allOf")},
    **{f"many in {w}": ({w: members(3000, 0)}, {w: members(3000, 1)}) for w in ("anyOf", "oneOf", "allOf")},
    **{f"doubled {w}": (doubled(S, w), doubled(INT, w)) for w in ("properties", "anyOf", "allOf")},
    "woven": (woven("string"), woven("integer")),
    "a member of itself": (defs(ref("A"), A=any_of(ref("A"), S)), defs(ref("A"), A=any_of(ref("A"), INT))),
    "a denial of itself": ({"not": {"$ref": "#"}, **S}, {"not": {"$ref": "#"}, **INT}),
    "itself": ({"$ref": "#", "type": "string"}, {"$ref": "#", "type": "integer"}),
    "nowhere": (defs(obj(a=ref("A")), A=S), defs(obj(a=ref("A")))),
    "long lists": (enum(*range(20000)), enum(*range(5, 20005))),
    "large numbers": ({**INT, "multipleOf": 10**300}, {"type": "number", "multipleOf": 1e-300, "maximum": 1e308}),
    "many properties": (opened(**{f"p{i}": S for i in range(5000)}), opened(**{f"p{i}": INT for i in range(5000)})),
    "a pattern that backtracks": (
        {"type": "object", "patternProperties": {"(a+)+$": S}, "properties": {"a" * 40 + "b": S}},
        {"type": "object", "patternProperties": {"(a+)+$": INT}, "properties": {"a" * 40 + "b": S}},
    ),
    "keywords of the wrong kind": (
        dict.fromkeys(("type", "enum", "properties", "required", "anyOf", "items", "$ref", "not", "pattern", "if"), 1),
        {k: [{}, 2] for k in ("type", "properties", "required", "oneOf", "items", "$ref", "not", "format", "contains")},
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    """It ends, soon, and not in silence."""
    old, new = HOSTILE[name]
    began = time.perf_counter()
    changes = compare(old, new)
    assert time.perf_counter() - began < 5
    # what is a string and an object at once is nothing, on either side; what denies itself has no meaning
    if name not in ("deep allOf", "a denial of itself"):
        assert {c.verdict for c in changes} & {N, U}
    assert len(changes) <= 1001


def test_the_hash_seed_does_not_matter() -> None:
    code = "import test_schema_compare as t; print(t.compare(*t.HOSTILE['woven']), t.compare(t.PHONE, t.EMAIL))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=TESTS,
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1


# --- real schemas -----------------------------------------------------------------------------------------------------


def reordered(value: Any) -> Any:
    """The same schema with the keys of all objects the other way round, so that no text is the same."""
    if isinstance(value, dict):
        return {k: reordered(v) for k, v in reversed(value.items())}
    return [reordered(v) for v in value] if isinstance(value, list) else value


def in_entry(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (entry[k] for k in ("inputSchema", "outputSchema") if k in entry)


@pytest.mark.parametrize(
    "path", sorted((TESTS.parent / "generated").glob("*/*/tools.json")), ids=lambda p: p.parent.name
)
def test_what_is_the_same_is_the_same(path: Path) -> None:
    for entry in json.loads(path.read_text(encoding="utf-8"))["tools"]:
        for schema in in_entry(entry):
            assert compare(schema, reordered(schema)) == []


corpus = pytest.mark.skipif(
    not os.environ.get("MCPGEN_CORPUS"), reason="MCPGEN_CORPUS names no folder with the corpus of real documents"
)


def real(name: str) -> Contract:
    return of_plan(plan(spec.load(Path(os.environ["MCPGEN_CORPUS"], name)), Config()))


@corpus
@pytest.mark.parametrize("name", ["pagerduty-rest.json", "large/stripe-2024.yaml"])
def test_what_is_the_same_is_the_same_in_real_documents(name: str) -> None:
    contract = real(name)
    compared = 0
    for entry in contract.entries.values():
        for schema in in_entry(entry):
            assert compare(schema, reordered(schema)) == []
            compared += 1
    assert compared > 300


@corpus
def test_a_year_of_pagerduty() -> None:
    """All tools of two revisions in well under a second, and what the manifest of the history names."""
    old, new = (real(f"history/pagerduty/{n}.json").entries for n in ("000-2025-04-02", "029-2026-02-20"))
    began = time.perf_counter()
    found = {n: compare(old[n]["inputSchema"], new[n]["inputSchema"]) for n in sorted(old.keys() & new.keys())}
    assert time.perf_counter() - began < 1
    assert len(found) > 350
    assert told(found["update_webhook_subscription"]) == [(W, "property-added", "oauth_client_id")]
    assert (W, "union-member-added", "contact_method(whatsapp_contact_method)") in told(
        found["create_user_contact_method"]
    )


# --- held against a validator -----------------------------------------------------------------------------------------

NAMES = ["a", "b", "c"]
TEXTS = ["", "a", "b", "ab", "abc", "2024-05-06"]
NUMBERS = [-4, -1, 0, 1, 1.5, 2, 3, 4, 6, 12]
VALUES: list[Any] = [*TEXTS, *NUMBERS, None, True, False, [], ["a"], {}, {"a": 1}]


def some(**choices: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the keywords."""
    return st.fixed_dictionaries({}, optional=choices)


SIZES = st.integers(0, 3)
STRINGS = some(
    minLength=SIZES,
    maxLength=SIZES,
    pattern=st.sampled_from(["^a", "b$"]),
    format=st.sampled_from(["date", "time"]),
)
NUMERIC = some(
    minimum=st.sampled_from(NUMBERS),
    exclusiveMinimum=st.sampled_from(NUMBERS),
    maximum=st.sampled_from(NUMBERS),
    exclusiveMaximum=st.sampled_from(NUMBERS),
    multipleOf=st.sampled_from([0.5, 1, 1.5, 2, 3]),
)
TYPES = st.one_of(
    st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"]),
    st.lists(
        st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"]),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)
LISTED = st.lists(st.sampled_from(VALUES), min_size=1, max_size=4).map(lambda v: {"enum": v})
LEAVES = st.one_of(
    st.booleans(),
    TYPES.map(lambda t: {"type": t}),
    STRINGS.map(lambda s: {"type": "string", **s}),
    STRINGS,
    NUMERIC.map(lambda s: {"type": "number", **s}),
    NUMERIC.map(lambda s: {"type": "integer", **s}),
    LISTED,
    st.sampled_from(VALUES).map(lambda v: {"const": v}),
    st.builds(lambda one, two: {**one, **two}, LISTED, st.one_of(STRINGS, NUMERIC)),
    st.sampled_from(["One", "Two"]).map(ref),
)


def keywords(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """The keywords whose values are schemas, and those that go with them."""
    few = st.lists(inner, min_size=1, max_size=3)
    names = st.lists(st.sampled_from(NAMES), max_size=2, unique=True)
    return {
        "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        "required": names,
        "additionalProperties": st.one_of(st.just(False), st.just(False), inner),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b|c"]), inner, min_size=1, max_size=2),
        "propertyNames": inner,
        "dependentRequired": st.dictionaries(st.sampled_from(NAMES), names, max_size=2),
        "dependentSchemas": st.dictionaries(st.sampled_from(NAMES), inner, max_size=1),
        "minProperties": SIZES,
        "maxProperties": SIZES,
        "unevaluatedProperties": st.one_of(st.just(False), inner),
        "items": inner,
        "prefixItems": few,
        "contains": inner,
        "minContains": st.integers(0, 2),
        "maxContains": st.integers(0, 2),
        "minItems": SIZES,
        "maxItems": SIZES,
        "uniqueItems": st.booleans(),
        "anyOf": few,
        "oneOf": few,
        "allOf": few,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
    }


def compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    every = keywords(inner)

    def of(type_: str | None, *keys: str) -> st.SearchStrategy[Any]:
        chosen = some(**{k: every[k] for k in keys})
        return chosen.map(lambda s: {"type": type_, **s}) if type_ else chosen

    return st.one_of(
        of("object", "properties", "required", "additionalProperties"),
        of("object", "properties", "required", "additionalProperties", "patternProperties", "minProperties"),
        of("object", "propertyNames", "dependentRequired", "dependentSchemas", "maxProperties", "properties"),
        of("object", "properties", "allOf", "unevaluatedProperties"),
        of("array", "items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        of("array", "contains", "minContains", "maxContains", "items"),
        every["anyOf"].map(lambda m: {"anyOf": m}),
        every["oneOf"].map(lambda m: {"oneOf": m}),
        every["allOf"].map(lambda m: {"allOf": m}),
        of(None, "anyOf", "properties", "required"),
        of(None, "not", "oneOf"),
        of(None, "if", "then", "else"),
    )


SCHEMAS = st.recursive(LEAVES, compound, max_leaves=6)


SINGLE = {
    *("additionalProperties", "propertyNames", "unevaluatedProperties", "items", "contains"),
    *("not", "if", "then", "else"),
}


def places(schema: Any) -> Iterator[tuple[Any, Any]]:
    """Where the schemas are: what holds them, and their key in it."""
    for key, value in list(schema.items()) if isinstance(schema, dict) else ():
        if key in ("properties", "patternProperties", "dependentSchemas"):
            inner: list[tuple[Any, Any]] = [(value, k) for k in value]
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            inner = [(value, i) for i in range(len(value))]
        else:
            inner = [(schema, key)] if key in SINGLE else []
        for holder, at in inner:
            yield holder, at
            yield from places(holder[at])


def altered(there: Any) -> st.SearchStrategy[Any]:
    """The schema changed at its root, or said in another way, or another one."""

    def without(holder: dict[str, Any], key: str) -> dict[str, Any]:
        return {k: v for k, v in holder.items() if k != key}

    wrap = st.sampled_from(["anyOf", "oneOf", "allOf"])
    ways = [
        SCHEMAS,
        st.builds(lambda way: {way: [there]}, wrap),
        st.builds(lambda way, other: {way: [there, other]}, wrap, SCHEMAS),
        st.just({"anyOf": [there, {"type": "null"}]}),
        st.just({"not": {"not": there}}),
    ]
    if isinstance(there, dict) and there:
        keys, every = st.sampled_from(sorted(there)), keywords(LEAVES)
        ways += [
            keys.map(lambda key: without(there, key)),
            st.one_of(STRINGS, NUMERIC, some(**every)).map(lambda more: {**there, **more}),
            keys.flatmap(lambda key: every.get(key, st.just(there[key])).map(lambda value: {**there, key: value})),
        ]
        inner = [k for k in ("properties", "patternProperties") if there.get(k)]
        if inner:
            found = st.sampled_from([(k, name) for k in inner for name in sorted(there[k])])
            ways.append(found.map(lambda at: {**there, at[0]: without(there[at[0]], at[1])}))
        lists = [k for k in ("anyOf", "oneOf", "allOf", "enum") if k in there]
        if lists:
            mixed = st.sampled_from(lists).flatmap(lambda k: st.tuples(st.just(k), st.permutations(there[k])))
            ways.append(mixed.map(lambda at: {**there, at[0]: at[1]}))
            ways.append(mixed.map(lambda at: {**there, at[0]: at[1][1:] or at[1]}))
    return st.one_of(ways)


@st.composite
def mutated(draw: st.DrawFn, schema: Any) -> Any:
    """The schema with a thing or two changed."""
    whole = {"schema": copy.deepcopy(schema)}
    for _ in range(draw(st.integers(1, 2))):
        holder, key = draw(st.sampled_from([(whole, "schema"), *places(whole["schema"])]))
        holder[key] = draw(altered(holder[key]))
    return whole["schema"]


# the components are objects, so that no schema is a member of itself
COMPONENTS = st.fixed_dictionaries(
    {
        n: st.builds(
            lambda p, more: {"type": "object", "properties": p, **more},
            st.dictionaries(st.sampled_from(NAMES), LEAVES, max_size=2),
            some(additionalProperties=st.just(False), required=st.lists(st.sampled_from(NAMES), max_size=1)),
        )
        for n in ("One", "Two")
    }
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two schemas, the second made from the first."""
    schema, components = draw(SCHEMAS), draw(COMPONENTS)
    later, others = draw(mutated(schema)), copy.deepcopy(components)
    if draw(st.booleans()):
        name = draw(st.sampled_from(["One", "Two"]))
        others[name] = draw(
            mutated(components[name]).filter(lambda s: isinstance(s, dict) and s.get("type") == "object")
        )
    if draw(st.booleans()):
        others = {{"One": "Eins", "Two": "Zwei"}[n]: s for n, s in others.items()}
        text = json.dumps([later, others])
        later, others = json.loads(text.replace("$defs/One", "$defs/Eins").replace("$defs/Two", "$defs/Zwei"))
    sides = []
    for one, named in ((schema, components), (later, others)):
        # what stands beside a reference to the component holds as well, whatever it is
        sides.append(defs(one if isinstance(one, dict) else {"allOf": [one]}, **named))
    return sides[0], sides[1]


def drawn(rng: random.Random, schema: Any, root: Any, depth: int = 0) -> Any:
    """A value that may be valid."""
    if not isinstance(schema, dict) or depth > 5 or rng.random() < 0.07:
        return rng.choice(VALUES)
    if "$ref" in schema:
        return drawn(rng, root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth + 1)
    ways = [k for k in ("anyOf", "oneOf", "allOf", "enum", "const", "type", "not", "then", "else") if k in schema]
    ways += ["object"] * (("properties" in schema) + ("required" in schema)) + ["array"] * ("items" in schema)
    way = rng.choice(ways or ["values"])
    if way in ("anyOf", "oneOf", "allOf"):
        return drawn(rng, rng.choice(schema[way]), root, depth + 1)
    if way in ("then", "else"):
        return drawn(rng, schema[way], root, depth + 1)
    if way == "enum":
        return rng.choice(schema["enum"])
    if way == "const":
        return schema["const"]
    if way == "not":
        # of a double negation, what is inside
        return drawn(rng, schema["not"].get("not", True) if isinstance(schema["not"], dict) else True, root, depth + 1)
    kind = way
    if way == "type":
        kind = schema["type"] if isinstance(schema["type"], str) else rng.choice(schema["type"])
    if kind == "object":
        properties = schema.get("properties", {})
        names = {n for n in NAMES if rng.random() < 0.4} | {n for n in schema.get("required", ()) if rng.random() < 0.9}
        extra = schema.get("additionalProperties", True)
        return {n: drawn(rng, properties.get(n, extra), root, depth + 1) for n in sorted(names)}
    if kind == "array":
        prefix = schema.get("prefixItems", [])
        length = rng.choice([0, 1, 1, 2, 2, 3])
        inner = [*prefix, *[rng.choice([schema.get("items", True), schema.get("contains", True)])] * 3]
        return [drawn(rng, inner[i], root, depth + 1) for i in range(length)]
    if kind == "string":
        return rng.choice(TEXTS)
    if kind in ("number", "integer"):
        return rng.choice(NUMBERS)
    return rng.choice([True, False]) if kind == "boolean" else None if kind == "null" else rng.choice(VALUES)


def keys_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


def excused(value: Any, changes: list[SchemaChange], lost: bool) -> bool:
    """Tell whether the module says that this is not told: how properties that come and go are read there.

    A property that comes to an open object is told as widened, though some of its values were allowed unchecked; one
    that leaves it as narrowed. And what comes or goes together with being required is told once, as narrowed. That
    excuses values with just that property, and for a required one that is gone those without it.
    """
    if lost:
        return bool(keys_in(value) & {c.place.rpartition(".")[2] for c in changes if c.what == "property-added"})
    if any(c.what == "property-removed" and "it was required" in c.reason for c in changes):
        return True
    gone = {c.place.rpartition(".")[2] for c in changes if c.what in ("property-removed", "property-added-required")}
    return bool(keys_in(value) & gone)


def check(old: dict[str, Any], new: dict[str, Any], seed: int) -> tuple[int, int]:
    """Return how many values told the two apart, and how many of them were excused."""
    changes = compare(old, new)
    verdicts = {c.verdict for c in changes}
    before, now = (jsonschema_rs.Draft202012Validator(s, validate_formats=True) for s in (old, new))
    rng = random.Random(seed)
    found = told_apart = 0
    for number in range(60):
        side = old if number % 2 else new
        value = drawn(rng, side, side) if number >= len(VALUES) else VALUES[number]
        valid, still = before.is_valid(value), now.is_valid(value)
        if valid == still:
            continue
        told_apart += 1
        if excused(value, changes, lost=valid):
            found += 1
            continue
        wanted = {U, N if valid else W}
        note(f"{value!r} was {'valid' if valid else 'invalid'}, and is not any more")
        assert verdicts & wanted, (value, changes)
    return told_apart, found


@settings(
    max_examples=int(os.environ.get("MCPGEN_EXAMPLES", "400")), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(pairs(), st.integers(0, 2**16))
def test_no_value_is_lost_or_gained_in_silence(pair: tuple[dict[str, Any], dict[str, Any]], seed: int) -> None:
    check(*pair, seed)
    check(*pair[::-1], seed)
    for side in pair:
        assert compare(side, json.loads(json.dumps(side))) == []
