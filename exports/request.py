"""What an export is asked for, as the console and the command line write it on the exporter's stdin."""

from __future__ import annotations

import msgspec

FORMATS = ("csv", "parquet")


class ExportRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One export: every row of `query` in the mission directory `mission`, written to `path`."""

    mission: str
    """Mission directory."""
    query: str = ""
    """A filter in the language of the ledger; empty for every row."""
    path: str | None = None
    """Where to write; None for a name of its own in the mission's `exports/`."""
    format: str = "csv"
    """One of `FORMATS`."""
    both_times: bool = True
    """Reception time beside generation time."""
    anomaly_columns: bool = True
    """Model version, score, p and state of each row."""
    satellite: str | None = None
    """Only this satellite, beside what the query says."""
    raw: bool = False
    """Leave out the formula guard: text cells exactly as they are."""
