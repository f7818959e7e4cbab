/** The Model Context Protocol with the published clients of both protocol generations. */
import pg from "pg";
import { describe, expect, test } from "vitest";
import { api } from "#shared/api/index.js";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import {
  makeAgent,
  makeOrganization,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { queryAsAdmin } from "#test/support/database/queries.js";
import {
  ada,
  app,
  call,
  mcpAddress,
  mcpClients,
  orgId,
  prepareMcp,
  project,
  testWork,
} from "#test/support/server/mcp.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { describedTools } from "./describe-tools.js";
import { MAX_MESSAGES } from "./message-turns.js";
import { tools } from "./tools.js";

prepareMcp();

describe("a client of the protocol 2026-07-28", () => {
  testWork(mcpClients["2026-07-28"]);
});

describe("tools", () => {
  test("each call of the API has a tool or a reason", () => {
    const calls = Object.entries(api).flatMap(([resource, named]) =>
      Object.keys(named).map((name) => `${resource}.${name}`),
    );
    expect(Object.keys(tools).toSorted()).toEqual(calls.toSorted());
    const names = describedTools.map(({ definition }) => definition.name);
    expect(new Set(names).size).toBe(names.length);
    for (const { definition, tool } of describedTools) {
      expect(definition.name).toMatch(/^[a-z][a-z_]{2,40}$/);
      expect(JSON.stringify(definition)).not.toContain("$ref");
      const fields = Object.keys(definition.inputSchema.properties);
      for (const field of tool.without ?? []) expect(fields).not.toContain(field);
    }
  });

  test("hints say what a call does", () => {
    const hints = new Map(
      describedTools.map(({ definition }) => [definition.name, definition.annotations] as const),
    );
    expect(hints.get("list_agents")).toMatchObject({ readOnlyHint: true, destructiveHint: false });
    expect(hints.get("merge_workspace")).toMatchObject({
      readOnlyHint: false,
      destructiveHint: true,
    });
    expect(hints.get("preview_merge")).toMatchObject({ readOnlyHint: true });
    expect(hints.get("stop_run")).toMatchObject({ destructiveHint: true, idempotentHint: true });
  });

  test("only what the caller may do is offered, and refused even if it is called", async () => {
    const viewer = await app.person("Vera");
    await ada.api.members.add({
      params: { org_id: orgId },
      body: { user_id: viewer.id, role_id: systemRoleIds.viewer },
    });
    for (const open of [mcpClients["2026-07-28"], mcpClients["before it"]]) {
      const client = await open(viewer.token);
      const names = (await client.listTools()).tools.map(({ name }) => name);
      expect(names).toContain("list_agents");
      expect(names).not.toContain("merge_workspace");
      expect(names).not.toContain("start_run");
      await expect(call(client, "merge_workspace", { agent_id: orgId })).rejects.toThrow(
        "permission is missing",
      );
      await client.close();
    }
  });

  test("an agent's own credential does all that it may, without naming itself", async () => {
    const { agent, workspace } = await makeWorkspace(ada, project.id);
    await writeFiles(workspace, { "own.md": "own\n" });
    const { data: key } = await ada.api.apiKeys.create({
      body: { name: "own", agent_id: agent.id },
    });
    const client = await mcpClients["2026-07-28"](key.key as string);
    expect((await call(client, "get_agent")).structuredContent).toMatchObject({ id: agent.id });
    const commit = await call(client, "commit_workspace", {
      commit_type: "manual",
      message: "Mine",
    });
    expect(commit.structuredContent).toMatchObject({ message: "Mine", files_changed: 1 });
    const names = (await client.listTools()).tools.map(({ name }) => name);
    expect(names).toContain("sync_workspace");
    expect(names).not.toContain("create_agent");
    const other = await makeAgent(ada, project.id);
    expect((await call(client, "get_agent", { agent_id: other.id })).isError).toBe(true);
    await client.close();
  });

  test("a task is created, prompted, compared and merged; its agent sees it alone", async () => {
    const open = mcpClients["2026-07-28"];
    const client = await open(ada.token);
    const work = { preset: "custom", command: acpAgent("load"), network: "none" };
    const args = { project_id: project.id, body: "say Which file?", ...work };
    const { structuredContent: made } = await call(client, "create_task", args);
    const task_id = made?.["id"] as string;
    const read = async (): Promise<Partial<Task>> =>
      (await call(client, "get_task", { task_id })).structuredContent as Partial<Task>;
    const untilItIs = (status: Task["status"]) =>
      expect.poll(async () => (await read()).status).toBe(status);
    await untilItIs("needs_you");
    expect(await read()).toMatchObject({ attention: { kind: "question", summary: "Which file?" } });
    await call(client, "prompt_task", { task_id, text: "tool" });
    await untilItIs("in_review");
    const { structuredContent: compared } = await call(client, "compare_attempts", { task_id });
    expect(compared).toMatchObject({ attempts: [{ number: 1, paths: ["a.txt"] }] });
    const agent_id = (await read()).attempts?.[0]?.agent_id as string;
    const { data: key } = await ada.api.apiKeys.create({ body: { name: "task", agent_id } });
    const ofAgent = await open(key.key as string);
    expect((await call(ofAgent, "list_tasks")).structuredContent).toMatchObject({
      items: [{ id: task_id }],
    });
    const names = (await ofAgent.listTools()).tools.map(({ name }) => name);
    expect(names).toContain("get_task");
    expect(names).not.toContain("prompt_task");
    await ofAgent.close();
    expect((await call(client, "merge_task", { task_id })).structuredContent).toMatchObject({
      status: "done",
    });
    const later = { project_id: project.id, body: "Later", start: false };
    const { structuredContent: second } = await call(client, "create_task", later);
    const canceled = await call(client, "cancel_task", { task_id: second?.["id"] as string });
    expect(canceled.structuredContent).toMatchObject({ agents: [], running: 0 });
    const listed = await call(client, "list_tasks", { project_id: project.id, status: "done" });
    expect(listed.structuredContent).toMatchObject({ items: [{ id: task_id }] });
    const annotations = (await client.listTools()).tools.flatMap((tool) =>
      /_(task|tasks|attempts?)$/.test(tool.name) ? [[tool.name, tool.annotations]] : [],
    );
    expect(Object.fromEntries(annotations)).toMatchObject({
      create_task: { openWorldHint: true, destructiveHint: false },
      merge_task: { destructiveHint: true },
      cancel_task: { destructiveHint: true },
      list_tasks: { readOnlyHint: true, openWorldHint: false },
    });
    await client.close();
  });

  test("the end of a long log is kept", async () => {
    const { agent } = await makeWorkspace(ada, project.id);
    const script = "head -c 150000 /dev/zero | tr '\\0' x; echo; echo the last line";
    const { data: run } = await ada.api.runs.create({
      params: { agent_id: agent.id },
      body: { command: ["sh", "-c", script] },
    });
    await waitForRunEnd(ada, run.id);
    const client = await mcpClients["2026-07-28"](ada.token);
    const log = await call(client, "get_run_log", { run_id: run.id });
    const text = log.content[0]?.text ?? "";
    expect([text.length, text.slice(0, 8)]).toEqual([100_000, "(cut) …x"]);
    expect(text.endsWith("x\nthe last line\n")).toBe(true);
    expect(log.structuredContent).toEqual({ text });
    await client.close();
  });

  test("another organization's ids are not found", async () => {
    const stranger = await app.person("Stranger");
    await makeOrganization(stranger);
    const { agent } = await makeWorkspace(ada, project.id);
    const client = await mcpClients["2026-07-28"](stranger.token);
    for (const name of ["get_agent", "get_workspace", "merge_workspace", "start_run"]) {
      const result = await call(client, name, { agent_id: agent.id, command: ["true"] }).catch(
        (error: Error) => ({ isError: true, content: [{ text: error.message }] }),
      );
      expect([name, result.isError]).toEqual([name, true]);
    }
    await expect(
      client.readResource({ uri: `omoi://workspaces/${agent.id}/diff` }),
    ).rejects.toThrow();
    await client.close();
  });
});

describe("the endpoint", () => {
  const post = (headers: Record<string, string>, body = "{}") =>
    fetch(mcpAddress(), {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...headers,
      },
      body,
    });

  /** Part of each message of the newer protocol. */
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const modern = (method: string, params: { name?: string; arguments?: object } = {}) =>
    post(
      {
        authorization: `Bearer ${ada.token}`,
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        ...(params.name !== undefined && { "mcp-name": params.name }),
      },
      JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
    );

  test("says where to authenticate, and takes no cookie", async () => {
    const missing = await post({});
    expect(missing.status).toBe(401);
    const challenge = missing.headers.get("www-authenticate") ?? "";
    const metadata = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] as string;
    const described = (await (await fetch(metadata)).json()) as { resource_documentation: string };
    expect(described).toMatchObject({
      resource: `${app.url}/mcp`,
      bearer_methods_supported: ["header"],
    });
    expect((await fetch(described.resource_documentation)).status).toBe(200);
    const wrong = await post({ authorization: "Bearer sk_live_wrong" });
    expect([wrong.status, wrong.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining('error="invalid_token", resource_metadata='),
    ]);
    expect((await post({ cookie: `omoi_session=x` })).status).toBe(401);
    const old = await fetch(mcpAddress(), { headers: { authorization: `Bearer ${ada.token}` } });
    expect(old.status).toBe(405);
  });

  test("refuses what is no message of the protocol", async () => {
    const authorization = `Bearer ${ada.token}`;
    const big = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "x".repeat(3 * 1024 * 1024) });
    expect((await post({ authorization }, big)).status).toBe(413);
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const listing = { jsonrpc: "2.0", id: 1, method: "tools/list" };
    const wrong = {
      "": -32_700,
      null: -32_600,
      "{}": -32_600,
      '"x"': -32_600,
      "1": -32_600,
      true: -32_600,
      '{"a": 1}': -32_600,
      '{"jsonrpc": "2.0", "id": null, "method": "tools/list"}': -32_600,
      '{"jsonrpc": "1.0", "id": 1, "method": "tools/list"}': -32_600,
      [`{"a": ${deep}}`]: -32_600,
      "[]": -32_600,
      "[null]": -32_600,
      "[[]]": -32_600,
      "[1, {}]": -32_600,
      [deep]: -32_600,
      [JSON.stringify([listing])]: -32_600,
      [JSON.stringify([listing, null, "x", [listing]])]: -32_600,
    };
    for (const [body, code] of Object.entries(wrong)) {
      const response = await post({ authorization }, body);
      const { error } = (await response.json()) as { error?: { code: number } };
      expect([body.slice(0, 80), response.status, error?.code]).toEqual([
        body.slice(0, 80),
        400,
        code,
      ]);
    }
    for (const body of ["not JSON", "{", "[", '{"a":}', "\u0000"]) {
      const response = await post({ authorization }, body);
      const { code } = (await response.json()) as { code?: string };
      expect([body, response.status, code]).toEqual([body, 400, "malformed_json"]);
    }
    const plain = await post({ authorization, "content-type": "text/plain" });
    expect(plain.status).toBe(415);
    const bare = await fetch(mcpAddress(), { method: "POST", headers: { authorization } });
    expect(bare.status).toBe(400);
    for (const method of ["GET", "DELETE", "HEAD"]) {
      expect((await fetch(mcpAddress(), { method, headers: { authorization } })).status).toBe(405);
    }
  });

  test("fails a tool whose input cannot be sent, and goes on", async () => {
    const authorization = `Bearer ${ada.token}`;
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const body = `{"jsonrpc": "2.0", "id": 1, "method": "tools/call",
      "params": {"name": "create_agent", "arguments": {"project_id": "${project.id}", "task": ${deep}}}}`;
    const response = await post({ authorization }, body);
    expect([response.status, await response.text()]).toEqual([
      200,
      expect.stringContaining('"error"'),
    ]);
  });

  test("answers a batch with an error, whatever it asks for", async () => {
    const batch = Array.from({ length: 100 }, (_, id) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/list",
    }));
    const authorization = `Bearer ${ada.token}`;
    for (const version of ["2025-03-26", "2025-11-25", "2026-07-28"]) {
      const headers = { authorization, "mcp-protocol-version": version };
      const response = await post(headers, JSON.stringify(batch));
      const text = await response.text();
      expect([response.status, text.length < 200]).toEqual([400, true]);
      expect(text).toContain("Batches are not accepted");
    }
  });

  test("lists the definitions of the tools as they are, to both generations", async () => {
    const whole = describedTools.map(({ definition }) => definition);
    // An id that looks like a part of an answer.
    const id = '{"name":"omoi-tools","inputSchema":{"type":"object"}}';
    for (const [version, params] of [
      ["2025-11-25", undefined],
      ["2026-07-28", { _meta: meta }],
    ] as const) {
      const headers = {
        authorization: `Bearer ${ada.token}`,
        "mcp-protocol-version": version,
        "mcp-method": "tools/list",
      };
      const message = { jsonrpc: "2.0", id, method: "tools/list", params };
      const text = await (await post(headers, JSON.stringify(message))).text();
      const answer = JSON.parse(text.replace(/^event: message\ndata: /, "")) as {
        id: string;
        result: { tools: unknown[] };
      };
      expect([answer.id, answer.result.tools]).toEqual([id, whole]);
    }
  });

  test("counts each message once against the limit of its key", async () => {
    const { data: limited } = await ada.api.apiKeys.create({
      body: { name: "limited", scopes: ["*:*"], rate_limit_per_minute: 6 },
    });
    const authorization = `Bearer ${limited.key}`;
    const send = async (method: string, params?: object, headers = {}) => {
      const message = { jsonrpc: "2.0", id: 1, method, params };
      const response = await post({ authorization, ...headers }, JSON.stringify(message));
      await response.text();
      return [response.status, /r=(\d+)/.exec(response.headers.get("ratelimit") ?? "")?.[1]];
    };
    const call = (name: string) => send("tools/call", { name, arguments: {} });
    expect(await call("whoami")).toEqual([200, "5"]);
    expect(await call("list_organizations")).toEqual([200, "4"]);
    expect(await call("no_such_tool")).toEqual([200, "3"]);
    expect(await send("tools/list")).toEqual([200, "2"]);
    // A caller cannot mark its own request as counted.
    const marked = await fetch(`${app.url}/api/v1/organizations`, {
      headers: { authorization, "x-omoi-counted": "x" },
    });
    expect([marked.status, /r=(\d+)/.exec(marked.headers.get("ratelimit") ?? "")?.[1]]).toEqual([
      200,
      "1",
    ]);
    expect((await post({ authorization }, "[]")).status).toBe(400);
    const refused = await post({ authorization }, "[]");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, expect.any(String)]);
  });

  test("bounds the waiting messages of an owner", async () => {
    const message = (method: string, params?: object) =>
      JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    // Its memberships are not cached.
    const authorization = `Bearer ${(await app.person("Flood")).token}`;
    const other = await app.person("Other");
    const holder = new pg.Client(app.owner);
    await holder.connect();
    try {
      // The tools of a caller depend on its memberships.
      await holder.query("begin; lock table memberships in access exclusive mode");
      const answers = Array.from({ length: MAX_MESSAGES + 1 }, () =>
        post({ authorization }, message("tools/list")).then(async (response) => {
          await response.text();
          return response.status;
        }),
      );
      expect(await Promise.race(answers)).toBe(429);
      // Another owner's message is not refused; one that needs no tools is answered meanwhile.
      const ping = await post({ authorization: `Bearer ${other.token}` }, message("ping"));
      expect([ping.status, await ping.text()]).toEqual([200, expect.stringContaining("result")]);
      await holder.query("commit");
      const statuses = await Promise.all(answers);
      expect(statuses.filter((status) => status === 200)).toHaveLength(MAX_MESSAGES);
    } finally {
      await holder.end();
    }
  });

  test("a tool that takes long keeps no other message waiting", async () => {
    const holder = new pg.Client(app.owner);
    await holder.connect();
    try {
      await holder.query("begin; lock table agents in access exclusive mode");
      let isAnswered = false;
      const called = modern("tools/call", { name: "list_agents", arguments: {} })
        .then((response) => response.text())
        .finally(() => (isAnswered = true));
      await expect
        .poll(async () => {
          const rows = await queryAsAdmin(
            app,
            `select from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'
               and query ~ 'from "agents"' and query ~ 'order by'`,
          );
          return rows.length;
        })
        .toBe(1);
      const list = await modern("tools/list");
      await list.text();
      expect([list.status, isAnswered]).toEqual([200, false]);
      await holder.query("commit");
      expect(await called).toContain('"items"');
    } finally {
      await holder.end();
    }
  });
});
