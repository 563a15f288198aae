"""A tiny MCP server for the tests, over stdio or (`http`) on a free port of this machine, which it prints.

It is written by hand so that it can also lie, hang, end, and say more than anyone can bear.
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

STRING = {"type": "string"}
ONE = {"type": "object", "properties": {"text": STRING}, "required": ["text"], "additionalProperties": False}
WORDS = os.environ.get("WORDS", "Say it again.")
TOOLS = [
    {"name": "echo", "description": WORDS, "inputSchema": ONE, "annotations": {"readOnlyHint": True}},
    *({"name": name, "inputSchema": {"type": "object"}} for name in ("env", "mixed", "huge", "slow", "die", "garbage")),
    {"name": "fails", "inputSchema": {"type": "object"}},
    {"name": "a tool/with ünsafe letters", "inputSchema": {"type": "object"}},
    {"name": "", "inputSchema": {}},
    {"name": "no schema"},
    "nonsense",
]
MIXED = [
    {"type": "text", "text": "seen \ud800"},
    {"type": "image", "data": "AAAA", "mimeType": "image/png"},
    {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
    {"type": "hologram"},
    7,
]


def answer(message: dict[str, Any]) -> Any:
    match message["method"]:
        case "initialize":
            return {"protocolVersion": os.environ.get("VERSION", "2025-06-18"), "capabilities": {}, "serverInfo": {}}
        case "tools/list":
            page = int(message["params"].get("cursor", 0))
            following = {"nextCursor": str(page + 5)} if page + 5 < len(TOOLS) else {}
            return {"tools": TOOLS[page : page + 5], **following}
        case _:
            return call(message["params"]["name"], message["params"]["arguments"])


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(arguments)
    match name:
        case "env":
            text = json.dumps(dict(os.environ))
        case "mixed":
            return {"content": MIXED}
        case "huge":
            text = "x" * 100_000 + "END"
        case "slow":
            time.sleep(1)
        case "die":
            os._exit(3)
        case "garbage":
            print("no json at all", flush=True)
        case "fails":
            return {"content": [{"type": "text", "text": "no such thing"}], "isError": True}
    return {"content": [{"type": "text", "text": text}]}


def stdio() -> None:
    print("I am up", file=sys.stderr, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": "ours", "method": "ping"}), flush=True)
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}), flush=True)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer key":
            self.reply(401, b"")
        elif "id" not in message:
            self.reply(202, b"")
        elif message["method"] != "initialize" and (
            self.headers["Mcp-Session-Id"] != "s1" or self.headers["MCP-Protocol-Version"] != "2025-06-18"
        ):
            self.reply(400, b"")
        else:
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}).encode()
            if message["method"] == "tools/call":
                note = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\r\n\r\n'
                self.reply(200, b": hello\n\n" + note + b"event: message\ndata: " + body + b"\n\n", "text/event-stream")
            else:
                self.reply(200, body)

    def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Mcp-Session-Id", "s1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    if sys.argv[1:] == ["http"]:
        server = HTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_port, flush=True)
        server.serve_forever()
    else:
        stdio()
