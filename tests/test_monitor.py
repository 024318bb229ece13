"""Live metering: on a terminal, in a pipe, at a server's end, and for Prometheus.

# A10 A12 A17 A38 A44 A45 A47 A52 A56 A58
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mcpkit.metering.monitor import Moment, line
from mcpkit.metering.prometheus import exposition
from servers import ADD_WAT, command, http_server, modern
from test_wasm_limits import HOSTILE

BUSY = ["--max-compute-units", "100G", "--timeout", "1500ms"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hostile.wat").write_text(HOSTILE)
    (tmp_path / "add.wat").write_text(ADD_WAT)
    return tmp_path


def spin(folder: Path, *words: str) -> list[str]:
    return command("call", str(folder / "hostile.wat"), "spin", "{}", *BUSY, *words)


def on_a_terminal(words: list[str], **more: Any) -> bytes:
    """stderr of a command that has a terminal there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, **more)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    process.wait(timeout=30)
    os.close(ours)
    return seen


# ---- the log ----

HANDLER = """
def greet(name: str) -> str:
    return f"hello {name}"
"""
LOGGED = """
server: {{log_format: json}}
runtime:
  wasm:
    modules: [{{path: hostile.wat}}, {{path: add.wat}}]
    metering: {{enabled: {enabled}, log_calls: true, max_compute_units: 1M}}
mcp:
  tools: [{{name: greet, handler: "greet.py:greet"}}]
"""


@pytest.mark.parametrize(("enabled", "logged"), [("true", True), ("false", False)])
def test_calls_are_logged_with_what_they_used(folder: Path, enabled: str, logged: bool) -> None:
    (folder / "greet.py").write_text(HANDLER)
    (folder / "c.yaml").write_text(LOGGED.format(enabled=enabled))
    with http_server("--config", str(folder / "c.yaml")) as server:
        server.call("add", {"a": 2, "b": 40})
        if logged:
            server.call("hostile_spin", {})
        server.call("greet", {"name": "Ann"})
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    calls = [line for line in lines if line["message"] == "call ended"]
    if not logged:
        assert calls == []
        return
    assert [(line["tool"], line["caller"], line["status"]) for line in calls] == [
        ("add", "anonymous", "ok"),
        ("hostile_spin", "anonymous", "out_of_units"),
        ("greet", "anonymous", "ok"),
    ]
    assert 0 < calls[0]["compute_units"] < 100
    assert calls[1]["compute_units"] > 990_000
    assert all(line["duration_ms"] > 0 for line in calls)
    assert not any("Ann" in json.dumps(line) for line in calls), "arguments are nobody's business"


# ---- mcpkit call ----


def test_a_terminal_sees_a_line_drawn_again(folder: Path) -> None:
    seen = on_a_terminal(spin(folder, "--monitor")).decode()
    drawn = re.findall(r"\r⚡ ([\d.]+[KMB]?) CU @ [\d.]+[KMB]/s\x1b\[K", seen)
    assert 5 < len(drawn) <= 16  # at most ten a second
    assert len(set(drawn)) == len(drawn)
    assert "\r\x1b[K" in seen.rpartition("CU @")[2]  # and the line is wiped before what follows


def test_a_pipe_sees_plain_lines(folder: Path) -> None:
    words = spin(folder, "--monitor", "--meter-format", "detailed")
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "\r" not in run.stderr
    assert "\x1b" not in run.stderr
    assert re.search(r"^⚡ [\d,]+ CU \(\d+% of the limit\) @ [\d.]+[KMB]/s, 1\.\ds$", run.stderr, re.M)
    assert "Compute Usage Report" in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("minimal", r"^⚡ [\d.]+[KMB] CU @ [\d.]+[KMB]/s$"),
        ("progress", r"^\[█*░+\] \d+% [\d.]+[KMB] CU @ [\d.]+[KMB]/s$"),
        (
            "json",
            r'^\{"compute_units": \d+, "units_per_second": [\d.e+]+, "elapsed_ms": \d+, "max_compute_units": \d+}$',
        ),
    ],
)
def test_every_format_has_a_live_line(folder: Path, form: str, pattern: str) -> None:
    run = subprocess.run(spin(folder, "--monitor", "--meter", form), capture_output=True, text=True, check=False)
    assert re.search(pattern, run.stderr, re.M), run.stderr


def test_the_configuration_can_switch_it_on_and_metering_off_switches_it_off(folder: Path) -> None:
    for enabled, shown in ((True, True), (False, False)):
        config = folder / f"{enabled}.yaml"
        metering = f"{{enabled: {str(enabled).lower()}, enable_monitoring: true, display_format: json}}"
        config.write_text(f"runtime: {{wasm: {{module_path: hostile.wat, metering: {metering}}}}}")
        run = subprocess.run(spin(folder, "--config", str(config)), capture_output=True, text=True, check=False)
        assert ("compute_units" in run.stderr) == shown


