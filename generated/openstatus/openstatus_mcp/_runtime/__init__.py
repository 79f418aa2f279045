"""Turns the declarations of a generated server into a running MCP server.

The same files in every server: a tool class (`tool`) becomes an HTTP request (`wire`, and `xmlbody` for XML), which is
sent with the operator's or a caller's credentials (`service`, `upstream`; `oauth` fetches access tokens) and whose
answer becomes a tool result (`answers`, with `values` for its JSON); or a call is passed on to another MCP server
(`proxy`). `server` speaks MCP, `http` puts it on a port, `main` is the command line.
"""

from typing import Union as OneOf  # a member a line, `OneOf[A, B,]`: formatters join `A | B` where it fits

from .calls import ApiError
from .custom import About, Api, CustomTool
from .main import run
from .service import ApiKey, Basic, Digest, Errors, Http, MutualTls, OAuth, Service, Upstream, Variable
from .tool import (
    Argument,
    Context,
    Cookie,
    Form,
    Header,
    Json,
    JsonLines,
    JsonRest,
    Local,
    Model,
    Now,
    Operation,
    Paging,
    Part,
    PartHeader,
    Path,
    ProxiedTool,
    Query,
    Raw,
    Refused,
    Tool,
    Xml,
    XmlNode,
)

__all__ = [
    "About",
    "Api",
    "ApiError",
    "ApiKey",
    "Argument",
    "Basic",
    "Context",
    "Cookie",
    "CustomTool",
    "Digest",
    "Errors",
    "Form",
    "Header",
    "Http",
    "Json",
    "JsonLines",
    "JsonRest",
    "Local",
    "Model",
    "MutualTls",
    "Now",
    "OAuth",
    "OneOf",
    "Operation",
    "Paging",
    "Part",
    "PartHeader",
    "Path",
    "ProxiedTool",
    "Query",
    "Raw",
    "Refused",
    "Service",
    "Tool",
    "Upstream",
    "Variable",
    "Xml",
    "XmlNode",
    "run",
]
