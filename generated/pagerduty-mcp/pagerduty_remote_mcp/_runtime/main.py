"""Turns a command line and the environment into a running server, because that is all an operator has to set.

Standard output belongs to the protocol: everything else, logs and refusals to start, goes to standard error.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .service import ConfigurationError, MaskingFilter, Service, Settings
from .tool import RESULT_LIMIT, Tool, suggestion

if TYPE_CHECKING:
    from mcp.server import Server

    from .http import Keys


def run(service: Service, argv: Sequence[str] | None = None) -> int:
    """Serve until the client goes away; the exit status: 0, or 2 with one sentence on stderr if it cannot start."""
    try:
        options = _parser(service).parse_args(argv)
    except SystemExit as end:  # --help, --version, or an option that argparse has already complained about
        return end.code if isinstance(end.code, int) else 2
    try:
        settings = Settings.load(
            service, os.environ, base_url=options.base_url, insecure_http=options.allow_insecure_http
        )
        _start_logging(options.log_level, settings)
        if options.remote_tools:
            return _print_remote_tools(settings, options.timeout)
        tools = _select(service, options)
        keys = _keys(settings, tools, options)
        if keys is not None:
            settings = replace(settings, values={})  # so that no call can ever use the environment's
        settings.check_certificates()
        return _serve(settings, tools, keys, options)
    except ConfigurationError as error:
        print(f"{service.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser(service: Service) -> argparse.ArgumentParser:
    described = dict(service.environment())
    width = max(map(len, described), default=0)
    lines = [f"  {name:<{width}}  {purpose}" for name, purpose in described.items()]
    environment = "\n".join(["environment variables:", *lines, "", ""]) if lines else ""
    first = next((way for scheme in service.security.values() for way in scheme.ways), ())
    command = service.package.removesuffix("_mcp").replace("_", "-") + "-mcp"
    parser = argparse.ArgumentParser(
        prog=command,
        description=f"MCP server for {service.title}. Serves the reading tools over stdio unless told otherwise.",
        epilog=f"{environment}examples:\n"
        f"  {''.join(f'{name}=… ' for name in first)}{command}\n"
        f"  {command} --enable-write-tools --exclude-tools some_tool,another_tool\n"
        f"  {command} --http --port 8000        then connect to http://127.0.0.1:8000/mcp\n"
        f"{_told_keys(service, command)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    tools = parser.add_argument_group("tools")
    tools.add_argument(
        "--enable-write-tools",
        action="store_true",
        help="also offer tools that change something; without it they are neither listed nor callable",
    )
    tools.add_argument(
        "--ask-before-writes",
        action="store_true",
        help="ask the user, through the client, before every call that may change something; a client that cannot ask "
        "is refused it. Most clients ask by themselves, so this is off",
    )
    listed: dict[str, Any] = {"action": "extend", "type": _names, "default": [], "metavar": "NAME,…"}
    tools.add_argument("--tools", **listed, help="offer only these tools (and those of --areas)")
    tools.add_argument("--exclude-tools", **listed, help="do not offer these tools")
    tools.add_argument("--areas", "--tags", **listed, help="offer only the tools of these areas (and those of --tools)")
    api = parser.add_argument_group("API")
    api.add_argument("--base-url", default="", metavar="URL", help="base URL of the API")
    api.add_argument(
        "--allow-insecure-http", action="store_true", help="allow a base URL that is http:// and not on this machine"
    )
    api.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="time for one call (default 60)")
    api.add_argument(
        "--result-limit",
        type=_characters,
        default=RESULT_LIMIT,
        metavar="CHARACTERS",
        help=f"what a result holds of an answer; the rest is left out and the model told so (default {RESULT_LIMIT})",
    )
    http = parser.add_argument_group("Streamable HTTP")
    http.add_argument("--http", action="store_true", help="serve Streamable HTTP at /mcp instead of stdio")
    http.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    http.add_argument("--port", type=_port, default=8000, help="port to listen on, 0 for a free one (default 8000)")
    http.add_argument(
        "--credential",
        choices=("auto", "caller", "environment"),
        help="whose credential is used: the one in this server's environment, or the one that each caller sends; auto: "
        f"the environment's if it is set, else each caller's (default {service.http.credential})",
    )
    http.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="a Host header to accept beside those of this machine; may be repeated",
    )
    http.add_argument(
        "--allowed-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="an Origin header to accept, as https://app.example.com; may be repeated",
    )
    shared = f" beside {', '.join(service.http.cors_origins)}" if service.http.cors_origins else ""
    http.add_argument(
        "--cors-origin",
        action="append",
        type=_origin,
        default=[],
        metavar="ORIGIN",
        help=f"an origin whose pages may call this server from a browser{shared}; may be repeated",
    )
    parser.set_defaults(remote_tools=False)
    if service.endpoint:
        tools.add_argument(
            "--remote-tools", action="store_true", help="print what the remote MCP server lists now, as JSON, and end"
        )
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", choices=levels, default="warning", help="how much to log to standard error")
    parser.add_argument("--version", action="version", version=f"{command} {service.version}")
    return parser


def _told_keys(service: Service, command: str) -> str:
    """The example of a server that takes the keys of its callers, where that can be."""
    from .http import Keys

    return f"  {command} --http --credential caller   then {keys.advice}" if (keys := Keys(service)) else ""


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (value := float(text)) < 86_400:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to a day")


def _characters(text: str) -> int:
    with suppress(ValueError):
        if 1_000 <= (value := int(text)) <= 10_000_000:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of characters (1000 to 10000000)")


def _origin(text: str) -> str:
    from .http import ORIGIN

    if ORIGIN.fullmatch(text.lower()):
        return text.lower()
    raise argparse.ArgumentTypeError(f"{text!r} is not an origin such as https://app.example.com")


def _port(text: str) -> int:
    with suppress(ValueError):
        if 0 <= (value := int(text)) < 65_536:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")


def _start_logging(level: str, settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"{settings.service.name}: %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(MaskingFilter(settings.mask))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # It would write down every result, and some hold a secret that the API shows only once.
    logging.getLogger("sse_starlette").setLevel(max(logging.INFO, logging.getLevelName(level.upper())))
    # Who runs the server wants to know what was changed through it, however little else is to be logged.
    audit = logging.getLogger(f"{__package__}.audit")
    audit.handlers = [logging.StreamHandler(sys.stderr)]
    audit.handlers[0].setFormatter(logging.Formatter(f"{settings.service.name}: %(message)s"))
    audit.setLevel(logging.INFO)
    audit.propagate = False


# --- which tools ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Selection:
    """The tools of this process: the enabled ones, why each other one is switched off, and where the classes are."""

    enabled: list[str]
    hidden: dict[str, str]
    places: Mapping[str, str]


def _select(service: Service, options: argparse.Namespace) -> _Selection:
    tools = importlib.import_module(f"{service.package}.tools")
    places: Mapping[str, str] = tools.TOOLS
    reading = frozenset(tools.READING)
    areas = {name: place.partition(":")[0] for name, place in places.items()} | getattr(tools, "AREAS", {})
    _check_names("--tools", "tool", options.tools, places)
    _check_names("--exclude-tools", "tool", options.exclude_tools, places)
    _check_names("--areas", "area", options.areas, set(areas.values()))
    selection = _Selection([], {}, places)
    for name in places:
        if name in options.exclude_tools:
            selection.hidden[name] = "excluded when the server was started"
        elif (options.tools or options.areas) and not (name in options.tools or areas.get(name) in options.areas):
            selection.hidden[name] = "not among the tools chosen when the server was started"
        elif not options.enable_write_tools and name not in reading:
            selection.hidden[name] = "it can change something; start the server with --enable-write-tools to offer it"
            if name in options.tools:
                raise ConfigurationError(f"{name} can change something: add --enable-write-tools to offer it")
        else:
            selection.enabled.append(name)
    if not selection.enabled:
        if options.tools or options.areas or options.exclude_tools:
            raise ConfigurationError(
                "no tool is left to offer; check --tools, --areas and --exclude-tools, or add --enable-write-tools"
            )
        print(f"{service.name}: no reading tools; start with --enable-write-tools to offer the others", file=sys.stderr)
    return selection


def _print_remote_tools(settings: Settings, timeout: float) -> int:
    import json

    import anyio

    from .proxy import listed
    from .tool import Refused

    try:
        json.dump({"tools": anyio.run(listed, settings, timeout)}, sys.stdout)
    except Refused as error:
        raise ConfigurationError(settings.mask(str(error))) from None
    return 0


def _check_names(option: str, kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = sorted(known)
    for name in given:
        if name not in known:
            hint = suggestion(name, known)
            if not hint:
                hint = f"known: {', '.join(known)}" if kind == "area" else "TOOLS.md names all of them"
            raise ConfigurationError(f"{option}: unknown {kind} {name!r}; {hint}")


def _keys(settings: Settings, tools: _Selection, options: argparse.Namespace) -> Keys | None:
    """How each caller brings a key of its own; None when the credential is the environment's."""
    service = settings.service
    if options.credential == "caller" and not options.http:
        raise ConfigurationError("--credential caller is for --http: over stdio the key comes in the environment")
    mode = (options.credential or service.http.credential) if options.http else "environment"
    if mode != "environment":
        from .http import Keys

        keys = Keys(service)
        if mode == "caller" and not keys:
            raise ConfigurationError(
                "a caller has no credential to send that this API takes as it is; start with --credential environment"
            )
        if keys and (mode == "caller" or not any(settings.way(s) for s in service.security.values())):
            return keys
    _require_credentials(settings, tools)
    return None


