"""Access rules on a real store: what a session can do with the policy that they become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from agentkeys.access_rules import AccessRule
from agentkeys.sandbox_record import SandboxRecord
from agentkeys.session_policy import check_raw_policy, compile_session_policy
from agentkeys_shell.sandbox.iam import BUCKET, ROLE_ARN
from tests.support.dev_broker import BrokerClient

OBJECTS = ("data/a", "data/deep/b", "data2/x", "other/y", "one", "one2")
DENIED = "AccessDenied"


class Store:
    """The sandbox's S3 for one session, with keys below one folder.

    Answers are the keys that were meant or found, or the code of the refusal.
    """

    def __init__(self, s3: BaseClient, folder: str) -> None:
        self.s3: Any = s3
        self.folder = folder

    def get(self, key: str) -> str:
        return self.ask(lambda: self.s3.get_object(Key=self.folder + key, Bucket=BUCKET)) or key

    def put(self, key: str) -> str:
        place = {"Bucket": BUCKET, "Key": self.folder + key}
        return self.ask(lambda: self.s3.put_object(**place, Body=key.encode())) or key

    def delete(self, key: str) -> str:
        return self.ask(lambda: self.s3.delete_object(Key=self.folder + key, Bucket=BUCKET)) or key

    def copy(self, source: str, key: str) -> str:
        place = {"Bucket": BUCKET, "Key": self.folder + key}
        origin = {"Bucket": BUCKET, "Key": self.folder + source}
        return self.ask(lambda: self.s3.copy_object(**place, CopySource=origin)) or key

    def list(self, prefix: str, **options: str) -> str:
        """The keys, blanks between them."""
        whole = {"Bucket": BUCKET, "Prefix": self.folder + prefix, **options}
        found: list[str] = []

        def find() -> None:
            answer = self.s3.list_objects_v2(**whole)
            found.extend(entry["Key"] for entry in answer.get("Contents", ()))
            found.extend(entry["Prefix"] for entry in answer.get("CommonPrefixes", ()))

        return self.ask(find) or " ".join(key.removeprefix(self.folder) for key in found)

    @staticmethod
    def ask(call: Callable[[], object]) -> str:
        try:
            call()
        except ClientError as problem:
            return str(problem.response["Error"]["Code"])
        return ""


class Stores:
    """Makes sessions of one user, each with the policy of some rules."""

    def __init__(self, sandbox: SandboxRecord, clients: ExitStack) -> None:
        self._clients = clients
        self._url = sandbox.store.url
        with BrokerClient(sandbox.broker.url) as broker:
            session = broker.managed_login(sandbox.users[1].email)["session_jwt"]
            minted = broker.mint(session)
        self._jwt = minted["jwt"]
        self.folder = f"bots/{minted['wallet']}/rules/"

    def with_rules(self, *rules: tuple[str, str]) -> Store:
        """Of key and mode, the keys below our folder."""
        places = [AccessRule(BUCKET, self.folder + key, mode) for key, mode in rules]
        return self.with_policy(compile_session_policy(places))

    def with_policy(self, policy: str | None) -> Store:
        limited = {} if policy is None else {"Policy": policy}
        unsigned = Config(signature_version=UNSIGNED)
        with closing(
            boto3.client("sts", endpoint_url=self._url, region_name="us-east-1", config=unsigned)
        ) as sts:
            keys = sts.assume_role_with_web_identity(
                RoleArn=ROLE_ARN, RoleSessionName="rules", WebIdentityToken=self._jwt, **limited
            )["Credentials"]
        s3 = boto3.client(
            "s3",
            endpoint_url=self._url,
            region_name="us-east-1",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        return Store(self._clients.enter_context(closing(s3)), self.folder)


@pytest.fixture(scope="module")
def stores(sandbox: SandboxRecord) -> Iterator[Stores]:
    """With some objects in it."""
    with ExitStack() as clients:
        stores = Stores(sandbox, clients)
        whole = stores.with_policy(None)
        assert [whole.put(key) for key in OBJECTS] == list(OBJECTS)
        yield stores


def test_without_a_policy_a_session_does_what_its_role_may(stores: Stores) -> None:
    """So whatever is denied below is denied by the policy."""
    store = stores.with_policy(None)
    assert store.list("") == "data/a data/deep/b data2/x one one2 other/y"
    assert (store.get("other/y"), store.put("other/z"), store.delete("other/z")) == (
        "other/y",
        "other/z",
        "other/z",
    )


def test_a_prefix_to_read_is_read_and_listed(stores: Stores) -> None:
    """At any depth, in one go or folder by folder."""
    store = stores.with_rules(("data/", "ro"))
    assert [store.get("data/a"), store.get("data/deep/b")] == ["data/a", "data/deep/b"]
    assert store.list("data/") == "data/a data/deep/b"
    assert store.list("data/", Delimiter="/") == "data/a data/deep/"
    assert store.list("data/deep/") == store.list("data/d") == "data/deep/b"
    assert store.get("data/nothing") == "NoSuchKey"


def test_a_prefix_to_read_is_not_written(stores: Stores) -> None:
    """Nor deleted from, nor uploaded to in parts, nor by any detour."""
    store = stores.with_rules(("data/", "ro"))
    assert (store.put("data/new"), store.delete("data/a")) == (DENIED, DENIED)
    assert store.copy("data/a", "data/copy") == DENIED
    place = {"Bucket": BUCKET, "Key": stores.folder + "data/parts"}
    with pytest.raises(ClientError, match=DENIED):
        store.s3.create_multipart_upload(**place)
    with pytest.raises(ClientError, match=DENIED):
        store.s3.put_object_tagging(**place, Tagging={"TagSet": []})
    many = {"Objects": [{"Key": stores.folder + "data/a"}]}
    assert store.s3.delete_objects(Bucket=BUCKET, Delete=many)["Errors"][0]["Code"] == DENIED
    assert store.get("data/a") == "data/a"


def test_what_is_beside_a_prefix_is_neither_read_nor_listed(stores: Stores) -> None:
    """Even where its name begins so; and the prefix without its slash names what is beside."""
    store = stores.with_rules(("data/", "rw"))
    for key in ("data2/x", "other/y", "one"):
        assert (store.get(key), store.put(key), store.delete(key)) == (DENIED, DENIED, DENIED)
    for prefix in ("", "d", "data", "data2/", "other/"):
        assert store.list(prefix) == store.list(prefix, Delimiter="/") == DENIED
    assert store.ask(lambda: store.s3.list_objects_v2(Bucket=BUCKET)) == DENIED
    assert store.copy("other/y", "data/stolen") == DENIED


def test_a_path_does_not_lead_out_of_a_prefix(stores: Stores) -> None:
    """The store takes .. for what it is."""
    store = stores.with_rules(("data/", "rw"))
    for key in ("data/../other/y", "data/deep/../../other/y"):
        assert {store.get(key), store.put(key), store.delete(key)} == {"InvalidRequest"}
    assert store.list("data/../other/") == ""


def test_a_prefix_to_write_is_written(stores: Stores) -> None:
    """Put, copied within, deleted one by one and many at once."""
    store = stores.with_rules(("new/", "rw"))
    assert (store.put("new/a"), store.get("new/a")) == ("new/a", "new/a")
    assert store.copy("new/a", "new/b") == "new/b"
    assert store.list("new/") == "new/a new/b"
    assert store.delete("new/a") == "new/a"
    many = {"Objects": [{"Key": stores.folder + key} for key in ("new/b", "other/y")]}
    answer = store.s3.delete_objects(Bucket=BUCKET, Delete=many)
    assert [entry["Key"] for entry in answer["Deleted"]] == [stores.folder + "new/b"]
    assert [entry["Key"] for entry in answer["Errors"]] == [stores.folder + "other/y"]
    assert store.list("new/") == ""


def test_a_prefix_to_write_takes_uploads_in_parts(stores: Stores) -> None:
    """Begun, listed, ended or given up."""
    store = stores.with_rules(("parts/", "rw"))
    place = {"Bucket": BUCKET, "Key": stores.folder + "parts/a"}
    upload = {**place, "UploadId": store.s3.create_multipart_upload(**place)["UploadId"]}
    store.s3.upload_part(**upload, PartNumber=1, Body=b"part")
    parts = [
        {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
        for part in store.s3.list_parts(**upload)["Parts"]
    ]
    store.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert store.get("parts/a") == "parts/a"
    given_up = store.s3.create_multipart_upload(**place)["UploadId"]
    store.s3.abort_multipart_upload(**place, UploadId=given_up)


def test_one_object_does_not_reach_its_neighbours(stores: Stores) -> None:
    """Whose keys begin with its own; and nothing is listed, since a listing would name them."""
    store = stores.with_rules(("one", "rw"))
    assert (store.get("one"), store.put("one"), store.get("one")) == ("one", "one", "one")
    for key in ("one2", "one/x", "on"):
        assert (store.get(key), store.put(key)) == (DENIED, DENIED)
    for prefix in ("", "one", "one/", "one2"):
        assert store.list(prefix) == DENIED


def test_two_rules_allow_what_each_of_them_does(stores: Stores) -> None:
    """And nothing that only their parts put together would."""
    store = stores.with_rules(("data/", "ro"), ("new/", "rw"), ("one", "ro"))
    assert [store.get("data/a"), store.get("one"), store.put("new/c")] == ["data/a", "one", "new/c"]
    assert [store.list("data/"), store.list("new/")] == ["data/a data/deep/b", "new/c"]
    assert [store.put("data/a"), store.delete("one"), store.get("data2/x")] == [DENIED] * 3
    assert (store.copy("data/a", "new/c"), store.delete("new/c")) == ("new/c", "new/c")


def test_a_rule_gives_nothing_that_the_role_does_not(stores: Stores) -> None:
    """The whole bucket is still no more than the user's own folder."""
    store = stores.with_policy(compile_session_policy([AccessRule(BUCKET, "", "rw")]))
    assert store.list("data/") == "data/a data/deep/b"
    assert store.ask(lambda: store.s3.list_objects_v2(Bucket=BUCKET)) == DENIED
    foreign = {"Bucket": BUCKET, "Key": "bots/0xdeadbeef/x"}
    assert store.ask(lambda: store.s3.put_object(**foreign)) == DENIED


