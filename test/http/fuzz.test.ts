import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { makeAgent } from "../support/fixtures/factories.js";
import { queryAsOwner } from "../support/database/queries.js";
import { nextCursor } from "../support/http/next-cursor.js";
import { send, type RawResponse } from "../support/http/raw-request.js";
import { hostileTexts, type JsonSchema, valuesOf } from "../support/http/schema-values.js";
import { isThorough, rounds } from "../support/thorough.js";
import { makeFullOrganization } from "../support/fixtures/full-organization.js";

interface Operation {
  method: string;
  path: string;
  parameters: { name: string; in: "path" | "query"; schema: JsonSchema }[];
  requestBody?: { content: { "application/json": { schema: JsonSchema } } };
}

interface Document {
  paths: Record<string, Record<string, Omit<Operation, "method" | "path">>>;
  components: { schemas: Record<string, JsonSchema> };
}

interface FuzzedRequest {
  method: string;
  url: string;
  body: unknown;
  headers: Record<string, string>;
}

/** Existing values by the names of parameters and fields. */
type World = { owner: TestPerson; known: Record<string, string[]> };

/** Texts of the validator or framework, which do not help the user. */
const rawText =
  /Invalid (?:input|key|option|element|string|discriminator)|expected \w+, received|Too (?:small|big)|Unrecognized key|FST_/;

/** Destructive calls, which come last. */
const isFinal = ({ method, path }: Operation): boolean =>
  method === "DELETE" || /\/(?:logout|change-password|transfer|refresh|revoke-leaked)$/.test(path);

