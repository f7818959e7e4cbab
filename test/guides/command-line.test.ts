/** The commands of docs/how-to/command-line.md, in one shell against a running server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Agent } from "#shared/api/agents/agents.js";
import { exitCodes } from "../../src/cli/output/failures.js";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { builtFile, root } from "#test/support/server/built-files.js";
import { openCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

const GUIDE = "how-to/command-line.md";
let app: TestApp;
let cli: SignedInCli;
beforeAll(async () => {
  app = await startTestApp({}, "real");
  cli = openCli();
});
afterAll(async () => {
  cli?.close();
  await app?.close();
});

test("the commands work as written", async () => {
  const owner = await app.person("Ada");
  // Two organizations, so that one has to be chosen.
  await makeOrganization(owner);
  const org = await makeOrganization(owner);
  const bin = join(cli.home, "bin");
  mkdirSync(bin);
  symlinkSync(builtFile("cli/main.js"), join(bin, "omoi"));
  const { data: key } = await owner.api.apiKeys.create({ body: { name: "terminal" } });
  writeFileSync(join(cli.home, "key.txt"), `${key.key}\n`);
  // The installation is tried by test/cli/pack.test.ts.
  const [install = "", ...blocks] = await codeBlocks(GUIDE, "sh");
  expect(install).toContain("npm install");
  const script = blocks
    .join("\n")
    .replaceAll("https://omoi.example.com", app.url)
    .replaceAll("acme-corp", org.slug);
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], {
    cwd: cli.home,
    env: { ...cli.env, PATH: [bin, cli.env["PATH"]].join(delimiter) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  expect([code, code === 0 ? "" : out + err]).toEqual([0, ""]);

  expect(readFileSync(join(cli.home, "shop/login.md"), "utf8")).toBe("# Sign in\n");
  expect(err).toContain("There is no agent worker-9");
  expect(readFileSync(join(cli.home, ".bashrc"), "utf8")).toContain("complete");
  const listed = JSON.parse(readFileSync(join(cli.home, "shop/agents.json"), "utf8")) as Agent[];
  expect(listed.map(({ name }) => name).toSorted()).toEqual(["laptop", "worker-1"]);
  const agents = await owner.api.agents.list({ query: { organization_id: org.id } });
  expect(agents.data.map(({ name }) => name)).toContain("worker-9");
  expect(existsSync(join(cli.home, "shop/README.md"))).toBe(true);
});

test("the table of exit codes is complete", async () => {
  const guide = await readFile(join(root, "docs", GUIDE), "utf8");
  const codes = Array.from(guide.matchAll(/^\| (\d+) +\|/gm), ([, code]) => Number(code));
  expect(codes).toEqual(Object.values(exitCodes));
});
