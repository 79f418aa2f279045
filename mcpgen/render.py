"""Turns a `Plan` into `{path: text}`: Jinja2 places what the plan holds, ruff lays the Python out, once for all."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2

from .clients import Clients, registry
from .markdown import code, markdown, prose
from .plan import SEARCHING, Plan, json_bytes
from .planner import Inferred
from .schemas import checkable_pattern, pattern_matches
from .shipped import templates

__all__ = ["importable", "render", "starter"]


def render(plan: Plan) -> dict[str, str]:
    """Return the whole server of `plan`: its files by path, relative and with `/`."""
    package = plan.package
    environment = _environment(*_folders(plan))
    with ThreadPoolExecutor(1) as beside:  # ruff needs its time, in a process of its own
        python = beside.submit(_formatted, dict(_placed(plan, environment, python=True)), package)
        files = dict(_placed(plan, environment, python=False)) | _verbatim(plan)
        files[f"{package}/_runtime/py.typed"] = files[f"{package}/py.typed"] = ""
        files[f"{package}/tools.json"] = _contract(plan)
        if plan.docs:
            files[f"{package}/docs.json"] = _documentation(plan)
        files["contract.yaml"] = _promises(plan)
        files["tests/evals.json"] = _dumps(list(_evals(plan)))
        files["server.json"] = _dumps(registry(plan))
        files["left-out.json"] = _dumps(_left_out(plan))
        return dict(sorted((files | python.result()).items()))


@contextmanager
def importable(plan: Plan) -> Iterator[Path]:
    """Yield a folder from which the package of `plan` can be imported; its Python is not laid out."""
    with tempfile.TemporaryDirectory(prefix="mcpgen-") as folder:
        _write(folder, dict(_placed(plan, _environment(*_folders(plan)), python=True)) | _verbatim(plan))
        yield Path(folder)


def _write(folder: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _folders(plan: Plan) -> tuple[str, ...]:
    """Return where the templates are: what a proxy has of its own comes first."""
    return ("proxy", "server") if plan.endpoint else ("server",)


def _verbatim(plan: Plan) -> dict[str, str]:
    """Return the Python that is copied: the runtime, and the tools written by hand."""
    runtime = sorted((templates() / "runtime").glob("*.py"))
    files = {f"{plan.package}/_runtime/{path.name}": path.read_text(encoding="utf-8") for path in runtime}
    if plan.custom_source:
        files[f"{plan.package}/tools/custom.py"] = plan.custom_source
    return files


def starter(plan: Plan, inferred: Inferred) -> str:
    """Return a commented `mcpgen.toml` that states what was inferred from the document."""
    return _environment("init").get_template("mcpgen.toml.j2").render(plan=plan, inferred=inferred)


def _environment(*folders: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates() / folder for folder in folders]),
        autoescape=False,  # noqa: S701 - the plan holds Python and Markdown that is escaped where it is made
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["python"] = repr
    environment.filters["markdown"] = markdown
    environment.filters["prose"] = prose
    environment.filters["code"] = code
    environment.filters["toml"] = _toml
    return environment


def _placed(plan: Plan, environment: jinja2.Environment, *, python: bool) -> Iterator[tuple[str, str]]:
    """Yield the rendered templates, of Python or of all else; the tree under `server/` mirrors the output."""
    root = templates() / "server"
    needed = {"models/__init__.py": plan.models, f"tools/{SEARCHING}.py": plan.searches}
    for path in sorted(p for p in root.rglob("*.j2") if p.name.endswith(".py.j2") == python):
        name = path.relative_to(root).as_posix()
        template = environment.get_template(name)
        target = name.removesuffix(".j2").replace("package/", f"{plan.package}/")
        if target.endswith("tools/area.py"):
            for area in plan.areas:
                yield target.replace("area.py", f"{area.name}.py"), template.render(plan=plan, area=area)
        elif target.endswith("models/module.py"):
            for models in plan.models:
                yield target.replace("module.py", f"{models.name}.py"), template.render(plan=plan, models=models)
        elif needed.get(target.removeprefix(f"{plan.package}/"), True):
            yield target, template.render(plan=plan, clients=Clients(plan))


def _contract(plan: Plan) -> str:
    """Return `tools.json`: the exact entries of `tools/list`, laid out so that a change is a line.

    A tool without arguments has its braces apart: a first one is then added lines, too.
    """
    entries = [_visible(json_bytes(t.entry(), indent=1).decode("utf-8", "surrogatepass")) for t in plan.tools]
    opened = (entry.replace('\n  "properties": {}', '\n  "properties": {\n  }') for entry in entries)
    return '{"tools": [\n' + ",\n".join(opened) + "\n]}\n"


def _promises(plan: Plan) -> str:
    """Return `contract.yaml`: what `mcpgen diff` compares besides `tools.json`. No line ends with a comma, so that
    what is added to the document adds lines and changes none."""
    about = "Do not edit. What tools.json does not say, for `mcpgen diff`."
    return f"# Generated by mcpgen from {plan.document}. {about}\n" + "\n".join(_yaml(plan.contract, "")) + "\n"


def _yaml(value: Any, margin: str) -> Iterator[str]:
    """Yield the lines of a value that is not empty in the block style of YAML 1.2, every text as JSON has it."""
    pairs = value.items() if isinstance(value, dict) else ((None, v) for v in value)
    for key, inner in pairs:
        lead = f"{margin}-" if key is None else f"{margin}{_scalar(key)}:"
        if isinstance(inner, dict | list) and inner:
            yield lead
            yield from _yaml(inner, margin + "  ")
        else:
            yield f"{lead} {_scalar(inner)}"


def _scalar(value: Any) -> str:
    """Return a value as JSON has it, but for YAML: what does not print is escaped, half a surrogate pair is told."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    escapes = (f"\\\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else f"\\U{ord(c):08X}" for c in text)
    return "".join(c if c.isprintable() else e for c, e in zip(text, escapes, strict=True))


