"""Quantities as a person reads them."""

from __future__ import annotations


def percent(share: float, decimals: int = 1) -> str:
    """`80.6%`; a share too small for its decimals becomes `<0.1%`."""
    least = 10.0**-decimals
    return f"<{least:g}%" if 0 < 100 * share < least / 2 else f"{100 * share:.{decimals}f}%"


def size(n_bytes: int) -> str:
    """`93 MB`, `1.2 GB`."""
    number, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.0f} {unit}" if number >= 9.95 or unit == "B" else f"{number:.1f} {unit}"
