// Thorough: large objects, more objects than a page of a list has, and further kinds of failures.
import { afterAll, afterEach, beforeAll, test } from "vitest";
import {
  listObjects,
  MIB,
  repeatFailures,
  storeBytes,
} from "#test/support/object-storage/objects.js";
import {
  startS3Server,
  type Fault,
  type S3Server,
} from "#test/support/object-storage/s3-server.js";

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
});
afterEach(() => {
  s3.fault = () => null;
});
afterAll(() => s3.close());

test.for([8 * MIB, 20 * MIB])("stores %i bytes", (size) => storeBytes(s3, size));

test("lists more objects than a page has, and deletes them", () => listObjects(s3, 1005));

test.for(["reset", "reset after", "truncated", "slow"] satisfies Fault[])(
  "repeats requests that fail by %s",
  (fault) => repeatFailures(s3, fault),
);
