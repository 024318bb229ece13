"""One call in WasmEdge, in a process of its own: the guest's standard streams are this process's.

    worker.py version LIBRARY
    worker.py run LIBRARY REQUEST_FD REPORT_FD

Imports nothing but the standard library, so that any Python can run it.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

WASI = 0
TERMINATED = 0x01
OVER_COST = 0x03
COSTS = 65_536
"""One per instruction's code; each costs one unit."""


class String(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint32), ("text", ctypes.c_char_p))


class Result(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint32),)


def load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    pointer, uint32, uint64, boolean = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_bool
    texts = ctypes.POINTER(ctypes.c_char_p)
    for name, result, parameters in (
        ("VersionGet", ctypes.c_char_p, ()),
        ("LogOff", None, ()),
        ("ConfigureCreate", pointer, ()),
        ("ConfigureAddHostRegistration", None, (pointer, ctypes.c_int)),
        ("ConfigureSetMaxMemoryPage", None, (pointer, uint32)),
        ("ConfigureStatisticsSetCostMeasuring", None, (pointer, boolean)),
        ("ConfigureStatisticsSetInstructionCounting", None, (pointer, boolean)),
        ("VMCreate", pointer, (pointer, pointer)),
        ("VMGetStatisticsContext", pointer, (pointer,)),
        ("StatisticsSetCostTable", None, (pointer, ctypes.POINTER(uint64), uint32)),
        ("StatisticsSetCostLimit", None, (pointer, uint64)),
        ("StatisticsGetTotalCost", uint64, (pointer,)),
        ("VMGetImportModuleContext", pointer, (pointer, ctypes.c_int)),
        ("ModuleInstanceInitWASI", None, (pointer, texts, uint32, texts, uint32, texts, uint32)),
        ("ModuleInstanceWASIGetExitCode", uint32, (pointer,)),
        ("VMLoadWasmFromFile", Result, (pointer, ctypes.c_char_p)),
        ("VMValidate", Result, (pointer,)),
        ("VMInstantiate", Result, (pointer,)),
        ("VMExecute", Result, (pointer, String, pointer, uint32, pointer, uint32)),
        ("ResultGetMessage", ctypes.c_char_p, (Result,)),
        ("VMGetActiveModule", pointer, (pointer,)),
        ("ModuleInstanceFindMemory", pointer, (pointer, String)),
        ("MemoryInstanceGetPageSize", uint32, (pointer,)),
    ):
        function = getattr(library, f"WasmEdge_{name}")
        function.restype = result
        function.argtypes = parameters
    library.WasmEdge_LogOff()
    return library


def string(text: bytes) -> String:
    return String(len(text), text)


def array(texts: list[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * max(len(texts), 1))(*[text.encode() for text in texts])


def run(library: ctypes.CDLL, request: dict[str, Any]) -> dict[str, Any]:
    """What came of the call: status, units, exit status, memory in bytes, and a reason."""
    configure = library.WasmEdge_ConfigureCreate()
    library.WasmEdge_ConfigureAddHostRegistration(configure, WASI)
    library.WasmEdge_ConfigureSetMaxMemoryPage(configure, request["pages"])
    library.WasmEdge_ConfigureStatisticsSetCostMeasuring(configure, True)
    library.WasmEdge_ConfigureStatisticsSetInstructionCounting(configure, True)
    vm = library.WasmEdge_VMCreate(configure, None)
    statistics = library.WasmEdge_VMGetStatisticsContext(vm)
    table = (ctypes.c_uint64 * COSTS)(*([1] * COSTS))
    library.WasmEdge_StatisticsSetCostTable(statistics, table, COSTS)
    library.WasmEdge_StatisticsSetCostLimit(statistics, request["max_units"] or 2**64 - 1)
    wasi = library.WasmEdge_VMGetImportModuleContext(vm, WASI)
    argv, env = request["argv"], request["env"]
    library.WasmEdge_ModuleInstanceInitWASI(wasi, array(argv), len(argv), array(env), len(env), array([]), 0)
    report = {"status": "ok", "units": 0, "exit_status": 0, "memory_bytes": 0, "detail": ""}
    for name, arguments in (
        ("VMLoadWasmFromFile", (request["module"].encode(),)),
        ("VMValidate", ()),
        ("VMInstantiate", ()),
        ("VMExecute", (string(b"_start"), None, 0, None, 0)),
    ):
        result = getattr(library, f"WasmEdge_{name}")(vm, *arguments)
        code = result.code & 0xFFFFFF
        if code in (0, TERMINATED):
            continue
        report["detail"] = (library.WasmEdge_ResultGetMessage(result) or b"").decode("utf-8", "replace")
        report["status"] = "out_of_units" if code == OVER_COST else "trap" if name == "VMExecute" else "internal"
        break
    report["units"] = library.WasmEdge_StatisticsGetTotalCost(statistics)
    report["exit_status"] = library.WasmEdge_ModuleInstanceWASIGetExitCode(wasi)
    module = library.WasmEdge_VMGetActiveModule(vm)
    memory = library.WasmEdge_ModuleInstanceFindMemory(module, string(b"memory")) if module else None
    if memory:
        report["memory_bytes"] = library.WasmEdge_MemoryInstanceGetPageSize(memory) * 65_536
    return report


def main(arguments: list[str]) -> None:
    library = load(arguments[1])
    if arguments[0] == "version":
        print(library.WasmEdge_VersionGet().decode())
        return
    with os.fdopen(int(arguments[2]), "rb") as file:
        request = json.load(file)
    report = run(library, request)
    with os.fdopen(int(arguments[3]), "w") as file:
        json.dump(report, file)
    os._exit(0)  # nothing of the library's own end is needed


if __name__ == "__main__":
    main(sys.argv[1:])
