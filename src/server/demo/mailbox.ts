import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Person } from "./session.js";

/** Confirms an address with the link from the email in the outbox. */
export async function confirmAddress(outbox: string, { api, email }: Person): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    for (const name of await readdir(outbox).catch(() => [])) {
      if (!name.endsWith(".eml")) continue;
      const mail = await readFile(join(outbox, name), "utf8");
      const token = /\/verify-email\?token=(\S+)$/m.exec(mail)?.[1];
      if (token === undefined || !mail.includes(`\nTo: ${email}\n`)) continue;
      await api.auth.verifyEmail({ body: { token } });
      return;
    }
    await sleep(100);
  }
  throw new Error(`no email to ${email} arrived`);
}
