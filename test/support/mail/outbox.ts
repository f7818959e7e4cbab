import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { TestApp } from "../server/app.js";

export interface OutboxMail {
  to: string;
  subject: string;
  text: string;
}

/**
 * Returns the mails that an application without a mail server has sent to an address, oldest first.
 */
export async function mailsTo(app: TestApp, to: string): Promise<OutboxMail[]> {
  const folder = join(app.dataDir, "outbox");
  const names = await readdir(folder).catch(() => []);
  const mails: OutboxMail[] = [];
  for (const name of names.filter((file) => file.endsWith(".eml")).toSorted()) {
    const [head = "", text = ""] = (await readFile(join(folder, name), "utf8")).split(/\n\n(.*)/s);
    const header = (key: string): string =>
      decodeWords(new RegExp(`^${key}: (.*(?:\\n[ \\t].*)*)$`, "m").exec(head)?.[1] ?? "");
    mails.push({ to: header("To"), subject: header("Subject"), text });
  }
  return mails.filter((mail) => mail.to === to);
}

/** Decodes the encoded words of a header (RFC 2047), and joins its lines. */
function decodeWords(text: string): string {
  return text
    .replaceAll(/\?=\s+=\?/g, "?==?")
    .replaceAll(/\s*\n\s+/g, " ")
    .replaceAll(/=\?UTF-8\?([QB])\?(.*?)\?=/gi, (_word, encoding: string, coded: string) => {
      if (encoding.toUpperCase() === "B") return Buffer.from(coded, "base64").toString("utf8");
      const bytes = coded
        .replaceAll("_", " ")
        .replaceAll(/=([0-9A-F]{2})/gi, (_code, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        );
      return Buffer.from(bytes, "latin1").toString("utf8");
    });
}

/**
 * Returns the token in the latest link mailed to an address, after `count` of them have arrived.
 * Any sibling may have sent it, with its own address.
 */
export async function mailedToken(
  app: TestApp,
  to: string,
  page: "verify-email" | "reset-password",
  count = 1,
): Promise<string> {
  const links = async (): Promise<string[]> =>
    (await mailsTo(app, to)).flatMap(
      ({ text }) =>
        new RegExp(`^https?://[^/]+/${page}\\?token=(\\S+)$`, "m").exec(text)?.[1] ?? [],
    );
  await expect.poll(async () => (await links()).length).toBe(count);
  return (await links()).at(-1) as string;
}

/** Waits until no mail is pending; a missing mail will then not arrive. */
export async function waitForMailQueue(app: TestApp): Promise<void> {
  const { systemPool } = app.db;
  const waiting = async (): Promise<number> =>
    (await systemPool.query("select from pgboss.job where name in ('send-link', 'send-mail')"))
      .rowCount ?? 0;
  await expect.poll(waiting).toBe(0);
}
