import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApiDocument } from "#shared/contract/openapi.js";

const root = join(import.meta.dirname, "../..");
const tools = join(root, "test/generated-client/node_modules");

/** A program with the generated types that compiles only if they match the API. */
const caller = `
import type { components, operations } from "./client.js";
export const slug = (of: components["schemas"]["Organization"]): string => of.slug;
export const body: operations["organizations.create"]["requestBody"]["content"]["application/json"] = {
  name: "Acme",
  settings: { nested: [1, { deep: null }] },
};
`;

describe("the OpenAPI document", () => {
  const document = openApiDocument("https://omoi.example.com");
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-openapi-"));
    await writeFile(join(folder, "openapi.json"), JSON.stringify(document));
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

  test("generates a client that compiles", async () => {
    const generator = join(tools, "openapi-typescript/bin/cli.js");
    await run(generator, ["openapi.json", "-o", "client.ts"]);
    await writeFile(join(folder, "caller.ts"), caller);
    const options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext"];
    await run(join(tools, "typescript/bin/tsc"), [...options, "caller.ts"]);
  });

  test("has no dangling references", () => {
    const { components } = document as { components: Record<string, Record<string, unknown>> };
    const references = JSON.stringify(document).match(/"\$ref":"[^"]*"/g) ?? [];
    const missing = references.filter((reference) => {
      const [, kind = "", name = ""] = /#\/components\/(\w+)\/(\w+)"$/.exec(reference) ?? [];
      return components[kind]?.[name] === undefined;
    });
    expect(missing).toEqual([]);
  });

  test("names the media types and the secrets of answers", () => {
    const { paths } = document as {
      paths: Record<
        string,
        Record<string, { responses: Record<string, { content: object }>; "x-secrets"?: string[] }>
      >;
    };
    const mediaOf = (path: string): string[] =>
      Object.keys(paths[path]?.["get"]?.responses["200"]?.content ?? {});
    expect(mediaOf("/api/v1/organizations/{org_id}/usage")).toEqual([
      "application/json",
      "text/csv",
    ]);
    expect(mediaOf("/api/v1/runs/{run_id}/logs")).toEqual(["text/plain", "text/event-stream"]);
    expect(paths["/api/v1/auth/api-keys"]?.["post"]?.["x-secrets"]).toEqual(["key"]);
    expect(paths["/api/v1/auth/api-keys"]?.["get"]).not.toHaveProperty("x-secrets");
  });

  test("names the codes of each error status", () => {
    const { paths } = document as {
      paths: Record<
        string,
        Record<
          string,
          {
            responses: Record<
              string,
              {
                description: string;
                content: Record<string, { schema: { allOf: [object, { properties: object }] } }>;
              }
            >;
          }
        >
      >;
    };
    const responses = paths["/api/v1/agents/{agent_id}/workspace/merges"]?.["post"]?.responses;
    const codesOf = (status: number): unknown =>
      responses?.[status]?.content["application/problem+json"]?.schema.allOf[1].properties;
    expect(codesOf(412)).toEqual({ code: { enum: ["stale"] } });
    expect(codesOf(410)).toEqual({ code: { enum: ["workspace_expired"] } });
    expect(codesOf(401)).toEqual({ code: { enum: ["invalid_token", "unauthenticated"] } });
    expect(responses?.["412"]?.description).toBe("The resource has changed");
    expect(responses).not.toHaveProperty("default");
  });

  test("names the schema of every response", () => {
    const { paths } = document as {
      paths: Record<string, Record<string, { operationId: string; responses: object }>>;
    };
    const unnamed = Object.values(paths)
      .flatMap((methods) => Object.values(methods))
      .filter(({ responses }) => {
        const text = JSON.stringify(responses);
        return (
          text.includes('"application/json"') &&
          !/"schema":\{("type":"array","items":\{)?"\$ref"/.test(text)
        );
      });
    expect(unnamed.map(({ operationId }) => operationId)).toEqual([]);
  });
});