def _documentation(plan: Plan) -> str:
    """Return `docs.json`: what the document says, an entry a line; its texts are clean."""
    return '{"entries": [\n' + ",\n".join(json_bytes(e).decode() for e in plan.documentation) + "\n]}\n"


def _left_out(plan: Plan) -> list[dict[str, str]]:
    return [
        {"operation": o.label, "method": o.method, "path": o.path, "pointer": o.pointer, "reason": o.reason}
        for o in plan.left_out
        if not o.chosen
    ]


def _dumps(value: Any) -> str:
    return _visible(json.dumps(value, ensure_ascii=False, indent=2)) + "\n"


def _visible(text: str) -> str:
    """Return JSON in which a reviewer sees every character: what does not print, or turns the line, is escaped."""
    return re.sub(r"[^\x00-\x7e]", lambda m: m[0] if m[0].isprintable() else json.dumps(m[0])[1:-1], text)


def _toml(text: str) -> str:
    """Return a basic string of TOML 1.0 in which every character can be seen."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def _formatted(files: dict[str, str], package: str) -> dict[str, str]:
    """Lay out Python, all of it with one run of ruff."""
    from ruff.__main__ import find_ruff_bin

    with tempfile.TemporaryDirectory(prefix="mcpgen-") as folder:
        _write(folder, files)
        config = Path(folder, "ruff.toml")
        settings = f"line-length = 120\ntarget-version = 'py311'\nlint.isort.known-first-party = ['{package}']\n"
        config.write_text(settings, encoding="utf-8")
        for step in (["check", "--select", "I", "--fix"], ["format"]):
            command = [find_ruff_bin(), *step, "--no-cache", "--quiet", "--config", str(config), folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
            if done.returncode:
                raise AssertionError(f"ruff refused generated code: {(done.stderr or done.stdout)[:2000]}")
        return {name: Path(folder, name).read_text(encoding="utf-8") for name in files}


class _NoExample(Exception):
    """A value that only the vendor knows: a pattern that none of our texts fits."""


def _evals(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield for each tool a question that it answers, with its arguments where some can be made."""
    for tool in plan.tools:
        try:
            arguments = _example(tool.input_schema, tool.input_schema)
        except _NoExample:
            yield {"tool": tool.name, "question": f"{tool.title}."}
            continue
        segments = [arguments[a.key] for a in tool.arguments if a.place == "path"]
        if not all(v or v in (0, False) for v in segments):  # what is empty cannot be part of a path
            yield {"tool": tool.name, "question": f"{tool.title}."}
            continue
        told = ", ".join(f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items())
        yield {"tool": tool.name, "question": f"{tool.title}{told and f': {told}'}.", "arguments": arguments}


