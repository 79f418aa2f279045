"""Turns the examples and defaults of requests into those that do not fit the schema they stand beside.

Schemas are read by `samples`, as the mock reads them; `jsonschema-rs` judges. What cannot be judged is not a finding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..samples import Translator
from ..spec import Spec, Unresolved, escape

if TYPE_CHECKING:
    import jsonschema_rs

__all__ = ["Examples"]

_WORDS = 160
"""How much of a violation, which repeats the value, is shown."""


class Examples:
    """Judges the examples of one document."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._translator = Translator(spec, "readOnly")
        self._validators: dict[str, jsonschema_rs.Draft202012Validator | None] = {}

    def misfits(self, pointer: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the examples and defaults of a parameter, media type or schema that do not fit: pointer, reason."""
        schema = f"{pointer}/schema" if "schema" in node else pointer
        if schema == pointer and ("content" in node or "$ref" in node):
            return
        for at, value in self._stated(pointer, node):
            reason = "" if value is None else self._misfit(schema, value)
            if reason and all(self._misfit(schema, other) for other in _notations(value)):
                yield at, reason

    def _stated(self, pointer: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield from ((f"{pointer}/{key}", node[key]) for key in ("example", "default") if key in node)
        examples = node.get("examples")
        if isinstance(examples, list):
            yield from ((f"{pointer}/examples/{i}", value) for i, value in enumerate(examples))
        elif isinstance(examples, dict) and "schema" in node:
            for name, stated in examples.items():
                try:
                    example, at = self._spec.deref(stated, f"{pointer}/examples/{escape(name)}")
                except Unresolved:
                    continue
                if isinstance(example, dict):
                    yield from ((f"{at}/{key}", example[key]) for key in ("value", "dataValue") if key in example)

    def _misfit(self, schema: str, value: Any) -> str:
        """Return why a value does not fit the schema at a pointer; empty when it does, or nobody can tell."""
        if schema not in self._validators:
            try:
                self._validators[schema] = self._translator.bundle(schema).validator()
            except (Unresolved, RecursionError):
                self._validators[schema] = None
        validator = self._validators[schema]
        if validator is None:
            return ""
        import jsonschema_rs

        try:
            error = next(iter(validator.iter_errors(value)), None)
        except ValueError:  # a number beyond what the library holds
            return ""
        if error is None or isinstance(error.kind, jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded):
            return ""
        at = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in error.instance_path).removeprefix(".")
        words = error.message
        if len(words) > _WORDS:
            words = f"{words[: _WORDS // 2]} … {words[-_WORDS // 2 :]}"
        return f"{at}: {words}" if at else words


def _notations(value: Any) -> Iterator[Any]:
    """Yield the same value as vendors write it otherwise: JSON as a text, a number for a text of digits, `a,b`."""
    if isinstance(value, int | float):
        yield json.dumps(value)
    if isinstance(value, str):
        try:
            yield json.loads(value)
        except (ValueError, RecursionError):
            yield [part.strip() for part in re.split(r"[,&]", value)]
