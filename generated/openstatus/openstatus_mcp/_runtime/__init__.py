"""Turns the declarations of a generated server into a running MCP server.

The same files in every server: a tool class (`tool`) becomes an HTTP request (`wire`, and `xmlbody` for XML), which is
sent with the operator's credentials (`service`, `upstream`; `oauth` fetches access tokens) and whose answer becomes a
tool result (`answers`). `server` speaks MCP, `main` is the command line.
"""

from .main import run
from .service import ApiKey, Basic, Digest, MutualTls, OAuth, Service, Upstream, Variable
from .tool import (
    Cookie,
    Form,
    Header,
    Json,
    JsonLines,
    JsonRest,
    Model,
    Operation,
    Part,
    PartHeader,
    Path,
    Query,
    Raw,
    Tool,
    Xml,
    XmlNode,
)

__all__ = [
    "ApiKey",
    "Basic",
    "Cookie",
    "Digest",
    "Form",
    "Header",
    "Json",
    "JsonLines",
    "JsonRest",
    "Model",
    "MutualTls",
    "OAuth",
    "Operation",
    "Part",
    "PartHeader",
    "Path",
    "Query",
    "Raw",
    "Service",
    "Tool",
    "Upstream",
    "Variable",
    "Xml",
    "XmlNode",
    "run",
]
