"""What can go wrong with a mission store; every message is one sentence an operator can act on."""

from __future__ import annotations


class StoreError(Exception):
    """Base of everything the store raises on purpose."""


class StoreRefused(StoreError):
    """The file is not a mission store, is newer than this program, or is damaged; nothing was changed."""


class StoreFull(StoreError):
    """The disk is full. The transaction was rolled back whole: offer the same batches again when space returns."""
