"""pyarrow's own S3 file system, which is the AWS SDK for C++."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

from job import BUCKET, ENDPOINT, main
from pyarrow.fs import FileSelector, S3FileSystem


class Pyarrow:
    def __init__(self) -> None:
        self._files = S3FileSystem(endpoint_override=ENDPOINT)

    def put(self, key: str, body: bytes) -> None:
        with self._files.open_output_stream(f"{BUCKET}/{key}") as stream:
            stream.write(body)

    def get(self, key: str) -> bytes:
        with self._files.open_input_stream(f"{BUCKET}/{key}") as stream:
            return stream.read()

    def list(self, prefix: str) -> list[str]:
        found = self._files.get_file_info(FileSelector(f"{BUCKET}/{prefix}"))
        return [each.path for each in found]


main(Pyarrow)
