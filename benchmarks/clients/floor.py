"""The least that any harness has to do: send the whole history, run the command, add its result. No journal, no review.

python floor.py URL
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

from memory import peak_mib  # pyright: ignore  (run as a file, next to it)


def main() -> None:
    url = urlsplit(sys.argv[1])
    server = http.client.HTTPConnection(url.netloc)
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Run the command."}]
    while True:
        body = json.dumps({"model": "gpt-5-mini", "messages": messages})
        server.request("POST", f"{url.path}/chat/completions", body, {"Content-Type": "application/json"})
        message = json.loads(server.getresponse().read())["choices"][0]["message"]
        messages.append(message)
        if "tool_calls" not in message:
            break
        for call in message["tool_calls"]:
            command = json.loads(call["function"]["arguments"])["command"]
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
            messages.append(
                {"role": "tool", "tool_call_id": call["id"], "content": f"{done.returncode}\n{done.stdout}"}
            )
    print(json.dumps({"peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
