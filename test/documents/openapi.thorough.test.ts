// Thorough: Redocly needs ten seconds for the whole document.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApiDocument } from "#shared/contract/openapi.js";

const root = join(import.meta.dirname, "../..");

describe("the OpenAPI document", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-openapi-"));
    await writeFile(
      join(folder, "openapi.json"),
      JSON.stringify(openApiDocument("https://omoi.example.com")),
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Returns the output of a Node program; rejects if it fails. */
  const run = async (program: string, args: string[]): Promise<string> => {
    const env = {
      ...process.env,
      REDOCLY_TELEMETRY: "off",
      REDOCLY_SUPPRESS_UPDATE_NOTICE: "true",
    };
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], {
      cwd: folder,
      env,
    }).catch((error: unknown) => {
      const { stdout: said, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${program} failed:\n${said}\n${stderr}`, { cause: error });
    });
    return stdout;
  };

  test("is valid by Redocly's rules", async () => {
    const program = join(root, "node_modules/@redocly/cli/bin/cli.js");
    const report = await run(program, ["lint", "openapi.json", "--format", "json"]);
    const { totals } = JSON.parse(report.slice(report.indexOf("{"))) as {
      totals: { errors: number };
    };
    expect(totals.errors).toBe(0);
  });
});
