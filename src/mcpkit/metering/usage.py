"""What one call used."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """Figures of one ended call."""

    units: int
    """Compute units (CU): one is one unit of wasmtime's fuel."""
    wall_ns: int
    """Start to end, waiting included."""
    mean_rate: float = 0.0
    """CU per second; 0: too short to tell."""
    peak_rate: float = 0.0
    memory_bytes: int = 0
    """Size of the guest's memory at the end; 0 where it cannot be read."""
    max_units: int = 0
    """The limit it ran under; 0: none."""
