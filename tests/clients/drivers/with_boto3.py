"""boto3, with the default session's own provider chain."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

import boto3
from job import BUCKET, main


class Boto3:
    def __init__(self) -> None:
        self._s3 = boto3.client("s3")

    def put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def list(self, prefix: str) -> list[str]:
        answer = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", [])]


main(Boto3)
