"""Runs the command line: python -m mcpgen."""

from .cli import main

main(prog_name="mcpgen")
