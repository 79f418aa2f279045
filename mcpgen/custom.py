"""Turns `custom.py`, tools written by hand, into tools of the plan: what each takes, answers and calls.

The file is the vendor's own code and is copied as it is. Its classes are read by importing it with the generated
classes that it calls, in a process and a folder of its own.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .config import Config
from .names import TOOL_NAME, TOOL_NAME_HINT, mentioned_tools, named_tools, snake
from .plan import Annotations, CustomTool, Plan, json_bytes
from .planner import DESCRIPTION_LIMIT, docstring
from .problems import Problem, Rejected
from .render import importable
from .schemas import Publisher, Schemas, clean
from .spec import load

__all__ = ["completed"]

_READER = """
import importlib, inspect, json, sys, typing
package = sys.argv[1]
runtime = importlib.import_module(f"{package}._runtime.custom")
module = importlib.import_module(f"{package}.tools.custom")
from pydantic import BaseModel
found = []
for name, thing in sorted(vars(module).items()):
    if isinstance(thing, type) and issubclass(thing, runtime.CustomTool) and thing.__module__ == module.__name__:
        if "ABOUT" not in vars(thing):
            continue
        about = thing.ABOUT
        hints = typing.get_type_hints(thing.run)
        output = hints.get("return")
        is_model = isinstance(output, type) and issubclass(output, BaseModel)
        found.append({
            "class": name, "about": {k: getattr(about, k) for k in about.__slots__},
            "doc": inspect.cleandoc(thing.__doc__ or ""),
            "input": thing.model_json_schema(by_alias=True),
            "output": output.model_json_schema(by_alias=True, mode="serialization") if is_model else None,
        })
print("\\n" + json.dumps(found))
"""


def completed(plan: Plan, config: Config, path: str, text: str | None) -> Plan:
    """Return the plan with the tools of `text`, which stands in the file `path`; None for a plan without any.

    Errors: `Rejected` for a file that cannot be imported, for names that are taken, and for descriptions that name a
    tool which does not exist.
    """
    if text is not None:
        plan = replace(plan, custom=(*plan.custom, *_tools(plan, path, text)), custom_source=text)
    wrong = [*_clashes(plan, path), *_too_large(plan, config)]
    if wrong:
        raise Rejected(wrong)
    return plan


def _too_large(plan: Plan, config: Config) -> Iterator[Problem]:
    sizes = {t.name: len(json_bytes(t.entry())) for t in plan.tools} if config.tool_bytes else {}
    if (size := sum(sizes.values())) > config.tool_bytes:
        largest = sorted(sizes, key=lambda n: (-sizes[n], n))[:5]
        hint = "the largest: " + ", ".join(f"{n} ({sizes[n]:,})" for n in largest) + "; `mcpgen list` has all of them"
        message = f"the entries of tools/list have {size:,} bytes, and may have {config.tool_bytes:,}"
        yield config.problem("limits.tool_bytes", message, hint)


def _clashes(plan: Plan, path: str) -> Iterator[Problem]:
    names = Counter(t.name for t in plan.tools)
    own = {t.name: t for t in plan.custom if t.module == "custom"}
    for name in sorted(n for n, count in names.items() if count > 1):
        line, hint = 0, "give one of them another name"
        if name in own:
            line = _line(plan.custom_source, own[name].class_name)
            hint = f'say name = "…" in the ABOUT of {own[name].class_name}, or name the other one in mcpgen.toml'
        yield Problem(f"two tools are called {name!r}", file=path, hint=hint, line=line, column=1 if line else 0)
    lines = enumerate(plan.custom_source.splitlines(), 1)
    named = (
        (Problem("", file=path, line=number, column=line.index("{tool:") + 1), name)
        for number, line in lines
        for name in mentioned_tools(line)
    )
    for place, name in (*plan.mentions, *named):
        if name not in names:
            close = get_close_matches(name, names, 1)
            hint = f"did you mean {close[0]!r}?" if close else "name one that `mcpgen list` shows"
            yield replace(place, message=f"there is no tool {name!r} to name in a description", hint=hint)


def _line(text: str, class_name: str) -> int:
    found = re.search(rf"^class {class_name}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def _tools(plan: Plan, path: str, text: str) -> Iterator[CustomTool]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Rejected([Problem(error.msg, file=path, line=error.lineno or 0, column=error.offset or 0)]) from None
    except ValueError as error:
        raise Rejected([Problem(str(error), file=path)]) from None
    calls = dict(_calls(tree, {t.class_name: t for a in plan.areas for t in a.tools}))
    lines = {n.name: n.lineno for n in tree.body if isinstance(n, ast.ClassDef)}
    areas = {a.name for a in plan.areas} | {"custom"}
    wrong = []
    for found in _read(plan, path, text):
        about, name = found["about"], found["class"]
        at = Problem("", file=path, line=lines.get(name, 0), column=1)
        tool_name = about["name"] or snake(name)
        if not TOOL_NAME.fullmatch(tool_name):
            wrong.append(replace(at, message=f"{tool_name!r} is no tool name", hint=TOOL_NAME_HINT))
        if about["area"] not in areas:
            hint = f"known: {', '.join(sorted(areas))}"
            wrong.append(replace(at, message=f"{name}: there is no area {about['area']!r}", hint=hint))
        if not found["doc"]:
            hint = "say below the line of the class what the tool does"
            wrong.append(replace(at, message=f"{name} has no docstring; it is the tool's description", hint=hint))
        if about["read_only"] and about["destructive"]:
            message = f"{name} cannot be read-only and destructive at once"
            wrong.append(replace(at, message=message, hint="say one of them in its ABOUT"))
        writes = [t for t in calls.get(name, ()) if not t.annotations.read_only]
        if about["read_only"] and writes:
            message = f"{name} is not read-only: it calls {', '.join(t.operation_id or t.name for t in writes)}"
            wrong.append(replace(at, message=message, hint="say read_only=False in its ABOUT"))
        if not re.search(rf"\bclass {name}\b", text):
            continue
        hints = {k: about[k] for k in ("read_only", "destructive", "idempotent", "open_world")}
        yield CustomTool(
            name=tool_name,
            class_name=name,
            area=about["area"],
            title=about["title"],
            description=clean(_flowing(found["doc"]), DESCRIPTION_LIMIT),
            docstring_source=docstring(found["doc"]),
            annotations=Annotations(**hints, reason="custom.py"),
            input_schema=_published(found["input"]),
            output_schema=_published(found["output"]) if found["output"] else None,
            calls=tuple(t.operation_id or t.name for t in calls.get(name, ())),
        )
    if wrong:
        raise Rejected(wrong)


def _calls(tree: ast.Module, tools: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the classes of a module with the tools that they, or the functions they use, name."""
    imported = {a.asname or a.name: a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    known = {local: tools[name] for local, name in imported.items() if name in tools}
    named = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}
    for name in named:
        seen, todo, used = {name}, [name], set()
        while todo:
            for node in ast.walk(named[todo.pop()]):
                if isinstance(node, ast.Name):
                    used.add(node.id)
                    if node.id in named and node.id not in seen:
                        seen.add(node.id)
                        todo.append(node.id)
                elif isinstance(node, ast.Attribute) and node.attr in tools:  # notes.ListNotes
                    used.add(node.attr)
                    known[node.attr] = tools[node.attr]
        yield name, [known[u] for u in sorted(used) if u in known]


