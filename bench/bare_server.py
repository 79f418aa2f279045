"""The floor to compare with: a server with one tool on the SDK's low-level API, and nothing else."""

import anyio
import mcp.types as t
from mcp.server import Server
from mcp.server.stdio import stdio_server

TOOL = t.Tool(name="ping", description="Answer.", input_schema={"type": "object", "properties": {}})


async def list_tools(ctx, params):
    return t.ListToolsResult(tools=[TOOL])


async def call_tool(ctx, params):
    return t.CallToolResult(content=[t.TextContent(type="text", text="pong")])


async def main() -> None:
    server = Server("bare", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


anyio.run(main)
