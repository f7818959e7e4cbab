/** Clients of both generations of the Model Context Protocol, by HTTP and over `omoi mcp`. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describedTools } from "#server/features/execution/mcp/describe-tools.js";
import { makeOrganization, makeProject, makeWorkspace, writeFiles } from "../fixtures/factories.js";
import { waitForRunEnd } from "../fixtures/runs.js";
import { startTestApp, type TestApp, type TestPerson } from "./app.js";
import { builtFile } from "./built-files.js";

export let app: TestApp;
export let ada: TestPerson;
export let project: Awaited<ReturnType<typeof makeProject>>;
export let orgId: string;

/** Starts an application with a sandbox, and closes it after the tests of the file. */
export function prepareMcp(): void {
  beforeAll(async () => {
    app = await startTestApp({}, "real");
    ada = await app.person("Ada");
    orgId = (await makeOrganization(ada)).id;
    project = await makeProject(ada, orgId);
  });
  afterAll(() => app.close());
}

/** The methods that the tests use of a client of either generation. */
export interface AnyClient {
  listTools(): Promise<{ tools: { name: string; annotations?: object }[] }>;
  callTool(call: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
  readResource(resource: { uri: string }): Promise<{ contents: unknown[] }>;
  close(): Promise<void>;
}

const info = { name: "test", version: "1" };
const withToken = (token: string) => ({
  requestInit: { headers: { authorization: `Bearer ${token}` } },
});
export const mcpAddress = () => new URL("/mcp", app.url);

export const mcpClients = {
  "2026-07-28": async (token: string) => {
    const client = new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    await client.connect(new StreamableHTTPClientTransport(mcpAddress(), withToken(token)));
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    return client as unknown as AnyClient;
  },
  "before it": async (token: string) => {
    const client = new OldClient(info);
    await client.connect(new OldTransport(mcpAddress(), withToken(token)));
    return client as unknown as AnyClient;
  },
  "2026-07-28 over omoi mcp": async (token: string) => {
    const client = new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    await client.connect(new StdioClientTransport(processFor(token)));
    return client as unknown as AnyClient;
  },
  "before it over omoi mcp": async (token: string) => {
    const client = new OldClient(info);
    await client.connect(new OldStdio(processFor(token)));
    return client as unknown as AnyClient;
  },
} satisfies Record<string, (token: string) => Promise<AnyClient>>;

const processFor = (token: string) => ({
  command: process.execPath,
  args: [builtFile("cli/main.js"), "mcp"],
  env: { OMOI_URL: app.url, OMOI_TOKEN: token, PATH: process.env["PATH"] ?? "" },
});

export interface Result {
  isError?: boolean;
  content: { text: string }[];
  structuredContent?: Record<string, unknown>;
}
export const call = async (client: AnyClient, name: string, args: Record<string, unknown> = {}) =>
  (await client.callTool({ name, arguments: args })) as Result;

/** Tests a client from the list of agents to the merge. */
export function testWork(open: (token: string) => Promise<AnyClient>): void {
  test("works with agents from the list to the merge", async () => {
    const client = await open(ada.token);
    const { agent, workspace } = await makeWorkspace(ada, project.id);
    await writeFiles(workspace, { [`${agent.name}.md`]: "# Work\n" });
    const listed = await client.listTools();
    expect(listed.tools.map(({ name }) => name).toSorted()).toEqual(
      describedTools.map(({ definition }) => definition.name).toSorted(),
    );
    expect((await call(client, "whoami")).structuredContent).toMatchObject({ id: ada.id });
    const agents = await call(client, "list_agents", { project_id: project.id });
    expect(JSON.stringify(agents.structuredContent)).toContain(agent.id);
    const args = { agent_id: agent.id };
    const changes = await call(client, "get_workspace_changes", args);
    expect(changes.content[0]?.text).toContain("# Work");
    const diff = await client.readResource({ uri: `omoi://workspaces/${agent.id}/diff` });
    expect(JSON.stringify(diff.contents)).toContain("+# Work");
    const run = await call(client, "start_run", { ...args, command: ["echo", "from a tool"] });
    const runId = run.structuredContent?.["id"] as string;
    await waitForRunEnd(ada, runId);
    expect((await call(client, "get_run_log", { run_id: runId })).content[0]?.text).toBe(
      "from a tool\n",
    );
    const preview = await call(client, "preview_merge", args);
    expect(preview.structuredContent).toMatchObject({ status: "clean", id: null });
    const merge = await call(client, "merge_workspace", { ...args, message: "By a model" });
    expect(merge.structuredContent).toMatchObject({ status: "clean", subject: "By a model" });
    const merges = await call(client, "list_merges", args);
    expect(merges.structuredContent?.["items"]).toHaveLength(1);
    const wrong = await call(client, "get_agent", { agent_id: orgId });
    expect([wrong.isError, wrong.content[0]?.text]).toEqual([
      true,
      expect.stringContaining("not_found"),
    ]);
    for (const wrongly of [{ ...args, shade: "red" }, {}, { agent_id: ".." }, { agent_id: "" }]) {
      const refused = await call(client, "get_agent", wrongly).catch(() => ({ isError: true }));
      expect([wrongly, refused.isError]).toEqual([wrongly, true]);
    }
    const guarded = await call(client, "merge_workspace", { ...args, expected_source: "x" }).catch(
      () => ({ isError: true }),
    );
    expect(guarded.isError).toBe(true);
    // JSON does not escape these; they end no line.
    const title = "one\u2028two\u2029three";
    const renamed = await call(client, "update_agent", { ...args, task: { title, text: title } });
    expect(renamed.structuredContent).toMatchObject({ task: { text: title } });
    const noText = await call(client, "get_agent", { agent_id: { id: agent.id } });
    expect([noText.isError, noText.content[0]?.text]).toEqual([
      true,
      "The input agent_id has to be a text.",
    ]);
    await client.close();
  });
}
