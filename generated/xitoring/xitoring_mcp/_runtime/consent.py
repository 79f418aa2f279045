"""Turns a call that may change something into a question to the user, because some operators want to be asked.

Only with `--ask-before-writes`: clients ask by themselves, and a server that asks again is in the way. How a question
is put differs: up to 2025-11-25 it is a request of the server's, from 2026-07-28 a result that the client answers by
calling again (MCP, "Elicitation").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import mcp.types as t
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import NoBackChannelError

from .tool import Refused, shorten

_QUESTION = "consent"
_ANSWERED_AGAIN = "2026-07-28"
_NO_FORM: dict[str, Any] = {"type": "object", "properties": {}}


async def consent(
    ctx: ServerRequestContext[Any],
    params: t.CallToolRequestParams,
    title: str,
    arguments: Mapping[str, Any],
    mask: Callable[[str], str],
) -> t.InputRequiredResult | None:
    """Ask the user whether a tool may be called; None when they agreed, else the question for the client to answer.

    `title` names the tool, `arguments` are what it is called with, shown through `mask`. Raises Refused when the user
    does not agree, or when the client cannot ask.
    """
    # Every argument is seen: a long one must not push the others out of sight.
    room = max(100, 2_000 // max(1, len(arguments)))
    shown = [shorten(mask(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}"), room) for k, v in arguments.items()]
    message = "\n".join([f"{title}: may this be done?", *shown])
    if ctx.protocol_version >= _ANSWERED_AGAIN:
        # The answer is for these arguments and no others.
        said = json.dumps([params.name, params.arguments], sort_keys=True, ensure_ascii=False)
        state = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
        answer = (params.input_responses or {}).get(_QUESTION)
        if not isinstance(answer, t.ElicitResult) or params.request_state != state:
            _can_ask(ctx)
            form = t.ElicitRequestFormParams(message=message, requested_schema=_NO_FORM)
            return t.InputRequiredResult(input_requests={_QUESTION: t.ElicitRequest(params=form)}, request_state=state)
    else:
        _can_ask(ctx)
        try:
            answer = await ctx.session.elicit_form(message, _NO_FORM, ctx.request_id)
        except NoBackChannelError:
            raise Refused(_REFUSED) from None
    if answer.action != "accept":
        raise Refused("the user did not agree, so nothing was sent; ask them what they want instead")
    return None


_REFUSED = "this server asks the user before it changes anything, and this client cannot ask; nothing was sent"


def _can_ask(ctx: ServerRequestContext[Any]) -> None:
    known = ctx.session.client_capabilities
    if known is None or known.elicitation is None:
        raise Refused(_REFUSED)