describe("fuzzed requests", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_LOG_LEVEL: "error" });
  });
  afterAll(() => app.close());

  async function makeWorld(): Promise<World> {
    // An address may register 30 people an hour, which the fuzzed requests exceed.
    await queryAsOwner(app, "delete from rate_limits");
    const owner = await app.person("owner");
    const full = await makeFullOrganization(owner);
    const at = { params: { org_id: full.id } };
    const child = await makeAgent(owner, full.project.id, full.agent.id);
    const { headers } = await owner.api.audit.list({ ...at, query: { limit: 1 } });
    const forged = [
      "/api/v1/projects/{project_id}/workspaces",
      "/api/v1/projects/{project_id}/merges",
    ];
    const cursors = [
      nextCursor(headers) ?? "",
      ...forged.flatMap((path) =>
        hostileTexts
          .slice(0, 16)
          .flatMap((text) => [
            cursorOf([path, [text]]),
            cursorOf([path, [text, full.id]]),
            cursorOf([text]),
          ]),
      ),
    ];
    return {
      owner,
      known: {
        org_id: [full.id, full.slug],
        organization_id: [full.id],
        member_id: [full.memberId],
        role_id: [full.roleId],
        inherits_from: [full.roleId, "viewer"],
        session_id: [full.sessionId],
        project_id: [full.project.id],
        agent_id: [full.agent.id, child.id],
        parent_agent_id: [full.agent.id],
        user_id: [owner.id],
        actor_id: [owner.id],
        sha: [full.commitSha],
        expected_source: [full.commitSha],
        merge_id: [full.merge.id as string],
        run_id: [full.run.id],
        key_id: [full.key.id],
        invitation_id: [full.invitation.id],
        email: [owner.email],
        password: [owner.password],
        current_password: [owner.password],
        cursor: cursors,
        branch: ["main", full.workspace.branch_name],
        target_branch: ["main"],
        period: [new Date().toISOString().slice(0, 7)],
        code: ["١٢٣٤٥٦", "123456"],
      },
    };
  }

  function requestsOf(operation: Operation, document: Document, world: World) {
    const known = (name: string): fc.Arbitrary<unknown> | undefined =>
      world.known[name] && fc.constantFrom(...world.known[name]);
    const resolve = (ref: string): JsonSchema =>
      document.components.schemas?.[ref.split("/").at(-1) as string] ?? {};
    const values = (schema: JsonSchema, name: string): fc.Arbitrary<unknown> => {
      const any = valuesOf(schema, resolve, known);
      const existing = known(name);
      return existing
        ? fc.oneof({ arbitrary: existing, weight: 6 }, { arbitrary: any, weight: 1 })
        : any;
    };
    const fields = (place: "path" | "query") =>
      fc.record(
        Object.fromEntries(
          operation.parameters
            .filter((parameter) => parameter.in === place)
            .map(({ name, schema }) => [name, values(schema, name)]),
        ),
        place === "path" ? {} : { requiredKeys: [] },
      );
    const schema = operation.requestBody?.content["application/json"].schema;
    return fc
      .record({
        path: fields("path"),
        query: fields("query"),
        body: schema ? values(schema, "") : fc.constant(undefined),
        headers: fc.dictionary(
          fc.constantFrom(
            "if-match",
            "if-none-match",
            "idempotency-key",
            "last-event-id",
            "accept",
          ),
          fc.constantFrom('"x"', "*", "1", "text/csv", "text/x-diff", "text/event-stream", ""),
          { maxKeys: 1 },
        ),
      })
      .map(({ path, query, body, headers }): FuzzedRequest => {
        const search = new URLSearchParams(
          Object.entries(query).map(([name, value]): [string, string] => [name, textOf(value)]),
        ).toString();
        const address = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
          encodeURIComponent(textOf(path[name]).replaceAll(/\p{Surrogate}/gu, "?")),
        );
        const url = search === "" ? address : `${address}?${search}`;
        return { method: operation.method, url, body, headers };
      });
  }

  test(
    "cause no 5xx and no validator text, for every operation",
    async () => {
      const document = JSON.parse(
        (await send(app, "GET", "/api/v1/openapi.json")).text,
      ) as Document;
      const operations = Object.entries(document.paths)
        .flatMap(([path, methods]) =>
          Object.entries(methods).map(([method, rest]): Operation => ({
            ...rest,
            path,
            method: method.toUpperCase(),
          })),
        )
        .toSorted((one, other) => Number(isFinal(one)) - Number(isFinal(other)));
      const each = rounds({ thorough: 4, else: 1 });
      const worlds = Math.ceil(rounds({ thorough: 8000, else: 250 }) / (operations.length * each));
      const seed = isThorough ? Date.now() : 14;
      const faults: unknown[] = [];
      const statuses = new Map<number, number>();
      for (let round = 0; round < worlds; round += 1) {
        const world = await makeWorld();
        for (const [index, operation] of operations.entries()) {
          const options = { seed: seed + round * 1000 + index, numRuns: each };
          for (const request of fc.sample(requestsOf(operation, document, world), options)) {
            const answer = await sendTo(app, request, world.owner.token);
            statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
            const isRefused = answer.status >= 400;
            if (answer.status >= 500 || (isRefused && rawText.test(messagesIn(answer)))) {
              faults.push({ seed, ...request, status: answer.status, text: answer.text });
            }
          }
        }
      }
      expect(faults).toEqual([]);
      // The test would prove nothing if all requests failed authentication.
      const sent = worlds * operations.length * each;
      expect(statuses.get(200) ?? 0).toBeGreaterThan(sent / 12);
    },
    rounds({ thorough: 30, else: 5 }) * 60_000,
  );
});

const cursorOf = (parts: unknown): string =>
  Buffer.from(JSON.stringify(parts)).toString("base64url");

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value ?? null);

function sendTo(
  app: TestApp,
  { method, url, body, headers }: FuzzedRequest,
  token: string,
): Promise<RawResponse> {
  if (method === "GET" || body === undefined) return send(app, method, url, { token, headers });
  const json = { ...headers, "content-type": "application/json" };
  return send(app, method, url, { token, headers: json, body: JSON.stringify(body) });
}

/** The server's own words in an error; field names of the request are left out. */
function messagesIn({ text }: RawResponse): string {
  try {
    const { detail = "", errors = [] } = JSON.parse(text) as {
      detail?: string;
      errors?: { msg: string }[];
    };
    return [detail, ...errors.map(({ msg }) => msg)].join("\n");
  } catch {
    return text;
  }
}
