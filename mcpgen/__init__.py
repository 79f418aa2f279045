"""mcpgen turns an OpenAPI document and one small `mcpgen.toml` into a complete, typed MCP server."""

__version__ = "0.1.0"
