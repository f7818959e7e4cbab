// Thorough: it installs the generators, and each needs seconds for the whole document.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApiDocument } from "#shared/contract/openapi.js";
import { startTestApp } from "#test/support/server/app.js";

const root = join(import.meta.dirname, "../..");
/** Its packages are installed by this test alone: 350 in number, which nothing else needs. */
const tools = join(root, "test/openapi-tools");
const packageOf = (name: string): string => join(tools, "node_modules", name);

/** Uses the types of openapi-typescript. */
const typesCaller = `
import type { components, operations } from "./types.js";
export const slug = (of: components["schemas"]["Organization"]): string => of.slug;
export const body: operations["organizations.create"]["requestBody"]["content"]["application/json"] = {
  name: "Acme",
  settings: { nested: [1, { deep: null }] },
};
export const code = (problem: components["schemas"]["Problem"]): "slug_taken" | null =>
  problem.code === "slug_taken" ? problem.code : null;
`;

/** Uses the functions of orval. */
const orvalCaller = `
import { organizationsCreate, runsGet } from "./orval/client.js";
export const slug = async (): Promise<string | null> => {
  const answer = await organizationsCreate({ name: "Acme" });
  return answer.status === 201 ? answer.data.slug : null;
};
export const seconds = async (id: string): Promise<number | null> => {
  const answer = await runsGet(id);
  return answer.status === 200 ? answer.data.runtime_seconds : null;
};
`;

/** Registers, makes an agent's commit and merges it, by the client of @hey-api/openapi-ts alone. */
const story = `
import { writeFile } from "node:fs/promises";
import { createClient } from "./hey/client/index.js";
import {
  agentsCreate, authLogin, authRegister, organizationsCreate, projectsBranches, projectsCreate,
  projectsList, workspacesCreate, workspacesCreateCommit, workspacesCreateMerge,
} from "./hey/sdk.gen.js";

const [url = ""] = process.argv.slice(2);
const baseUrl = url;
const account = { email: "story@example.com", password: "correct staple horse" };
const anonymous = createClient({ baseUrl });
const throwOnError = true;
await authRegister({ client: anonymous, body: { ...account, full_name: "Story" }, throwOnError });
const { data: tokens } = await authLogin({ client: anonymous, body: account, throwOnError });
const client = createClient({ baseUrl, auth: tokens.access_token });

const { data: organization } = await organizationsCreate({ client, body: { name: "Story" }, throwOnError });
const again = await organizationsCreate({ client, body: { name: "Story", slug: organization.slug } });
if (again.error?.code !== "slug_taken") throw new Error("a taken slug is no slug_taken");
const { data: project } = await projectsCreate({
  client, body: { organization_id: organization.id, name: "Shop" }, throwOnError,
});
const { data: agent } = await agentsCreate({
  client, body: { project_id: project.id, name: "worker-1" }, throwOnError,
});
const path = { agent_id: agent.id };
const { data: workspace } = await workspacesCreate({ client, path, throwOnError });
await writeFile(workspace.working_directory + "/README.md", "Made by a generated client\\n");
const { data: commit, response } = await workspacesCreateCommit({
  client, path, body: { commit_type: "manual", message: "Add a README" }, throwOnError,
});
const location = response.headers.get("location");
if (!location?.endsWith(commit.commit_sha)) throw new Error("the location is " + location);
const { data: merge } = await workspacesCreateMerge({ client, path, throwOnError });
if (!("merge_commit_sha" in merge)) throw new Error("the merge was queued");
const { data: branches } = await projectsBranches({
  client, path: { project_id: project.id }, throwOnError,
});
const { data: projects } = await projectsList({
  client, query: { organization_id: organization.id, limit: 1 }, throwOnError,
});
console.log(JSON.stringify({
  status: merge.status,
  landed: branches.find(({ is_default }) => is_default)?.commit_sha === merge.merge_commit_sha,
  projects: projects.map(({ name }) => name),
}));
`;

describe("the OpenAPI document", () => {
  let folder: string;
  beforeAll(async () => {
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    await promisify(execFile)("npm", args, { cwd: tools });
    folder = await mkdtemp(join(tmpdir(), "omoi-clients-"));
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    const document = openApiDocument("https://omoi.example.com");
    await writeFile(join(folder, "openapi.json"), JSON.stringify(document));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Returns the output of a Node program; rejects if it fails. */
  const run = async (args: string[]): Promise<string> => {
    const env = {
      ...process.env,
      DO_NOT_TRACK: "1",
      NO_COLOR: "1",
      REDOCLY_TELEMETRY: "off",
      REDOCLY_SUPPRESS_UPDATE_NOTICE: "true",
    };
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: folder,
      env,
      maxBuffer: 16 * 1024 * 1024,
    }).catch((error: unknown) => {
      const { stdout: said, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${args.join(" ")} failed:\n${said}\n${stderr}`, { cause: error });
    });
    return stdout;
  };
  const compile = (file: string, ...more: string[]): Promise<string> =>
    run([
      join(packageOf("typescript"), "bin/tsc"),
      ..."--strict --target es2022 --module nodenext --lib es2022,dom,dom.iterable".split(" "),
      ...(more.length > 0 ? more : ["--noEmit"]),
      file,
    ]);

  test("is valid by Redocly's rules", async () => {
    const program = join(packageOf("@redocly/cli"), "bin/cli.js");
    const report = await run([program, "lint", "openapi.json", "--format", "json"]);
    const { totals } = JSON.parse(report.slice(report.indexOf("{"))) as {
      totals: { errors: number };
    };
    expect(totals.errors).toBe(0);
  });

  test("openapi-typescript: types that compile", async () => {
    await run([
      join(packageOf("openapi-typescript"), "bin/cli.js"),
      "openapi.json",
      "-o",
      "types.ts",
    ]);
    await writeFile(join(folder, "types-caller.ts"), typesCaller);
    await compile("types-caller.ts");
  });

  test("orval: functions that compile", async () => {
    await mkdir(join(folder, "orval"));
    await run([
      join(packageOf("orval"), "dist/bin/orval.js"),
      "--input",
      "./openapi.json",
      "--output",
      "./orval/client.ts",
      "--client",
      "fetch",
      "--mode",
      "single",
    ]);
    await writeFile(join(folder, "orval-caller.ts"), orvalCaller);
    await compile("orval-caller.ts");
  });

  test("@hey-api/openapi-ts: a client that compiles, and leads from an account to a merge", async () => {
    const compiler = join(root, "test/openapi-tools/typescript-5.mjs");
    await run([
      "--import",
      pathToFileURL(compiler).href,
      join(packageOf("@hey-api/openapi-ts"), "dist/run.mjs"),
      "-i",
      "openapi.json",
      "-o",
      "hey",
      "--no-log-file",
      "-p",
      "@hey-api/typescript",
      "@hey-api/sdk",
      "@hey-api/client-fetch",
    ]);
    await writeFile(join(folder, "story.ts"), story);
    const types = join(root, "node_modules/@types");
    await compile("story.ts", "--outDir", "built", "--typeRoots", types, "--types", "node");
    const app = await startTestApp();
    try {
      expect(JSON.parse(await run(["built/story.js", app.url]))).toEqual({
        status: "clean",
        landed: true,
        projects: ["Shop"],
      });
    } finally {
      await app.close();
    }
  });
});
