"""The ceiling for a Python process: uvloop, a protocol object, and one fixed answer for every complete request.

bare_uvloop.py PORT ANSWER_FILE - the file holds a whole HTTP response, the very bytes mcpkit gives. No JSON is read: a
request is complete when its head has ended and Content-Length bytes have followed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop

ANSWER = Path(sys.argv[2]).read_bytes()


class Bare(asyncio.Protocol):
    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        start = answers = 0
        while (end := data.find(b"\r\n\r\n", start)) >= 0:
            mark = data.find(b"Content-Length: ", start, end)
            stop = end + 4 + (int(data[mark + 16 : data.find(b"\r", mark)]) if mark >= 0 else 0)
            if stop > len(data):
                break
            answers += 1
            start = stop
        self.rest = data[start:]
        if answers:
            self.write(ANSWER * answers)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.run(main())
