"""mcpkit doctor: what this installation found on this machine."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from typing import Any

from mcpkit import __version__
from mcpkit.cli import exits
from mcpkit.cli.terminal import paint


def run(args: argparse.Namespace) -> int:
    report, problems = examine()
    if args.json:
        print(json.dumps({**report, "problems": problems}, indent=2))
    else:
        for key, value in report.items():
            print(f"{key:<14}{_show(value)}")
        for problem in problems:
            print(f"{paint('problem', '31', sys.stdout):<14}{problem}")
        if not problems:
            print(paint("everything needed is here", "32", sys.stdout))
    return exits.CANNOT_LOAD if problems else exits.OK


def examine() -> tuple[dict[str, Any], list[str]]:
    """Findings by name, and what is wrong among them."""
    problems: list[str] = []
    report: dict[str, Any] = {
        "mcpkit": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    for name, find in (
        ("features", _features),
        ("kernels", _kernels),
        ("wasmtime", _wasmtime),
        ("wasmedge", _wasmedge),
        ("compilers", _compilers),
        ("cache", _cache),
    ):
        try:
            report[name] = find()
        except Exception as error:  # a report must not end at the first thing that is broken
            report[name] = None
            problems.append(f"{name}: {error}")
    return report, problems


def _features() -> list[str]:
    from mcpkit.core.cpu import features

    return features()


def _kernels() -> dict[str, list[str]]:
    from mcpkit.core import digest, json

    return {"json": json.kernels(), "sha256": digest.kernels()}


def _wasmtime() -> dict[str, str]:
    from mcpkit.wasm.library import find_library

    library = find_library()
    return {"version": str(library.version), "path": str(library.path)}


def _wasmedge() -> dict[str, str] | None:
    """None where it is not installed, which nothing but `runtime.type: wasmedge` misses."""
    from mcpkit.wasmedge.library import WasmEdgeError, find

    try:
        edge = find()
    except WasmEdgeError:
        return None
    return {"version": edge.version, "path": str(edge.path)}


def _compilers() -> list[str]:
    """Those with which wasmtime really makes an engine here."""
    from mcpkit.wasm.runtime import Runtime

    for pulley in (False, True):
        Runtime(cache=False, max_instances=1, pulley=pulley).close()
    return ["cranelift", "pulley"]


def _cache() -> dict[str, Any]:
    from mcpkit.wasm.cache import CodeCache

    stats = CodeCache().stats()
    return {**stats._asdict(), "folder": str(stats.folder)}


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_show(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "not found" if value is None else str(value)
