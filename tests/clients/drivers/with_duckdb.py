"""duckdb, whose httpfs takes a secret of the AWS SDK's provider chain."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

from collections.abc import Sequence
from urllib.parse import urlsplit

import duckdb
from duckdb_extensions import import_extension
from job import BUCKET, ENDPOINT, main


class Duckdb:
    def __init__(self) -> None:
        self._database = duckdb.connect()
        for extension in ("httpfs", "aws"):
            import_extension(extension)
            self._database.execute(f"LOAD {extension}")
        self._database.execute(
            "CREATE SECRET (TYPE s3, PROVIDER credential_chain, REFRESH auto,"
            f" ENDPOINT '{urlsplit(ENDPOINT).netloc}', URL_STYLE 'path', USE_SSL false)"
        )

    def put(self, key: str, body: bytes) -> None:
        self._database.execute(
            f"COPY (SELECT $body AS body) TO '{_place(key)}' (FORMAT csv, HEADER false)",
            {"body": body.decode()},
        )

    def get(self, key: str) -> bytes:
        found = self._rows("SELECT content FROM read_text($place)", _place(key))
        return found[0].strip().encode()

    def list(self, prefix: str) -> list[str]:
        return list(self._rows("SELECT file FROM glob($place)", _place(f"{prefix}*")))

    def _rows(self, query: str, place: str) -> Sequence[str]:
        return [row[0] for row in self._database.execute(query, {"place": place}).fetchall()]


def _place(key: str) -> str:
    return f"s3://{BUCKET}/{key}"


main(Duckdb)
