from pyarrow import Schema, Table

class ParquetWriter:
    is_open: bool
    def __init__(
        self,
        where: object,
        schema: Schema,
        *,
        compression: str = "snappy",
        version: str = "2.6",
        use_dictionary: bool | list[str] = True,
    ) -> None: ...
    def write_table(self, table: Table, row_group_size: int | None = None) -> None: ...
    def close(self) -> None: ...

def read_table(source: object) -> Table: ...
