"""minio-py, with its providers for the environment and for a container's endpoint."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

import io
import os
from urllib.parse import urlsplit

from job import BUCKET, ENDPOINT, main
from minio import Minio
from minio.credentials import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider


class MinioPy:
    def __init__(self) -> None:
        # Without a container's endpoint the last would ask the machine's own metadata service.
        last = IamAwsProvider() if os.environ["JOB_DOOR"] == "endpoint" else AWSConfigProvider()
        provider = ChainedProvider([EnvAWSProvider(), last])
        self._s3 = Minio(
            endpoint=urlsplit(ENDPOINT).netloc,
            secure=False,
            region=os.environ.get("AWS_REGION"),
            credentials=provider,
        )

    def put(self, key: str, body: bytes) -> None:
        self._s3.put_object(
            bucket_name=BUCKET, object_name=key, data=io.BytesIO(body), length=len(body)
        )

    def get(self, key: str) -> bytes:
        answer = self._s3.get_object(bucket_name=BUCKET, object_name=key)
        try:
            return answer.data
        finally:
            answer.close()

    def list(self, prefix: str) -> list[str]:
        return [
            found.object_name for found in self._s3.list_objects(bucket_name=BUCKET, prefix=prefix)
        ]


main(MinioPy)
