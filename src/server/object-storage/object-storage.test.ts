import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  listObjects,
  MIB,
  piecesOf,
  repeatFailures,
  storeBytes,
} from "#test/support/object-storage/objects.js";
import { startS3Server, type S3Server } from "#test/support/object-storage/s3-server.js";
import { explainFailure } from "./object-storage-error.js";
import { openObjectStorage, type ObjectStorage } from "./object-storage.js";
import type { S3Settings } from "./signed-request.js";
import { partBytes } from "./upload-object.js";

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
});
afterEach(() => {
  s3.fault = () => null;
});
afterAll(() => s3.close());

const at = (key: string) => ({ bucket: s3.bucket, key });

test.for([0, 1, 8 * MIB + 1])("stores %i bytes", (size) => storeBytes(s3, size));

test("a part grows with its number, so that 10,000 parts hold more than a TiB", () => {
  let bytes = 0;
  for (let number = 1; number <= 10_000; number += 1) bytes += partBytes(number);
  expect(bytes).toBeGreaterThan(2 ** 40);
});

test("lists objects, and deletes them", () => listObjects(s3, 5));

test("repeats requests that fail", () => repeatFailures(s3, "status 500"));

test("an upload that fails leaves neither an object nor parts", async () => {
  const key = "failed/upload";
  let parts = 0;
  s3.fault = ({ method, url }) =>
    method === "PUT" && url.includes("partNumber") && (parts += 1) > 1 ? "status 500" : null;
  const upload = s3.storage.upload(at(key), piecesOf(randomBytes(20 * MIB)));
  await expect(upload).rejects.toMatchObject({ failure: "unavailable" });
  s3.fault = () => null;
  expect(await s3.storage.size(at(key))).toBeNull();
  expect(s3.seen.at(-2)).toMatchObject({ method: "DELETE" });
});

test("a source that fails leaves no object", async () => {
  const source = Readable.from(
    (async function* failing() {
      yield await Promise.resolve(randomBytes(9 * MIB));
      throw new Error("the disk is gone");
    })(),
  );
  await expect(s3.storage.upload(at("failed/source"), source)).rejects.toThrow("the disk is gone");
  expect(await s3.storage.size(at("failed/source"))).toBeNull();
});

test.for<[Partial<S3Settings>, string, RegExp]>([
  [
    {},
    "no-such-bucket",
    /^The bucket no-such-bucket does not exist at http.*; create it, or correct OMOI_S3_BUCKET$/,
  ],
  [
    { secretAccessKey: "wrong" },
    "omoi-tests",
    /^http.* rejects the access .*SignatureDoesNotMatch.*; check OMOI_S3_ACCESS_KEY_ID/,
  ],
  [
    { endpoint: "http://127.0.0.1:9" },
    "omoi-tests",
    /^The object storage at http:\/\/127.0.0.1:9 does not answer \(.*ECONNREFUSED.*\); check OMOI_S3_ENDPOINT/,
  ],
])("explains %j with %s", async ([change, bucket, expected]) => {
  const settings: S3Settings = {
    endpoint: s3.endpoint,
    region: "us-east-1",
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    addressing: "path",
    ...change,
  };
  const storage: ObjectStorage = openObjectStorage(settings);
  const error: unknown = await storage.probe(bucket).catch((cause: unknown) => cause);
  storage.close();
  expect(explainFailure(error, settings.endpoint, bucket)).toMatch(expected);
});

test("aborts the uploads below a prefix that began before a time", async () => {
  // s3rver does not list uploads.
  const aborted: string[] = [];
  const upload = (key: string, began: string) =>
    `<Upload><Key>${key}</Key><UploadId>${key}&amp;1</UploadId><Initiated>${began}</Initiated></Upload>`;
  const server = createServer(({ method, url }, response) => {
    if (method === "DELETE") aborted.push(url ?? "");
    response.end(
      `<ListMultipartUploadsResult>${upload("a/old", "2026-01-01T00:00:00.000Z")}${upload(
        "a/new",
        "2026-03-01T00:00:00.000Z",
      )}${upload("b/old", "2026-01-01T00:00:00.000Z")}</ListMultipartUploadsResult>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const storage = openObjectStorage({
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    accessKeyId: "id",
    secretAccessKey: "secret",
    addressing: "path",
  });
  expect(await storage.abortUploads("bucket", "a/", new Date("2026-02-01"))).toBe(1);
  expect(aborted).toEqual(["/bucket/a/old?uploadId=a%2Fold%261"]);
  storage.close();
  server.closeAllConnections();
  server.close();
});
