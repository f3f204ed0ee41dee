"""s3fs, a file system over aiobotocore."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

import s3fs
from job import BUCKET, main


class S3fs:
    def __init__(self) -> None:
        self._files = s3fs.S3FileSystem(use_listings_cache=False)

    def put(self, key: str, body: bytes) -> None:
        self._files.pipe_file(f"{BUCKET}/{key}", body)

    def get(self, key: str) -> bytes:
        return self._files.cat_file(f"{BUCKET}/{key}")

    def list(self, prefix: str) -> list[str]:
        return self._files.ls(f"{BUCKET}/{prefix}", detail=False)


main(S3fs)
