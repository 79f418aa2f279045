"""Turns arguments into an XML body, as the nodes of an operation say (OpenAPI, "XML Object").

Only few servers have such bodies, so `wire` imports this when it meets one. Names are the document's, checked when the
server was generated; values are escaped, and refused where XML 1.0 has no way to carry them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .tool import XmlNode
from .wire import text_of

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2
# A reader turns a bare CR into LF everywhere, and every blank of an attribute into a space (XML 1.0, 2.11 and 3.3.3).
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE = _IN_TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
_CDATA_END = "]]]]><![CDATA[>"  # a section cannot hold its own end, so it is begun anew in the middle of it


def document(root: XmlNode, elements: Mapping[str, tuple[str, str]], whole: str | None) -> bytes:
    """The body: `whole` is its root when that was one argument, else `elements` are the root's properties, written."""
    if whole is None:
        written = [elements[node.key] for node in root.inside if node.key in elements]
        whole = _element(root, "".join(a for a, _ in written), "".join(c for _, c in written))
    return f'<?xml version="1.0" encoding="UTF-8"?>{whole}'.encode()


def write(node: XmlNode, value: Any) -> tuple[str, str]:
    """The attributes and the content that a value adds to the element around it. Null adds nothing.

    Raises ValueError for a value that cannot be written, with the way to it.
    """
    if value is None:
        return "", ""
    if node.kind in ("list", "wrapped"):
        items = "".join(write(node.inside[0], item)[1] for item in value)
        return "", _element(node, "", items) if node.kind == "wrapped" else items
    if not node.inside:
        return _leaf(node, _checked(text_of(value)))
    nodes = {inner.key: inner for inner in node.inside}
    for key in value:
        if key not in nodes:
            raise ValueError(f"unknown property {key[:80]!r}; leave it out")
    attributes = content = ""
    for key, inner in nodes.items():
        try:
            more = write(inner, value.get(key))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
        attributes += more[0]
        content += more[1]
    return (attributes, content) if node.kind == "none" else ("", _element(node, attributes, content))


def _leaf(node: XmlNode, text: str) -> tuple[str, str]:
    match node.kind:
        case "attribute":
            return f' {node.name}="{text.translate(_IN_ATTRIBUTE)}"', ""
        case "text":
            return "", text.translate(_IN_TEXT)
        case "cdata":
            text = text.replace("]]>", _CDATA_END).replace("\r", "]]>&#13;<![CDATA[")
            return "", f"<![CDATA[{text}]]>"
        case _:
            return "", _element(node, "", text.translate(_IN_TEXT))


def _checked(text: str) -> str:
    if found := _UNWRITABLE.search(text):
        raise ValueError(f"holds the character U+{ord(found[0]):04X}, which XML cannot carry; leave it out")
    return text


def _element(node: XmlNode, attributes: str, content: str) -> str:
    declared = [(f"xmlns:{p}" if p else "xmlns", uri.translate(_IN_ATTRIBUTE)) for p, uri in node.xmlns]
    start = node.name + "".join(f' {name}="{uri}"' for name, uri in declared) + attributes
    return f"<{start}>{content}</{node.name}>" if content else f"<{start}/>"
