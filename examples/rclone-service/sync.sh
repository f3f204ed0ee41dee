#!/bin/sh
# Makes the service's own place in the bucket equal to the folder that is given.
set -eu
exec rclone sync --checksum --verbose "$1" ":s3:$AGENTKEYS_S3_BUCKET/${AGENTKEYS_S3_PREFIX}documents"
