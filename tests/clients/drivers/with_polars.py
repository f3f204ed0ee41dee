"""polars, which takes credentials from boto3 or leaves it all to object_store."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

import os
from typing import Any

import polars as pl
from job import BUCKET, main

PROVIDER: dict[str, Any] = {
    "boto3": {"credential_provider": pl.CredentialProviderAWS()},
    "object_store": {"credential_provider": None},
}[os.environ["JOB_POLARS"]]


class Polars:
    def put(self, key: str, body: bytes) -> None:
        pl.DataFrame({"body": [body]}).write_parquet(f"s3://{BUCKET}/{key}", **PROVIDER)

    def get(self, key: str) -> bytes:
        frame = pl.scan_parquet(f"s3://{BUCKET}/{key}", **PROVIDER).collect()
        return frame["body"][0]

    def list(self, prefix: str) -> list[str]:
        places = pl.scan_parquet(
            f"s3://{BUCKET}/{prefix}*polars*", include_file_paths="place", **PROVIDER
        )
        return places.select("place").collect()["place"].to_list()


main(Polars)
