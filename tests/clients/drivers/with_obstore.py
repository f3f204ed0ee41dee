"""obstore, Rust's object_store from Python."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

import obstore
from job import BUCKET, main
from obstore.store import S3Store


class Obstore:
    def __init__(self) -> None:
        self._store = S3Store(BUCKET)

    def put(self, key: str, body: bytes) -> None:
        obstore.put(self._store, key, body)

    def get(self, key: str) -> bytes:
        return bytes(obstore.get(self._store, key).bytes())

    def list(self, prefix: str) -> list[str]:
        return [each["path"] for page in obstore.list(self._store, prefix) for each in page]


main(Obstore)