def _read(plan: Plan, path: str, text: str) -> list[dict[str, Any]]:
    with importable(replace(plan, custom_source=text)) as folder:
        program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{_READER}"
        command = [sys.executable, "-P", "-c", program, plan.package]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=folder, timeout=_IMPORT_SECONDS
            )
        except subprocess.TimeoutExpired:
            hint = "do nothing on import but define classes"
            message = f"the file was still being imported after {_IMPORT_SECONDS} seconds"
            raise Rejected([Problem(message, file=path, hint=hint)]) from None
    try:
        found: list[dict[str, Any]] = json.loads(named_tools(done.stdout.rstrip().rpartition("\n")[2]))
    except ValueError:
        raise Rejected([_not_imported(plan, path, done.stderr, folder)]) from None
    return found


_IMPORT_SECONDS = 120


def _not_imported(plan: Plan, path: str, said: str, folder: Path) -> Problem:
    """Return why the file cannot be imported, from a traceback."""
    lines = re.findall(r"tools[/\\]custom\.py\", line (\d+)", said)
    last = said.strip().rpartition("\n")[2] or "it ended the interpreter"
    last = re.sub(rf" \([^()]*{re.escape(folder.name)}[^()]*\)", "", last).replace(f"{plan.package}.tools", "")
    hint = "operations are classes of the modules beside the file; [custom] operations names those that are no tools"
    if missing := re.search(r"cannot import name '(\w+)' from '\.(\w+)'", last):
        classes = [t.class_name for a in plan.areas if a.name == missing[2] for t in a.tools]
        close = get_close_matches(missing[1], classes, 1)
        hint = f"did you mean {close[0]}?" if close else f"{missing[2]} has {', '.join(classes) or 'none'}; {hint}"
    line = int(lines[-1]) if lines else 0
    return Problem(f"the file cannot be imported: {last}", file=path, line=line, column=1 if line else 0, hint=hint)


def _flowing(text: str) -> str:
    """Return a docstring without the line breaks that only keep its lines short; the items of a list keep theirs."""
    return re.sub(r"(?<!\n)\n(?!\n|[-*] |[0-9]+[.)] )", " ", text)


def _published(schema: dict[str, Any]) -> dict[str, Any]:
    """Return pydantic's schema as a model sees it: references inlined, no titles that repeat names."""
    definitions = schema.pop("$defs", {})
    text = json.dumps({"Root": schema, **definitions}).replace("#/$defs/", "#/components/schemas/")
    document = {"openapi": "3.1.0", "info": {"title": "", "version": ""}, "paths": {}}
    with tempfile.TemporaryDirectory(prefix="mcpgen-") as folder:
        path = Path(folder, "schemas.json")
        path.write_text(json.dumps({**document, "components": {"schemas": json.loads(text)}}), encoding="utf-8")
        schemas = Schemas(load(path))
    published = Publisher(schemas).publish(schemas.place("#/components/schemas/Root"), None, room=100_000)
    published.pop("description", None)
    required = sorted(published.get("required", ()))
    properties = published.get("properties", {})
    ordered = sorted(properties, key=lambda k: (k not in required, k))
    rest = {k: v for k, v in published.items() if k not in ("type", "properties", "required", "additionalProperties")}
    closed = {"additionalProperties": False} if schema.get("additionalProperties") is False else {}
    return {
        "type": "object",
        "properties": {k: properties[k] for k in ordered},
        **({"required": required} if required else {}),
        **rest,
        **closed,
    }
