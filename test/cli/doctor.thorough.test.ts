import { afterAll, beforeAll, expect, test } from "vitest";
import type { DoctorCheck } from "#shared/api/operation/doctor.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { signedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let root: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  root = await app.person("root");
});
afterAll(() => app.close());

async function diagnose(
  url: string,
  person: TestPerson,
  ...args: string[]
): Promise<{ code: number | null; checks: DoctorCheck[] }> {
  const cli = await signedInCli(url, person);
  try {
    const { code, out, err } = await cli.run("doctor", ...args, "--output", "json");
    expect(err).toBe("");
    return { code, checks: (JSON.parse(out) as { checks: DoctorCheck[] }).checks };
  } finally {
    cli.close();
  }
}

const statusesOf = (checks: DoctorCheck[], ...names: string[]): unknown =>
  names.map((name) => [name, checks.find((check) => check.name === name)?.status]);

test("prints a line for each check, and the cure below", async () => {
  await makeOrganization(root);
  const cli = await signedInCli(app.url, root);
  const { code, out, err } = await cli.run("doctor");
  cli.close();
  expect([code, err]).toEqual([0, ""]);
  const lines = out.trimEnd().split("\n");
  expect(lines[0]).toBe(
    `ok       sign-in: Ask ${app.url} for its public address, as a super admin: ${app.url}`,
  );
  for (const line of lines) {
    expect(line).toMatch(/^((ok|warning|skipped) +[a-z-]+( \(default\))?: \S.*: \S.*| {9}→ \S.*)$/);
  }
  expect(out).toContain("→ Set OMOI_SMTP_URL and OMOI_MAIL_FROM, and restart Omoi.");
  expect(out).toMatch(/^ok {7}push: Push 100 MB .*: the server took all of it$/m);
  expect((await root.api.projects.list({ query: {} })).data).toEqual([]);
});

test("a person who is no super admin gets the cure, and what needs no super admin", async () => {
  const ann = await app.person("ann");
  const { code, checks } = await diagnose(app.url, ann, "--quick");
  expect(code).toBe(1);
  expect(checks[0]).toMatchObject({ name: "sign-in", status: "failed" });
  expect(checks[0]?.cure).toContain("omoi admin user promote EMAIL");
  expect(statusesOf(checks, "addresses", "streams", "client-address", "disk")).toEqual([
    ["addresses", "ok"],
    ["streams", "skipped"],
    ["client-address", undefined],
    ["disk", undefined],
  ]);
});

test("a sign-in at another address than the public one sends no credential there", async () => {
  const url = app.url.replace("127.0.0.1", "localhost");
  const { code, checks } = await diagnose(url, root);
  expect(code).toBe(0);
  expect(checks[0]).toMatchObject({
    name: "sign-in",
    status: "warning",
    cure: `Run omoi login ${app.url}, or correct OMOI_PUBLIC_URL.`,
  });
  expect(statusesOf(checks, "version", "streams", "push", "backups")).toEqual([
    ["version", "ok"],
    ["streams", undefined],
    ["push", undefined],
    ["backups", "warning"],
  ]);
});

test("a failed check is exit code 1", async () => {
  const other = await startTestApp({ OMOI_PUBLIC_URL: "http://omoi.invalid" });
  try {
    const person = await other.person("root");
    const { code, checks } = await diagnose(other.url, person, "--quick");
    expect(code).toBe(1);
    expect(statusesOf(checks, "addresses", "certificate")).toEqual([
      ["addresses", "failed"],
      ["certificate", "failed"],
    ]);
  } finally {
    await other.close();
  }
});
