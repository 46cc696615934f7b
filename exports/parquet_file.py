"""Arrow record batches as a Parquet file: the columns of the CSV, typed, each with its unit beside it.

Here NaN (sent and INVALID) and null (not sent) stay two different things, which text cannot tell apart.
"""

from __future__ import annotations

from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from exports.csv_file import Sink

ROW_GROUP = 32_768
"""Rows a group: at 40 columns some 10 MB are held back before they are written."""


class ParquetFile:
    """Writes record batches of one schema to a sink; nothing is complete before `close`."""

    guarded_cells = 0

    def __init__(self, sink: Sink, schema: pa.Schema) -> None:
        text = [field.name for field in map(schema.field, range(len(schema.names))) if _is_text(field)]
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._writer = pq.ParquetWriter(
            cast(object, sink), schema, compression="zstd", version="2.6", use_dictionary=text
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows of `batch`; they reach the sink a row group at a time."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is held back and the footer."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Give up: no footer. Without this pyarrow would try to write one to a sink that is gone."""
        self._waiting = []
        self._writer.is_open = False

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting = []
        self._rows = 0


def _is_text(field: pa.Field) -> bool:
    return pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
