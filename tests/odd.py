"""The server that odd requests are sent to: two WebAssembly tools, and natively a tool, resources and a prompt.

As a program it serves: ``python odd.py [--http]``. Its functions start it from a test.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import ADD_WAT, HttpServer


def command(*words: str) -> list[str]:
    """Starts it on stdio."""
    return [sys.executable, __file__, *words]


@contextmanager
def serving() -> Iterator[HttpServer]:
    """It, on HTTP, until the block ends; it must then stop by itself on SIGTERM."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "stderr")
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command("--http"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
            )
        assert process.stdout
        try:
            said = process.stdout.readline()
            found = re.search(rb"http://127\.0\.0\.1:(\d+)/mcp", said)
            assert found, log.read_text()
            yield HttpServer(process, int(found[1]), log)
            assert process.poll() is None, f"the server ended: {log.read_text()}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                process.kill()
                process.stdout.close()
        assert process.returncode == 0, log.read_text()


def main() -> None:
    from mcpkit import Server

    server = Server("odd", version="1.0.0")

    @server.tool
    def greet(name: str) -> str:
        """Greet somebody."""
        return f"Hello, {name}!"

    @server.resource("test://text", mime_type="text/plain", description="A text.")
    def text() -> str:
        return "some text"

    @server.resource("test://item/{id}", mime_type="text/plain", description="One item.")
    def item(id: str) -> str:
        return f"item {id}"

    @server.prompt
    def hello(who: str) -> str:
        """Say hello."""
        return f"Say hello to {who}."

    @server.completion("hello", "who")
    def people(typed: str) -> list[str]:
        return [name for name in ("Ada", "Alan") if name.startswith(typed)]

    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder, "add.wat")
        module.write_text(ADD_WAT, encoding="utf-8")
        server.add_module(module)
        if "--http" in sys.argv:
            server.run("http", port=0)
        else:
            server.run("stdio")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    main()
