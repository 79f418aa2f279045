"""Turns a `Plan` into `{path: text}`: Jinja2 places what the plan holds, ruff lays the Python out, once for all."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from .plan import Plan

__all__ = ["render", "templates"]


def templates() -> Path:
    """Return the folder of templates: beside the package in a checkout, inside it in a wheel."""
    here = Path(__file__).parent
    for folder in (here.parent / "templates", here / "templates"):
        if (folder / "runtime").is_dir():
            return folder
    raise FileNotFoundError("mcpgen was installed without its templates")


def render(plan: Plan) -> dict[str, str]:
    """Return the whole server of `plan`: its files by path, relative and with `/`."""
    root = templates()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root / "server"),
        autoescape=False,  # noqa: S701 - the plan holds Python and Markdown that is escaped where it is made
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["python"] = repr
    environment.filters["markdown"] = markdown
    environment.filters["toml"] = lambda value: json.dumps(value, ensure_ascii=True)
    files = dict(_placed(plan, environment, root / "server"))
    package = plan.package
    for path in sorted((root / "runtime").glob("*.py")):
        files[f"{package}/_runtime/{path.name}"] = path.read_text(encoding="utf-8")
    files[f"{package}/_runtime/py.typed"] = files[f"{package}/py.typed"] = ""
    files[f"{package}/tools.json"] = _contract(plan)
    files["tests/examples.json"] = _dumps({t.name: example(t.input_schema) for t in plan.tools})
    files["server.json"] = _dumps(_registry(plan))
    files["left-out.json"] = _dumps(_left_out(plan))
    return _formatted(files)


def _placed(plan: Plan, environment: jinja2.Environment, root: Path) -> Iterator[tuple[str, str]]:
    """Yield the rendered templates; the tree under `server/` mirrors the output."""
    for path in sorted(root.rglob("*.j2")):
        name = path.relative_to(root).as_posix()
        template = environment.get_template(name)
        target = name.removesuffix(".j2").replace("package/", f"{plan.package}/")
        if target.endswith("tools/area.py"):
            for area in plan.areas:
                yield target.replace("area.py", f"{area.name}.py"), template.render(plan=plan, area=area)
        elif target.endswith("models/module.py"):
            for models in plan.models:
                yield target.replace("module.py", f"{models.name}.py"), template.render(plan=plan, models=models)
        elif not (target.endswith("models/__init__.py") and not plan.models):
            yield target, template.render(plan=plan)


def _contract(plan: Plan) -> str:
    """Return `tools.json`: the exact entries of `tools/list`, laid out so that a change is a line."""
    entries = [json.dumps(t.entry(), ensure_ascii=False, indent=1) for t in plan.tools]
    return '{"tools": [\n' + ",\n".join(entries) + "\n]}\n"


def _registry(plan: Plan) -> dict[str, Any]:
    """Return the manifest of the MCP registry (server.json, schema 2025-12-11)."""
    variables = []
    for variable in plan.variables:
        item: dict[str, Any] = {"name": variable.name, "description": variable.description}
        item |= {"isRequired": variable.required, "isSecret": variable.secret}
        if variable.default:
            item["default"] = variable.default
        if variable.choices:
            item["choices"] = list(variable.choices)
        variables.append(item)
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": plan.registry_name or f"io.github.example/{plan.distribution}",
        "title": plan.title[:100],
        "description": plan.description[:100],
        "version": plan.version,
        "packages": [
            {
                "registryType": "pypi",
                "identifier": plan.distribution,
                "version": plan.version,
                "transport": {"type": "stdio"},
                "environmentVariables": variables,
            }
        ],
    }


def _left_out(plan: Plan) -> list[dict[str, str]]:
    return [
        {"operation": o.label, "method": o.method, "path": o.path, "pointer": o.pointer, "reason": o.reason}
        for o in plan.left_out
        if not o.chosen
    ]


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def markdown(text: str) -> str:
    """Return text of the document as one line of Markdown that is only text: no markup, no HTML, no link."""
    flat = " ".join(text.split())
    for sign in "\\`*_{}[]<>#|~!&":
        flat = flat.replace(sign, "&lt;" if sign == "<" else "&amp;" if sign == "&" else "\\" + sign)
    return flat.replace("\\&lt;", "&lt;")


def _formatted(files: dict[str, str]) -> dict[str, str]:
    """Lay out all Python with one run of ruff."""
    from ruff.__main__ import find_ruff_bin

    own = [n for n in sorted(files) if n.endswith(".py") and "/_runtime/" not in n]
    with tempfile.TemporaryDirectory(prefix="mcpgen-") as folder:
        for name in own:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8")
        config = "line-length = 120\ntarget-version = 'py311'\n"
        Path(folder, "ruff.toml").write_text(config, encoding="utf-8")
        command = [
            find_ruff_bin(),
            "format",
            "--no-cache",
            "--quiet",
            "--config",
            str(Path(folder, "ruff.toml")),
            folder,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"ruff refused generated code: {done.stderr[:2000]}")
        return {
            n: Path(folder, n).read_text(encoding="utf-8") if n in set(own) else t for n, t in sorted(files.items())
        }


def example(schema: Any, depth: int = 0) -> Any:
    """Return a small value for a published schema: required properties only. None when a pattern asks for more."""
    if "$ref" in schema or depth > 8:
        return {}
    if "default" in schema and depth:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    for kind in ("anyOf", "oneOf"):
        if kind in schema:
            return example(schema[kind][0], depth + 1)
    type_ = schema.get("type")
    if type_ == "object":
        properties = schema.get("properties", {})
        return {n: example(properties.get(n, {}), depth + 1) for n in schema.get("required", [])}
    if type_ == "array":
        return [example(schema.get("items", {}), depth + 1)] * max(schema.get("minItems", 0), 1)
    if type_ in ("integer", "number"):
        low, high = schema.get("minimum", 1), schema.get("maximum", 1)
        return low if low > 1 else min(high, 1) if "minimum" not in schema else min(max(low, 1), high)
    if type_ == "boolean":
        return True
    if type_ == "null":
        return None
    if schema.get("contentEncoding") == "base64":
        return "eA=="
    text = {"date-time": "2026-01-01T00:00:00Z", "date": "2026-01-01", "uuid": "00000000-0000-4000-8000-000000000000"}
    found = text.get(schema.get("format", ""), "example")
    return (found + "x" * schema.get("minLength", 0))[: max(schema.get("maxLength", 100), 1)]
