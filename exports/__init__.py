"""A selection of the ledger as a CSV or Parquet file with a manifest, written by a process of its own."""

from __future__ import annotations

from exports.read_back import read_export

__all__ = ["read_export"]
