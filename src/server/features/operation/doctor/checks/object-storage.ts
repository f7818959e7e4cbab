import { randomUUID } from "node:crypto";
import type { Config } from "../../../../config/config.js";
import { explainFailure } from "../../../../object-storage/object-storage-error.js";
import { openObjectStorage } from "../../../../object-storage/object-storage.js";
import { CHECK_MS } from "../limits.js";
import { capitalized, type Check } from "#shared/node/doctor-check.js";

/** The bucket for logs. */
export function objectStorage(settings: Config["objectStorage"]): Check {
  return {
    name: "object-storage",
    tried: "Write, read and delete an object in the bucket for logs",
    cure: "Check OMOI_S3_ENDPOINT (docs/how-to/object-storage.md).",
    limitMs: CHECK_MS,
    run: async (signal) => {
      if (settings === null) return { status: "skipped", seen: "no S3 server is configured" };
      const { endpoint, logs } = settings;
      if (logs === null) return { status: "skipped", seen: "logs stay in the data folder" };
      const { bucket, prefix } = logs;
      const name = `omoi-doctor-${randomUUID()}`;
      const object = { bucket, key: prefix === "" ? name : `${prefix}/${name}` };
      const content = Buffer.from(name);
      const storage = openObjectStorage(settings);
      try {
        await storage.upload(object, contentOf(content), signal);
        const read = await storage.readRange(object, 0, content.length);
        if (!read.equals(content)) throw new Error("the object has other bytes than were written");
        return { status: "ok", seen: `${bucket} at ${endpoint} takes objects` };
      } catch (error) {
        const [seen = "", cure = ""] = explainFailure(error, endpoint, bucket).split("; ", 2);
        return { status: "failed", seen, cure: `${capitalized(cure)}.` };
      } finally {
        await storage.delete(object).catch(() => undefined);
        storage.close();
      }
    },
  };
}

async function* contentOf(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}
