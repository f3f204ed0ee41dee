"""What the run's own endpoint answers, as a client sees it: variables, status, type and body."""

import http.client
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

place = urlsplit(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
assert place.hostname
file = Path(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
connection.request("GET", place.path, headers={"Authorization": token})
answer = connection.getresponse()
print(
    json.dumps(
        {
            "step": "get",
            "outcome": "done" if answer.status == 200 else "failed",
            "words": answer.read().decode(),
            "status": answer.status,
            "type": answer.headers["Content-Type"],
            "token": token,
            "token in file": file.read_text(encoding="ascii"),
            "mode of file": file.stat().st_mode & 0o777,
            "environment": dict(os.environ),
        }
    )
)
