/** The ways in which one tenant may attack the others. */
import { randomBytes } from "node:crypto";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { makeHostileMerges, previewFile } from "#test/support/fixtures/hostile-merges.js";
import { shell } from "#test/support/fixtures/runs.js";
import { startFloods } from "#test/support/fixtures/session-flood.js";
import { gitFloods, sendGitFlood, type FloodTarget } from "#test/support/git/git-floods.js";
import type { Client } from "#shared/contract/client.js";
import { clientOf } from "../support/server.js";

interface Attack {
  label: string;
  /** Creates what the attack needs; the result attacks until its process is killed. */
  prepare(url: string): Promise<() => Promise<void>>;
}

export type AttackName = keyof typeof attacks;

interface Tenant {
  api: Client;
  url: string;
  orgId: string;
  projectId: string;
  key: string;
}

async function makeTenant(url: string): Promise<Tenant> {
  const anonymous = clientOf(url, null);
  const body = {
    email: `attacker-${randomBytes(6).toString("hex")}@example.com`,
    password: "correct staple attack",
  };
  await anonymous.auth.register({ body });
  const { data: tokens } = await anonymous.auth.login({ body });
  const api = clientOf(url, tokens.access_token);
  const { id: orgId } = await makeOrganization({ api });
  const { id: projectId } = await makeProject({ api }, orgId);
  const { data } = await api.apiKeys.create({ body: { name: "attack", scopes: ["*:*"] } });
  return { api, url, orgId, projectId, key: data.key as string };
}

/** Repeats something several times at once, whatever becomes of it. */
async function repeat(times: number, act: () => Promise<unknown>): Promise<void> {
  const one = async (): Promise<void> => {
    for (;;) await act().catch(() => null);
  };
  await Promise.all(Array.from({ length: times }, one));
}

/** Repeats a request on several connections at once. */
const flood = (connections: number, ask: () => Promise<Response>): Promise<void> =>
  repeat(connections, async () => (await ask()).arrayBuffer());

/** Waits for the end of the process, while the server works. */
const wait = (): Promise<void> => new Promise(() => setInterval(() => undefined, 1000));

/** Floods of git's addresses, by each request in turn. */
const git = (names: readonly (keyof typeof gitFloods)[]) => async (url: string) => {
  const { api, projectId, key } = await makeTenant(url);
  const { workspace } = await makeWorkspace({ api }, projectId);
  const { data: project } = await api.projects.get({ params: { project_id: projectId } });
  const commit = workspace.head_commit as string;
  const target: FloodTarget = { cloneUrl: project.clone_url, key, commit };
  let count = 0;
  const send = () => sendGitFlood(target, gitFloods[names[(count += 1) % names.length] as never]);
  return () => repeat(8, send);
};

const mcpHeaders = (key: string): Record<string, string> => ({
  authorization: `Bearer ${key}`,
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
});

const listTools = (id: number): unknown => ({ jsonrpc: "2.0", id, method: "tools/list" });

/** Floods of the address of MCP. */
const mcp = (messages: unknown) => async (url: string) => {
  const { key } = await makeTenant(url);
  const body = JSON.stringify(messages);
  return () =>
    flood(16, () => fetch(`${url}/mcp`, { method: "POST", headers: mcpHeaders(key), body }));
};

export const attacks = {
  reads: {
    label: "Cached reads, 16 connections",
    prepare: async (url) => {
      const { key } = await makeTenant(url);
      const headers = { authorization: `Bearer ${key}` };
      return () => flood(16, () => fetch(`${url}/api/v1/organizations`, { headers }));
    },
  },
  changes: {
    label: "Changes of one organization, 16 connections",
    prepare: async (url) => {
      const { key, orgId } = await makeTenant(url);
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const body = JSON.stringify({ description: "text" });
      const address = `${url}/api/v1/organizations/${orgId}`;
      return () => flood(16, () => fetch(address, { method: "PATCH", headers, body }));
    },
  },
  "mcp-batches": {
    label: "Batches of 100 `tools/list`, 16 connections",
    prepare: mcp(Array.from({ length: 100 }, (_, id) => listTools(id))),
  },
  "mcp-lists": { label: "Single `tools/list`, 16 connections", prepare: mcp(listTools(1)) },
  openapi: {
    label: "`openapi.json` without a sign-in, 16 connections",
    prepare: async (url) => () =>
      flood(16, () =>
        fetch(`${url}/api/v1/openapi.json`, { headers: { "accept-encoding": "br" } }),
      ),
  },
  output: {
    label: "Five runs that print as fast as they can",
    prepare: async (url) => {
      const { api, projectId } = await makeTenant(url);
      for (let count = 0; count < 5; count += 1) {
        const { agent } = await makeWorkspace({ api }, projectId);
        const command = shell("while :; do echo line; done");
        await api.runs.create({ params: { agent_id: agent.id }, body: { command } });
      }
      return wait;
    },
  },
  "session-messages": {
    label: "Five sessions that send small messages",
    prepare: async (url) => {
      const { api, projectId } = await makeTenant(url);
      await startFloods({ api }, projectId);
      return wait;
    },
  },
  "data-merges": {
    label: "Six previews at once that merge hostile YAML files",
    prepare: async (url) => {
      const { api, orgId } = await makeTenant(url);
      const merges = await makeHostileMerges({ api }, orgId, 2);
      let count = 0;
      return () =>
        repeat(6, () => previewFile({ api }, merges[(count += 1) % merges.length] as never));
    },
  },
  "git-bombs": {
    label: "Compressed git requests of 256 MiB, 8 at once",
    prepare: git(["zippedWants", "zippedPackets", "zippedCommands", "zippedPack"]),
  },
  "git-packets": {
    label: "git requests of 100 to 260 MB, 8 at once",
    prepare: git(["wants", "longPackets", "haves", "longCommands"]),
  },
} satisfies Record<string, Attack>;
