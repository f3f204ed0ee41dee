// @aws-sdk/client-s3 with its default provider chain: the job of job.py, in Node.
import {
  GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
} from "@aws-sdk/client-s3";
import { fromProcess } from "@aws-sdk/credential-providers";
import { setTimeout } from "node:timers/promises";

const {
  JOB_BUCKET: Bucket, JOB_PREFIX: own, JOB_FOREIGN: foreign, JOB_NAME: name, JOB_PROVIDER: provider,
} = process.env;
const [mode, seconds] = process.argv.slice(2);

const s3 = new S3Client(provider === "process" ? { credentials: fromProcess() } : {});
const put = (Key, Body) => s3.send(new PutObjectCommand({ Bucket, Key, Body }));
const get = async (Key) =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString();
const list = async (Prefix) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket, Prefix }))).Contents ?? []).map((o) => o.Key);

async function attempt(step, act) {
  let outcome = "done", words = "";
  try {
    await act();
  } catch (problem) {
    outcome = "failed";
    words = `${problem.name}: ${problem.message}`;
  }
  console.log(JSON.stringify({ step, outcome, words }));
  return outcome === "done";
}

async function round(body) {
  await put(own + name, body);
  if ((await get(own + name)) !== body) throw new Error("not what was written");
  if (!(await list(own)).includes(own + name)) throw new Error("not in the list");
}

if (mode === "live") {
  const end = performance.now() + Number(seconds) * 1000;
  await attempt("live", async () => {
    for (let count = 0; performance.now() < end; count++) {
      await round(`round ${count}`);
      await setTimeout(1000);
    }
  });
} else if (mode === "ask") {
  await attempt("get", () => get(own + name));
} else if (await attempt("put", () => put(own + name, "by a client"))) {
  await attempt("get", () => get(own + name));
  await attempt("list", () => list(own));
  await attempt("put elsewhere", () => put(foreign + name, "by a client"));
  await attempt("get elsewhere", () => get(foreign + name));
  await attempt("list elsewhere", () => list(foreign));
}
