import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/app.js";
import { makeOrganization } from "#test/factories.js";
import { asOperator } from "#test/operator.js";
import { mailIsQuiet } from "#test/outbox.js";

/** The files below a folder that hold a text, as raw bytes, and how many were looked at. */
async function filesWith(folder: string, text: string) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const found: string[] = [];
  for (const { parentPath, name } of files) {
    // Files of a running database come and go.
    const bytes = await readFile(join(parentPath, name)).catch(() => Buffer.alloc(0));
    if (bytes.includes(text)) found.push(name);
  }
  return { found, looked: files.length };
}

const checkpointed = (app: TestApp) => asOperator(app, "checkpoint");

test("a key's secret is in no file: not in the database, the log ahead, an answer kept or a mail", async () => {
  const app = await startTestApp();
  const owner = await app.person("owner");
  const org = await makeOrganization(owner);
  const headers = { "idempotency-key": randomUUID() };
  const { data: made } = await owner.api.apiKeys.create(
    { body: { name: "a name that is found", organization_id: org.id } },
    { headers },
  );
  const { data: rotated } = await owner.api.apiKeys.rotate(
    { params: { key_id: made.id } },
    { headers: { "idempotency-key": randomUUID() } },
  );
  for (const { key } of [made, rotated]) {
    await owner.api.apiKeys.verify({ body: { key: key as string } });
  }
  await app.client(rotated.key as string).organizations.list();
  await owner.api.apiKeys.usage({ params: { key_id: rotated.id } });
  await app.client().apiKeys.revokeLeaked({ body: { key: rotated.key as string } });
  await mailIsQuiet(app);
  await checkpointed(app);
  const [where] = await asOperator<{ folder: string }>(
    app,
    "select current_setting('data_directory') as folder",
  );
  for (const { key } of [made, rotated]) {
    const secret = (key as string).slice(14, -6);
    for (const folder of [where?.folder as string, app.dataDir]) {
      expect([folder, (await filesWith(folder, secret)).found]).toEqual([folder, []]);
    }
  }
  // The search does find what is there.
  const { found } = await filesWith(where?.folder as string, "a name that is found");
  expect(found.length).toBeGreaterThan(0);
  await app.close();
});