def test_meter_format_is_meter(folder: Path) -> None:
    add = command("call", str(folder / "add.wat"), "add", '{"a": 1, "b": 2}')
    one, other = (
        subprocess.run([*add, *words], capture_output=True, text=True, check=True).stderr
        for words in (["--meter", "minimal"], ["--meter-format", "minimal"])
    )
    assert one == other
    assert one.startswith("⚡")


# ---- mcpkit server ----


def test_a_stdio_server_never_shows_anything_on_stdout(folder: Path) -> None:
    asked = [modern("tools/call", {"name": "add", "arguments": {"a": i, "b": 2}}, id=i) for i in range(20)]
    run = subprocess.run(
        command("server", str(folder / "add.wat"), "--monitor", "--meter", "json"),
        input="".join(json.dumps(message) + "\n" for message in asked),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sorted(json.loads(text)["id"] for text in run.stdout.splitlines()) == list(range(20))
    live = json.loads(next(text for text in run.stderr.splitlines() if '"ended"' in text))
    assert live["ended"] == 20
    assert "add: 20 calls" in run.stderr
    report = json.loads(run.stderr.splitlines()[-1])
    assert report["compute_units"] == live["compute_units"] > 0


def test_a_server_shows_calls_while_they_run(folder: Path) -> None:
    message = modern("tools/call", {"name": "spin", "arguments": {}})
    words = command("server", str(folder / "hostile.wat"), "--monitor", *BUSY)
    ours, theirs = os.pipe()
    os.write(theirs, json.dumps(message).encode() + b"\n")
    os.close(theirs)
    run = subprocess.run(words, stdin=ours, capture_output=True, text=True, check=True)
    os.close(ours)
    assert re.search(r"^⚡ [\d.]+[KMB] CU @ [\d.]+[KMB]/s · 1 running · 0 ended$", run.stderr, re.M), run.stderr
    assert "· 0 running · 1 ended" in run.stderr


# ---- Prometheus ----


def scrape(url: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    with urllib.request.urlopen(url) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_metrics_of_every_tool(folder: Path) -> None:
    config = folder / "c.yaml"
    config.write_text(
        "transport: {settings: {metrics: true}}\nruntime: {wasm: {modules: [{path: add.wat}, {path: hostile.wat}]}}"
    )
    with http_server("--config", str(config), "--max-compute-units", "1M") as server:
        units = 0
        for i in range(7):
            result = server.call("add", {"a": i, "b": 1}).json["result"]
            units += result["_meta"]["io.mcpkit/usage"]["computeUnits"]
        server.call("hostile_spin", {})
        server.call("add", {"a": "x"})
        found = scrape(server.url.replace("/mcp", "/metrics"))
    add = ("tool", "add")
    assert found["mcpkit_tool_calls_total"] == {
        (("status", "ok"), add): 7,
        (("status", "bad_arguments"), add): 1,
        (("status", "out_of_units"), ("tool", "hostile_spin")): 1,
    }
    assert found["mcpkit_tool_compute_units_total"][(add,)] == units
    assert found["mcpkit_tool_compute_units_total"][(("tool", "hostile_spin"),)] == 1_000_000
    assert found["mcpkit_tool_duration_seconds_count"][(add,)] == 8
    assert found["mcpkit_tool_duration_seconds_bucket"][(("le", "+Inf"), add)] == 8
    assert found["mcpkit_tool_peak_rate"][(("tool", "hostile_spin"),)] > 0
    assert found["mcpkit_instances"] == {(): 0}


def test_metrics_are_off_unless_asked_for(folder: Path) -> None:
    with http_server(str(folder / "add.wat")) as server, pytest.raises(urllib.error.HTTPError, match="404"):
        scrape(server.url.replace("/mcp", "/metrics"))


def test_names_are_escaped() -> None:
    totals = {"calls": {"ok": 1}, "buckets": [1, 0, 0, 0, 0, 0, 0, 0], "wall_ns": 5}
    (family,) = [
        family
        for family in text_string_to_metric_families(exposition([('a"b\\c\nd', totals)], {}))
        if family.name == "mcpkit_tool_calls"
    ]
    assert family.samples[0].labels["tool"] == 'a"b\\c\nd'


def test_a_line_about_many_calls() -> None:
    assert (
        line(Moment(1_200_000, 82.3e6, 10**9, 0, 2, 1500), "minimal")
        == "⚡ 1.2M CU @ 82.3M/s · 2 running · 1,500 ended"
    )
    assert line(Moment(1_200_000, 82.3e6, 10**9), "progress") == "⚡ 1.2M CU @ 82.3M/s"
