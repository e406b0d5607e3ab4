"""State which integers the engine carries exactly, for connectors that read numbers from elsewhere."""

from __future__ import annotations

INT64_BOUND = 2**63
"""The engine's integers are at least `-INT64_BOUND` and below `INT64_BOUND`; others become text."""
