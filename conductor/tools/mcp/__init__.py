"""Tools of MCP servers: a small synchronous client, and tools that are shown and run like any other.

The protocol is that of modelcontextprotocol.io, revision 2025-06-18, of which only tools are used. What a server says
is never believed: it is checked, bounded, and shown before it counts.
"""
