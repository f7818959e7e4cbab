import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { forgeKinds, openDouble, type OpenDouble } from "#test/support/forges/open-double.js";
import { incomingOf } from "./incoming.js";

const repository = "acme/shop";

let double: OpenDouble["double"];
let shop: OpenDouble["shop"];
let forge: OpenDouble["forge"];
let openPull: OpenDouble["openPull"];

const start = async (kind: (typeof forgeKinds)[number]): Promise<void> => {
  ({ double, shop, forge, openPull } = await openDouble(kind));
};
afterEach(async () => {
  expect(double.violations).toEqual([]);
  await double.close();
});

describe.each(forgeKinds)("the double of %s", (kind) => {
  let server: Server;
  let url: string;
  let received: ReturnType<ReturnType<typeof incomingOf>["read"]>[];

  beforeEach(async () => {
    await start(kind);
    received = [];
    const { verify, read } = incomingOf(kind);
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        const headers = request.headers as Record<string, string | undefined>;
        const isGenuine = verify("the secret", headers, body);
        if (isGenuine) received.push(read(headers, body));
        response.writeHead(isGenuine ? 204 : 401).end();
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/forges/1`;
    await forge.registerHook(repository, { url, secret: "the secret" });
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  test("delivers what people do, signed as the forge signs it", async () => {
    const issue = shop.openIssue("Round", "", "ada");
    shop.comment(issue, "ada", "@omoi please fix");
    const { pull, sha } = await openPull();
    shop.comment(pull, "ada", "Nice");
    const place = { path: "total.ts", line: 3, startLine: null, side: "new" as const, sha };
    shop.openThread(pull, "ada", place, "Why?");
    shop.review(pull, { login: "lead", state: "APPROVED" });
    shop.report(sha, { name: "build", status: "failure", url: "https://ci.example.com/1" });
    await forge.createComment({ repository, kind: "issue", number: issue.number }, "Begun");
    await double.outbox.idle();
    const onIssue = { kind: "issue", number: issue.number };
    const onPull = { kind: "pull_request", number: pull.number };
    const subjects = received.map((event) => JSON.stringify(event?.subject));
    const expected = [
      onIssue,
      onIssue,
      onIssue,
      onPull,
      onPull,
      onPull,
      onPull,
      { kind: "branch", name: "fix" },
      { kind: "commit", sha },
    ];
    expect(subjects.sort()).toEqual(expected.map((subject) => JSON.stringify(subject)).sort());
    expect(received.every((event) => event?.repository === repository)).toBe(true);
    expect(received.map((event) => event?.login)).toContain("omoi");
    expect(new Set(received.map((event) => event?.delivery_id)).size).toBe(received.length);
  });

  test("delivers late, in another order, and more than once", async () => {
    double.outbox.isHeld = true;
    for (const title of ["one", "two", "three"]) shop.openIssue(title);
    await double.outbox.idle();
    expect(received).toEqual([]);
    await double.outbox.release({ isReversed: true, copies: 2 });
    const numbers = received.map((event) => event?.subject).map((of) => (of as never)["number"]);
    expect(numbers).toEqual([3, 3, 2, 2, 1, 1]);
    expect(new Set(received.map((event) => event?.delivery_id)).size).toBe(3);
    const [first] = double.outbox.deliveries;
    expect(first && (await double.outbox.redeliver(first))).toBe(204);
    expect(first?.answers).toEqual([204, 204, 204]);
  });

  test("is not believed with another secret", async () => {
    const [hook] = double.outbox.hooks;
    if (hook) hook.secret = "another secret";
    shop.openIssue("Forged");
    await double.outbox.idle();
    expect(received).toEqual([]);
    expect(double.outbox.deliveries[0]?.answers).toEqual([401]);
  });
});
