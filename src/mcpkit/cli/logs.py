"""Log lines on stderr, as text for people or JSON for machines; never on stdout, which may be the protocol's."""

from __future__ import annotations

import logging
import sys
import time

from mcpkit.security.secrets import redacted

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}

# What every record carries; anything else was given with `extra` and belongs in the line.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextFormatter(logging.Formatter):
    """``12:30:45.123 info    mcpkit.mcp: text key=value``, local time."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock}.{int(record.msecs):03d} {record.levelname.lower():<7} {record.name}: {record.getMessage()}"
        for key, value in _extra(record).items():
            line += f" {key}={value}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redacted(line)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (RFC 3339, UTC), level, logger, message, and what was given with `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        import json

        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        out: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            out["exception"] = self.formatException(record.exc_info)
        return redacted(json.dumps(out, ensure_ascii=False, default=str))


def set_up(level: str = "info", form: str = "text") -> None:
    """Send this package's and its libraries' log to stderr. Called once, at start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    logging.raiseExceptions = False


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _OWN}
