"""A journal's new lines into a table of the lake, each exactly once."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from mlplat_assets.monitoring.journal_chunks import Chunk, lengths, next_chunk
from mlplat_assets.monitoring.journal_records import as_arrow, schema_of
from resources.lake import Lake, add_column, create_table

OFFSETS = "lineage.journal_offsets"
# A transaction costs about 0.1 s, the lines of so many bytes 0.2 s and 150 MB of memory.
CHUNK_BYTES = 16 * 1024 * 1024
_SQL = {pa.string(): "varchar", pa.int64(): "bigint", pa.float64(): "double"}


@dataclass(frozen=True, kw_only=True)
class Intake:
    """One journal folder, the kind of its records, and the table that takes them."""

    folder: Path
    record: type[msgspec.Struct]
    table: str
    chunk_bytes: int = CHUNK_BYTES

    @cached_property
    def schema(self) -> pa.Schema:
        """The table's columns."""
        return schema_of(self.record)

    @cached_property
    def decoder(self) -> "msgspec.json.Decoder[msgspec.Struct]":
        """Of one line."""
        return msgspec.json.Decoder(self.record)

    def run(self, lake: Lake) -> int:
        """Append what the journal holds by now, since the last time; how many rows are new.

        Chunk by chunk, each in one transaction with its offsets: a death between two of them, or
        a second intake at the same time, takes nothing in twice and leaves nothing out.

        Raises:
            JournalCorrupted: A line is no record.
        """
        # Else a service that answers faster than this could keep it busy for ever.
        ends = lengths(self.folder)
        taken, ended = 0, False
        while not ended:
            with lake.write() as connection:
                self._prepare(connection)
                chunk = next_chunk(
                    self.folder, self._offsets(connection), ends, self.decoder, self.chunk_bytes
                )
                ended = not chunk.records
                if not ended:
                    taken += self._append(connection, chunk)
        return taken

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        create_table(
            connection,
            OFFSETS,
            "select ''::varchar as folder, ''::varchar as segment, 0::bigint as bytes limit 0",
        )
        connection.register("no_rows", self.schema.empty_table())
        create_table(connection, self.table, "select * from no_rows", partition_by="partition_day")
        known = {row[0] for row in connection.execute(f"describe {self.table}").fetchall()}
        for field in self.schema:
            if field.name not in known:
                add_column(connection, self.table, field.name, _SQL[field.type])

    def _offsets(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        found = connection.execute(
            f"select segment, bytes from {OFFSETS} where folder = ?", [self.folder.name]
        )
        return dict(found.fetchall())

    def _append(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk[msgspec.Struct]) -> int:
        rows = as_arrow(chunk.records, self.schema)
        connection.register("incoming", self._unknown(connection, rows))
        inserted = connection.execute(
            f"insert into {self.table} by name select * from incoming"
        ).fetchall()[0][0]
        moved = {
            "folder": [self.folder.name] * len(chunk.offsets),
            "segment": list(chunk.offsets),
            "bytes": list(chunk.offsets.values()),
        }
        connection.register("moved", pa.table(moved))
        connection.execute(
            f"delete from {OFFSETS} where folder = ? and segment in (select segment from moved)",
            [self.folder.name],
        )
        connection.execute(f"insert into {OFFSETS} by name select * from moved")
        return inserted

    def _unknown(self, connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
        """The rows without those of events that a stream delivered again.

        Such a prediction has the same id each time it is made, and the first one counts.
        """
        if "stream" not in rows.column_names or rows["stream"].null_count == rows.num_rows:
            return rows
        connection.register("given", rows)
        days = rows["partition_day"].unique().to_pylist()
        return connection.execute(
            f"""select * from given where stream is null
                or not exists (
                    select 1 from {self.table} as held
                    where held.prediction_id = given.prediction_id
                      and held.partition_day between ? and ?)
                qualify stream is null
                or row_number() over (partition by prediction_id order by served_at) = 1""",
            [min(days), max(days)],
        ).to_arrow_table()
