import { randomBytes } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { jobsNodeOf } from "#test/support/server/jobs-node.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { startSmtpServer, type SmtpServer } from "#test/support/mail/smtp-server.js";
import { startJobs, type Jobs } from "../jobs/queue.js";
import { outboxDelivery, smtpDelivery, type Deliver } from "./delivery.js";
import { createMailer, type Message } from "./mailer.js";
import { encryptEmail } from "./mailer.js";
import { defaultSender, sender, smtpServer } from "../config/mail-settings.js";

const from = { name: "Omoi", address: "omoi@example.com" };
const messageTo = (to: string, more: Partial<Message> = {}): Message => ({
  to,
  subject: "Hello",
  text: "Hello.\n\nhttp://127.0.0.1/verify-email?token=0123456789\n",
  ...more,
});
const silent = pino({ level: "silent" });

/** A process that queues email and delivers none. */
async function queueing(
  app: TestApp,
): Promise<{ jobs: Jobs; send: (m: Message) => Promise<void> }> {
  const jobs = await startJobs(app.db.jobPool, silent, jobsNodeOf(app));
  const deliver: Deliver = () => Promise.reject(new Error("delivers nothing"));
  const { secret } = app.config;
  const mailer = createMailer({ jobs, secret, deliver, from: () => from, log: silent });
  return { jobs, send: (message) => mailer.send(message) };
}

const queued = (app: TestApp) =>
  queryAsOwner<{ state: string; data: object; output: object | null }>(
    app,
    "select state, data, output from pgboss.job where name = 'send-mail'",
  );

describe("email by SMTP", () => {
  let server: SmtpServer;
  let app: TestApp;
  let jobs: Jobs;
  let send: (message: Message) => Promise<void>;
  beforeAll(async () => {
    server = await startSmtpServer();
    const url = server.url.replace("//", "//ada:p%40ss@");
    app = await startTestApp({ OMOI_SMTP_URL: url, OMOI_MAIL_FROM: "Omoi at Acme <it@acme.test>" });
    ({ jobs, send } = await queueing(app));
  });
  afterAll(async () => {
    await jobs.stop(1000);
    await app.close();
    await server.close();
  });
  const received = async (to: string) => {
    await expect.poll(() => server.mails.filter((mail) => mail.to.includes(to))).toHaveLength(1);
    return server.mails.find((mail) => mail.to.includes(to)) as SmtpServer["mails"][number];
  };

  test("is sent with the credentials, as plain text, and leaves nothing in the queue", async () => {
    await send(messageTo("ann@example.com"));
    const mail = await received("ann@example.com");
    expect(mail).toMatchObject({ from: "it@acme.test", login: "ada:p@ss" });
    expect(mail.raw).toMatch(/^From: Omoi at Acme <it@acme\.test>$/m);
    expect(mail.raw).toMatch(/^Content-Type: text\/plain; charset=utf-8$/m);
    expect(mail.raw).toMatch(/^Auto-Submitted: auto-generated$/m);
    await expect.poll(() => queued(app)).toEqual([]);
  });

  test("keeps line breaks of a subject out of the headers", async () => {
    const subject = "Hi\r\nBcc: eve@example.com\n\nBody\u2028of another\u0000";
    await send(messageTo("bob@example.com", { subject }));
    const { raw, to } = await received("bob@example.com");
    expect(to).toEqual(["bob@example.com"]);
    expect(raw).not.toMatch(/^Bcc:/im);
    expect(raw.split("\n\n", 1)[0]).toContain("Subject: Hi Bcc: eve@example.com Body of another");
  });

  test.each(["a@example.com, b@example.com", "a@example.com\nBcc: b@example.com", "Ann <a@b.co>"])(
    "rejects %j as a recipient",
    async (to) => {
      await expect(send(messageTo(to))).rejects.toThrow();
    },
  );

  test("gives up after a permanent rejection", async () => {
    await send(messageTo("refused@example.com"));
    await expect.poll(() => queued(app)).toEqual([]);
    expect(server.mails.some(({ to }) => to.includes("refused@example.com"))).toBe(false);
  });

  test("is sent once with several delivering processes", async () => {
    const sibling = await app.sibling();
    const people = Array.from({ length: 20 }, (_, number) => `p${number}@example.com`);
    await Promise.all(people.map((to) => send(messageTo(to))));
    await expect.poll(() => queued(app)).toEqual([]);
    await sibling.close();
    const got = server.mails.flatMap(({ to }) => to).filter((to) => people.includes(to));
    expect(got.toSorted()).toEqual(people.toSorted());
  });
});

describe("email while the mail server is unreachable", () => {
  test("waits encrypted in the queue, is retried, and survives a restart", async () => {
    const away = await startSmtpServer();
    await away.close();
    const app = await startTestApp({ OMOI_SMTP_URL: away.url });
    const { jobs, send } = await queueing(app);
    const token = randomBytes(32).toString("base64url");
    await send(messageTo("ann@example.com", { text: `token=${token}\n` }));
    await expect.poll(async () => (await queued(app)).map(({ state }) => state)).toEqual(["retry"]);
    const [waiting] = await queued(app);
    expect(Object.keys(waiting?.data ?? {})).toEqual(["sealed"]);
    expect(JSON.stringify(waiting)).not.toMatch(new RegExp(`${token}|ann@|Hello`));
    const [{ seconds } = { seconds: 0 }] = await queryAsOwner<{ seconds: number }>(
      app,
      "select extract(epoch from start_after - now())::float as seconds from pgboss.job where name = 'send-mail'",
    );
    expect(seconds).toBeGreaterThan(5);
    await jobs.stop(1000);

    const back = await startSmtpServer(Number(new URL(away.url).port));
    const restarted = await app.sibling();
    await queryAsOwner(app, "update pgboss.job set start_after = now() where name = 'send-mail'");
    await expect.poll(() => back.mails.map(({ to }) => to)).toEqual([["ann@example.com"]]);
    expect(back.mails[0]?.raw).toContain("token=");
    await restarted.close();
    await app.close();
    await back.close();
  });
});

