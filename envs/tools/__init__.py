"""Environments made of tools: a plain class, MCP servers, or both."""