def test_where_a_bucket_is_may_be_asked(stores: Stores) -> None:
    """By clients that do so before anything else; nothing more about it."""
    s3 = stores.with_rules(("one", "ro")).s3
    assert "LocationConstraint" in s3.get_bucket_location(Bucket=BUCKET)
    for ask in (s3.get_bucket_acl, s3.get_bucket_policy, s3.get_bucket_versioning):
        with pytest.raises(ClientError, match=DENIED):
            ask(Bucket=BUCKET)


@pytest.mark.parametrize(
    "name", ["a b", "x:y", "100%", "a%2Fb", "q\"'", "a+b&c=d,;@#~^|<>!()", "..."]
)
def test_signs_that_mean_nothing_stand_for_themselves(stores: Stores, name: str) -> None:
    """On their whole way through the rule, the policy, the form and the store."""
    store = stores.with_rules((f"signs/{name}/", "rw"))
    key = f"signs/{name}/x"
    assert (store.put(key), store.get(key), store.list(f"signs/{name}/")) == (key, key, key)
    assert store.put("signs/x") == DENIED
    assert store.delete(key) == key


def test_the_store_takes_no_heed_of_case_in_keys(stores: Stores) -> None:
    """SeaweedFS does not; its listings do. When this fails, our documents may say better."""
    whole = stores.with_policy(None)
    assert whole.put("DATA/a") == "DATA/a"
    store = stores.with_rules(("data/", "ro"))
    assert (store.get("DATA/a"), store.put("DATA/a"), store.list("DATA/")) == (
        "DATA/a",
        DENIED,
        DENIED,
    )
    assert whole.delete("DATA/a") == "DATA/a"


def test_a_raw_policy_works_as_it_is_written(stores: Stores) -> None:
    """Denials, which no rule has, among it."""
    policy = """{
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:*Object", "Resource": "arn:aws:s3:::*/rules/one*"}
        ]
    }"""
    store = stores.with_policy(check_raw_policy(policy))
    assert [store.get("other/y"), store.get("one"), store.get("one2")] == [
        "other/y",
        DENIED,
        DENIED,
    ]