def _require_credentials(settings: Settings, tools: _Selection) -> None:
    """Refuse to start when tools need a credential and not one of them can have it.

    A tool's own security is in its class, so the classes are only looked at when the service's common requirement is
    not met.
    """
    service = settings.service
    if not service.security or any(alternative and settings.has(alternative) for alternative in service.requirements):
        return
    from .server import load_tool

    unmet = None
    for name in tools.enabled:
        tool = load_tool(service.package, tools.places[name])
        security = tool.OPERATION.security if issubclass(tool, Tool) else None
        requirements = service.requirements if security is None else security
        if not requirements or not all(requirements):
            continue  # anonymous is enough, or nothing is needed at all
        if settings.choose(requirements) is not None:
            return
        unmet = unmet or requirements
    if unmet:
        raise ConfigurationError(f"{settings.missing(unmet)} and start again")


# --- serving ----------------------------------------------------------------------------------------------------------


def _serve(settings: Settings, tools: _Selection, keys: Keys | None, options: argparse.Namespace) -> int:
    # Imports and the contract make a million objects that stay: looking at them again and again is a tenth of the time
    # to start and two thirds of the time to list a thousand tools.
    gc.disable()
    import anyio

    from .server import Entries, ToolServer

    data = pkgutil.get_data(settings.service.package, "tools.json")
    if data is None:
        raise ConfigurationError("tools.json is missing from the installed package; install it again")
    entries = Entries(data, tools.places, tools.enabled)
    server = ToolServer(
        settings,
        entries,
        tools.hidden,
        tools.places,
        options.timeout,
        options.result_limit,
        entries.pages(),
        options.ask_before_writes,
    ).server()
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    if options.http:
        from .http import serve

        serve(
            server,
            settings,
            keys,
            host=options.host,
            port=options.port,
            hosts=options.allowed_host,
            origins=options.allowed_origin,
            shared=[*(origin.lower() for origin in settings.service.http.cors_origins), *options.cors_origin],
        )
    else:
        anyio.run(_serve_stdio, server)
    return 0


async def _serve_stdio(server: Server[None]) -> None:
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
