"""The server that the official conformance suite is run against: every kind of tool, prompt and resource it asks for.

    python examples/conformance/server.py --http 127.0.0.1:3000

An ordinary program on `mcpkit.Server`; `make conformance` starts it and runs the suite.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import answers
import background
import changes
import questions
import schemas
import streams
import texts

from mcpkit import Server


def build() -> Server:
    """The server, with everything registered."""
    server = Server("mcpkit-conformance", version="1.0.0", instructions="Each tool shows one part of the protocol.")
    for part in (answers, streams, questions, schemas, background, texts, changes):
        part.register(server)
    server.add_skills(Path(__file__).parent / "skills")
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the fixture of the conformance suite.")
    parser.add_argument("--http", metavar="HOST:PORT", help="serve over HTTP instead of stdio; port 0 takes a free one")
    options = parser.parse_args()
    server = build()
    if options.http:
        host, _, port = options.http.rpartition(":")
        server.run("http", host=host, port=int(port))
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