_TEXTS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "uuid": "12345678-1234-4123-8123-123456789abc",
    "email": "ann@example.com",
    "uri": "https://example.com/x",
}
_CANDIDATES = (
    "example",
    "a",
    "1",
    "A1",
    "abcdef",
    "ABC",
    "abc-def",
    "/x",
    "example.com",
    "x_1",
    "1.0",
    "10",
    "#a1b2c3",
)


def _example(schema: Any, root: Any, depth: int = 0) -> Any:
    """Return a small value for a published schema: required properties only."""
    if depth > 12 or "not" in schema or "if" in schema or "allOf" in schema:
        raise _NoExample
    if "$ref" in schema:
        return _example(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root, depth + 1)
    if "enum" in schema:
        return schema["enum"][0]
    for kind in ("anyOf", "oneOf"):
        if kind in schema:
            if kind == "oneOf" and len(schema[kind]) > 1:
                raise _NoExample  # one branch only: that takes a validator to know
            return _example(schema[kind][0], root, depth + 1)
    type_ = schema.get("type", "string")
    if type_ == "object":
        if set(schema) - {"type", "properties", "required", "additionalProperties", "description", "default", "$defs"}:
            raise _NoExample
        properties = schema.get("properties", {})
        return {n: _example(properties.get(n, {}), root, depth + 1) for n in schema.get("required", [])}
    if type_ == "array":
        count = max(schema.get("minItems", 1), 1)
        if count > 100:
            raise _NoExample
        if "prefixItems" in schema or "contains" in schema or (count > 1 and schema.get("uniqueItems")):
            raise _NoExample
        return [_example(schema.get("items", {}), root, depth + 1)] * count
    if type_ in ("integer", "number"):
        step = schema.get("multipleOf", 1)
        value = max(schema.get("minimum", step), min(step, schema.get("maximum", step)))
        if value > schema.get("maximum", value) or ("multipleOf" in schema and value != step):
            raise _NoExample
        return value
    return {"boolean": True, "null": None}[type_] if type_ != "string" else _example_text(schema)


def _example_text(schema: Any) -> str:
    low, high = schema.get("minLength", 0), schema.get("maxLength", 10_000)
    pattern = schema.get("pattern", "")
    if low > 1000 or (pattern and not checkable_pattern(pattern)):
        raise _NoExample
    usual: tuple[str, ...] = (_TEXTS.get(schema.get("format", ""), "example"), *_CANDIDATES)
    if prefix := re.match(r"\^([\w-]{1,40})[\[(]", pattern):  # identifiers often tell their kind: ^usr_[a-z]+$
        usual += tuple(prefix[1] + text for text in _CANDIDATES)
    for text in ("ZXhhbXBsZQ==",) if schema.get("contentEncoding") == "base64" else usual:
        fitted = text if len(text) >= low else text + "x" * (low - len(text))
        if len(fitted) <= high and (not pattern or pattern_matches(pattern, fitted)):
            return fitted
    raise _NoExample
