"""The manifest of a WASI command: ``manifest.json`` beside the module, in the format of mcpkit-rs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from mcpkit.guests.errors import ManifestError

FILE = "manifest.json"

Positive = Annotated[int, msgspec.Meta(ge=1)]


class EnvVar(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(pattern="^[^=\\x00]+$")]
    value: Annotated[str, msgspec.Meta(pattern="^[^\\x00]*$")]


class Credential(msgspec.Struct, frozen=True):
    """A secret that the guest asks for. Of which type it is, the host's configuration says."""

    name: str
    required: bool = True
    env_var: str | None = None
    """The variable that the guest reads it from."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of it. Limits only ever tighten those of the configuration."""

    name: str | None = None
    title: str | None = None
    version: str | None = None
    description: str | None = None
    wasm_module: str | None = None
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    timeout_seconds: Positive | None = None
    max_memory_bytes: Positive | None = None
    max_fuel: Positive | None = None
    """Compute units."""
    env_vars: tuple[EnvVar, ...] = ()
    credentials: tuple[Credential, ...] = ()


def beside(module: Path) -> Manifest | None:
    """The manifest in the module's folder, None where there is none or it belongs to another module.

    Raises ManifestError where it cannot be used.
    """
    path = module.parent / FILE
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ManifestError(f"{path}: cannot read: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise ManifestError(f"{path}: {error}") from error
    if manifest.wasm_module is not None and (path.parent / manifest.wasm_module).resolve() != module.resolve():
        return None
    return manifest
