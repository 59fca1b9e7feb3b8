"""Findings of a check: one line each, with what was measured, its bound, and what to do where it fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str
    value: str
    """The result in words."""
    ok: bool | None = True
    """None where it could not be measured."""
    bound: str = ""
    """The requirement in words; empty for a mere fact."""
    remedy: str = ""
    """The advice where it fails, or the reason why it was not measured."""
    measured: float | None = None
    """The number that is compared with the bound."""


@dataclass(frozen=True)
class ModelCheck:
    """All findings about a model and its dictionary."""

    model: str
    dictionary: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that failed."""
        return tuple(finding for finding in self.findings if finding.ok is False)

    def as_json(self) -> dict[str, Any]:
        """The findings as dictionaries and lists."""
        names = {"model": self.model, "dictionary": self.dictionary, "ok": self.ok}
        return {**names, "findings": [asdict(finding) for finding in self.findings]}

    def __repr__(self) -> str:
        failed = ", ".join(finding.name for finding in self.failures)
        state = f"failed: {failed}" if failed else "all ok"
        return f"ModelCheck({self.model}, {self.dictionary}: {len(self.findings)} findings, {state})"


def at_most(name: str, measured: float, bound: float, value: str, remedy: str) -> Finding:
    """A finding about a number that must not be above its bound; NaN is."""
    sound = measured <= bound
    return Finding(name, value, sound, f"at most {bound:g}", "" if sound else remedy, measured)


def not_measured(name: str, reason: str) -> Finding:
    """A finding that needs what another check failed to give."""
    return Finding(name, "not measured", None, remedy=reason)


def failed(findings: Iterable[Finding], name: str) -> bool:
    """True if the finding of this name failed."""
    return any(finding.name == name and finding.ok is False for finding in findings)