describe("email without a mail server", () => {
  let app: TestApp;
  let folder: string;
  beforeEach(async () => {
    app = await startTestApp();
    folder = join(app.dataDir, "outbox");
  });
  afterEach(() => app.close());

  test("is a file in the outbox readable by the operator only, and a log line without its text", async () => {
    const lines: string[] = [];
    const log = pino({ level: "info" }, { write: (line: string) => lines.push(line) });
    const jobs = await startJobs(app.db.jobPool, silent, jobsNodeOf(app));
    const mailer = createMailer({
      jobs,
      secret: app.config.secret,
      deliver: outboxDelivery(folder),
      from: () => from,
      log,
    });
    const text = `Grüße,\n\nhttp://127.0.0.1:8080/reset-password?token=${"x".repeat(80)}\n`;
    const mail = { messageId: "<1@example.com>", to: "ann@example.com", subject: "Grüße", text };
    const sealed = encryptEmail(app.config.secret, mail);
    await mailer.runSendMail({ sealed }, new AbortController().signal);

    const [name = ""] = await readdir(folder);
    expect(name).toMatch(/^\d{4}-\d\d-\d\dT[\d-]+Z-[0-9a-f]{12}\.eml$/);
    const file = join(folder, name);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const written = await readFile(file, "utf8");
    const [head = "", body] = written.split(/\n\n(.*)/s);
    expect(body).toBe(text);
    expect(head).toMatch(/^From: Omoi <omoi@example\.com>$/m);
    expect(head).toMatch(/^To: ann@example\.com$/m);
    expect(head).toMatch(/^Subject: =\?UTF-8\?/m);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ to: mail.to, subject: "Grüße", file });
    expect(lines.join("")).not.toContain("token");
    await jobs.stop(1000);
  });

  test("is written once with several delivering processes", async () => {
    const sibling = await app.sibling();
    const { jobs, send } = await queueing(app);
    await Promise.all(Array.from({ length: 10 }, (_, i) => send(messageTo(`p${i}@example.com`))));
    await expect.poll(() => queued(app)).toEqual([]);
    await jobs.stop(1000);
    await sibling.close();
    expect((await readdir(folder)).filter((name) => name.endsWith(".eml"))).toHaveLength(10);
  });
});

test.each([
  ["smtp://mail.example.com", "mail.example.com", 587, false, null],
  ["smtps://mail.example.com", "mail.example.com", 465, true, null],
  ["smtp://[::1]:2525/", "::1", 2525, false, null],
  ["smtp://a%40b.co:x%3Ay@mail:25", "mail", 25, false, { user: "a@b.co", pass: "x:y" }],
])("the mail server of %s", (url, host, port, secure, credentials) => {
  expect(smtpServer.parse(url)).toEqual({ host, port, secure, credentials });
});

test.each([
  "mail.example.com:25",
  "http://mail.example.com",
  "smtp://",
  "smtp://ada@mail",
  "smtp://a:%@mail",
  "smtp://mail/path",
  "smtp://mail?secure=true",
])("%j is not a mail server", (url) => {
  expect(smtpServer.safeParse(url).success).toBe(false);
});

test("a sender is one address with an optional name", () => {
  const address = "omoi@example.com";
  expect(sender.parse("omoi@example.com")).toEqual({ name: "", address });
  expect(sender.parse('"Omoi, Acme" <omoi@example.com>')).toEqual({ name: "Omoi, Acme", address });
  for (const text of ["Omoi", "a@b.co, c@d.co", "Omoi <a@b.co> <c@d.co>", "O\nBcc: x <a@b.co>"]) {
    expect(sender.safeParse(text).success).toBe(false);
  }
  expect(defaultSender("https://omoi.example.com/x").address).toBe("omoi@omoi.example.com");
  expect(defaultSender("http://127.0.0.1:8080").address).toBe("omoi@localhost");
  expect(defaultSender("http://[::1]:8080").address).toBe("omoi@localhost");
});

test("a password is not sent to another machine without TLS", async () => {
  const [here, elsewhere] = [await startSmtpServer(), await startSmtpServer(0, "127.0.0.2")];
  const deliverTo = ({ url }: SmtpServer) =>
    smtpDelivery(smtpServer.parse(url.replace("//", "//ada:secret@")));
  const mail = { ...messageTo("ann@example.com"), messageId: "<1@example.com>" };
  await expect(deliverTo(elsewhere)(mail, from)).rejects.toMatchObject({ code: "ETLS" });
  expect(elsewhere.mails).toEqual([]);
  await deliverTo(here)(mail, from);
  expect(here.mails).toHaveLength(1);
  await Promise.all([here.close(), elsewhere.close()]);
});
