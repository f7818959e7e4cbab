import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeOrganization } from "../support/fixtures/factories.js";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { freePort } from "../support/server/free-port.js";

const root = join(import.meta.dirname, "../..");
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ OMOI_WEBHOOK_PRIVATE_HOSTS: "true" });
});
afterAll(() => app.close());

test("the receiver in docs/how-to/receive-webhooks.md accepts deliveries signed with its secret only", async () => {
  const guide = await readFile(join(root, "docs/how-to/receive-webhooks.md"), "utf8");
  const [, code = ""] = /```js\n(.*?)```/s.exec(guide) ?? [];
  const port = await freePort();
  const owner = await app.person("owner");
  const params = { org_id: (await makeOrganization(owner)).id };
  const body = { url: `http://127.0.0.1:${port}/omoi`, events: ["run.failed"] };
  const { data: webhook } = await owner.api.webhooks.create({ params, body });
  const one = { ...params, webhook_id: webhook.id };
  const receiver = spawn(
    process.execPath,
    ["--input-type=module", "--eval", code.replace("8000", String(port))],
    { cwd: root, env: { ...process.env, OMOI_WEBHOOK_SECRET: webhook.secret as string } },
  );
  try {
    let output = "";
    receiver.stdout.on("data", (text) => (output += String(text)));
    await vi.waitFor(
      async () => {
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        socket.destroy();
      },
      { timeout: 20_000, interval: 100 },
    );
    const { data: accepted } = await owner.api.webhooks.test({ params: one });
    expect(accepted).toMatchObject({ status: "delivered" });
    await vi.waitFor(() => expect(output).toContain(`${accepted.event_id} webhook.test`), {
      timeout: 10_000,
    });
    const { data: another } = await owner.api.webhooks.create({ params, body });
    const { data: refused } = await owner.api.webhooks.test({
      params: { ...params, webhook_id: another.id },
    });
    expect(refused).toMatchObject({ status: "failed", last_attempt: { response_status: 401 } });
  } finally {
    receiver.kill();
    await once(receiver, "exit");
  }
});
