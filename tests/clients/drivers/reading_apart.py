"""Reads the parts of boto3's credentials one after the other, as polars and others do.

Prints a line for each reading: access key, secret and token.
"""

import json
import sys
import time

import boto3

credentials = boto3.Session().get_credentials()
assert credentials
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    parts = [credentials.access_key, credentials.secret_key, credentials.token]
    print(json.dumps(parts), flush=True)
    time.sleep(0.5)
