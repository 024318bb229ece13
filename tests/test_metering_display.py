"""How compute usage is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpkit.metering import Usage, show
from mcpkit.metering.display import abbreviated, compact, grouped, live, progress, scientific

GUIDE = Usage(units=3_845_291, wall_ns=43_000_000, mean_rate=89_425_372.0, peak_rate=95_100_000.0)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0K"),
        (1500, "1.5K"),
        (999_949, "999.9K"),
        (999_950, "1.0M"),
        (1_234_567, "1.2M"),
        (2_500_000_000, "2.5B"),
        (7_100_000_000_000, "7.1T"),
    ],
)
def test_counts_are_abbreviated_to_one_digit(count: int, text: str) -> None:  # A37
    assert abbreviated(count) == text


def test_counts_are_grouped_and_scientific() -> None:  # A37
    assert grouped(1_234_567) == "1,234,567"
    assert scientific(1_234_567) == "1.235e6"
    assert scientific(0) == "0.000e0"


def test_the_minimal_form_is_one_short_line() -> None:  # A33
    assert show(Usage(1_234_567, 1)) == "⚡ 1.2M CU"


def test_the_detailed_form_is_the_guides_report() -> None:  # A34, A39
    assert show(GUIDE, "detailed") == (
        "Compute Usage Report\n"
        "====================\n"
        "Total:       3,845,291 CU\n"
        "Abbreviated: 3.8M CU\n"
        "Scientific:  3.845e6 CU\n"
        "Time:        0.043s\n"
        "Rate (avg):  89.4M/s\n"
        "Rate (peak): 95.1M/s"
    )


def test_a_call_too_short_for_a_rate_says_so() -> None:
    report = show(Usage(12, 3_400), "detailed")
    assert "Rate (avg):  n/a" in report
    assert "Time:        0.000003s" in report


def test_the_json_form_is_for_programs() -> None:  # A35
    out = json.loads(show(GUIDE._replace(wall_ns=2_043_000_001, memory_bytes=65536, max_units=10**7), "json"))
    assert out == {
        "compute_units": 3_845_291,
        "execution_time": {"secs": 2, "nanos": 43_000_001},
        "units_per_second": 89_425_372.0,
        "peak_rate": 95_100_000.0,
        "memory_bytes": 65536,
        "max_compute_units": 10_000_000,
    }


def test_the_bar_shows_the_share_of_the_limit() -> None:  # A36
    half = Usage(5_000_000, 1, max_units=10_000_000)
    assert show(half, "progress") == "[████░░░░] 50% 5M CU"
    assert show(half._replace(units=8_000_000), "progress_bar") == "[██████░░] 80% 8M CU"
    assert show(half._replace(units=1_500, max_units=0), "progress") == "⚡ 1.5K CU"


def test_the_live_line_has_the_rate() -> None:
    assert live(1_200_000, 82_300_000.0) == "⚡ 1.2M CU @ 82.3M/s"


@given(units=st.integers(0, 10**15), limit=st.integers(1, 10**15))
def test_a_bar_is_full_only_at_the_limit(units: int, limit: int) -> None:
    bar = progress(Usage(units, 1, max_units=limit))
    assert ("░" not in bar) == (units >= limit)
    assert len(bar[: bar.index("]")]) == 9


@given(st.integers(0, 999 * 10**12))
def test_abbreviations_stay_short_and_close(count: int) -> None:
    text = abbreviated(count)
    assert len(text) <= 6
    scale = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}.get(text[-1], 1)
    assert float(text.rstrip("KMBT")) * scale == pytest.approx(count, abs=0.05 * scale + 1e-6)
    assert ".0" not in compact(count)
