/** The ways in which one tenant may attack the others. */
import { randomBytes } from "node:crypto";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { makeHostileMerges, previewFile } from "#test/support/fixtures/hostile-merges.js";
import {
  prepareForgeEvents,
  prepareModelRequests,
  type JsonFlooder,
} from "#test/support/fixtures/json-floods.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { startFloods } from "#test/support/fixtures/session-flood.js";
import { openCloneFactory, type Clone } from "#test/support/git/clone.js";
import { gitFloods, sendGitFlood, type FloodTarget } from "#test/support/git/git-floods.js";
import { openConnection, slowBody } from "#test/support/http/raw-connection.js";
import { startLiveRun } from "#test/support/models/live-run.js";
import type { Client } from "#shared/contract/client.js";
import { clientOf } from "../support/server.js";

/** An attack that is prepared. */
interface Attacker {
  /** Attacks until its process is killed. */
  attack(): Promise<unknown>;
  /** Returns what the server made of it so far. @throws if it does not reach what it attacks */
  look(): Promise<string>;
}

interface Attack {
  label: string;
  prepare(url: string): Promise<Attacker>;
}

export type AttackName = keyof typeof attacks;

interface Tenant {
  person: { api: Client };
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
  return { person: { api }, api, url, orgId, projectId, key: data.key as string };
}

/** Repeats an act several times at once. It returns what became of it; `expected` must be among these. */
function repeat(times: number, expected: string, act: () => Promise<string>): Attacker {
  const outcomes = new Map<string, number>();
  const repeatOne = async (): Promise<void> => {
    for (;;) {
      const outcome = await act().catch((error: Error) => error.message.slice(0, 60));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  };
  return {
    attack: () => Promise.all(Array.from({ length: times }, repeatOne)),
    look: async () => {
      const all = [...outcomes].map(([outcome, count]) => `${count} × ${outcome}`).join(", ");
      if (!outcomes.has(expected)) throw new Error(`never ${expected}, but ${all}`);
      return all;
    },
  };
}

/** Repeats a request on several connections at once. */
const flood = (times: number, status: number, ask: () => Promise<Response>): Attacker =>
  repeat(times, String(status), async () => {
    const answer = await ask();
    await answer.arrayBuffer();
    return String(answer.status);
  });

/** An attack by programs that the server runs. @param statuses of all of them */
const programs = (status: string, statuses: () => Promise<string[]>): Attacker => ({
  attack: () => new Promise(() => setInterval(() => undefined, 1000)),
  look: async () => {
    const all = (await statuses()).join(", ");
    if (all.replaceAll(status, "").replaceAll(", ", "") !== "") throw new Error(`they are ${all}`);
    return all;
  },
});

/** Floods of git's addresses, by each request in turn. */
const git = (names: readonly (keyof typeof gitFloods)[]) => async (url: string) => {
  const { api, projectId, key } = await makeTenant(url);
  const { workspace } = await makeWorkspace({ api }, projectId);
  const { data: project } = await api.projects.get({ params: { project_id: projectId } });
  const commit = workspace.head_commit as string;
  const target: FloodTarget = { cloneUrl: project.clone_url, key, commit };
  let count = 0;
  return repeat(8, "413", async () => {
    const name = names[(count += 1) % names.length] as (typeof names)[number];
    return String((await sendGitFlood(target, gitFloods[name])).status);
  });
};

const mcpHeaders = (key: string): Record<string, string> => ({
  authorization: `Bearer ${key}`,
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
});

const listTools = (id: number): unknown => ({ jsonrpc: "2.0", id, method: "tools/list" });

/** Floods of the address of MCP. */
function mcp(url: string, key: string, status: number, messages: unknown): Attacker {
  const body = JSON.stringify(messages);
  const headers = mcpHeaders(key);
  return flood(16, status, () => fetch(`${url}/mcp`, { method: "POST", headers, body }));
}

/** Floods of JSON that takes long to read. */
const json =
  (status: number, prepare: (flooder: JsonFlooder) => Promise<() => Promise<Response>>) =>
  async (url: string) =>
    flood(4, status, await prepare({ ...(await makeTenant(url)), url }));

/** 20 000 files, 10 in each of 2 000 folders that are 12 deep. */
const deepFiles = (): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: 20_000 }, (_, at) => {
      const folder = Math.floor(at / 10);
      const path = `${folder % 50}/${folder}/${"d/".repeat(10)}${at}.txt`;
      return [path, `${at}\n`];
    }),
  );

export const attacks = {
  reads: {
    label: "Cached reads, 16 connections",
    prepare: async (url) => {
      const { key } = await makeTenant(url);
      const headers = { authorization: `Bearer ${key}` };
      return flood(16, 200, () => fetch(`${url}/api/v1/organizations`, { headers }));
    },
  },
  changes: {
    label: "Changes of one organization, 16 connections",
    prepare: async (url) => {
      const { key, orgId } = await makeTenant(url);
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const body = JSON.stringify({ description: "text" });
      const address = `${url}/api/v1/organizations/${orgId}`;
      return flood(16, 200, () => fetch(address, { method: "PATCH", headers, body }));
    },
  },
  "mcp-batches": {
    label: "Batches of 100 `tools/list`, 16 connections",
    prepare: async (url) => {
      const batch = Array.from({ length: 100 }, (_, id) => listTools(id));
      return mcp(url, (await makeTenant(url)).key, 400, batch);
    },
  },
  "mcp-lists": {
    label: "Single `tools/list`, 16 connections",
    prepare: async (url) => mcp(url, (await makeTenant(url)).key, 200, listTools(1)),
  },
  "mcp-run": {
    label: "`tools/list` by the token of a run, 16 connections",
    prepare: async (url) => {
      const { person, projectId } = await makeTenant(url);
      const { token } = await startLiveRun(person, projectId);
      return mcp(url, token, 200, listTools(1));
    },
  },
  openapi: {
    label: "`openapi.json` without a sign-in, 16 connections",
    prepare: async (url) =>
      flood(16, 200, () =>
        fetch(`${url}/api/v1/openapi.json`, { headers: { "accept-encoding": "br" } }),
      ),
  },
  "slow-requests": {
    label: "Requests that never end, 300 connections",
    prepare: async (url) =>
      // From another address: there is a limit for each.
      repeat(300, "408", async () => {
        const answer = await openConnection({ url }, slowBody, "127.0.0.2").answer;
        return answer.split(" ")[1] ?? "closed";
      }),
  },
  "model-requests": {
    label: "Requests of a run to a model, of 16 MiB of small values, 4 at once",
    prepare: json(400, prepareModelRequests),
  },
  "forge-events": {
    label: "Events of a forge, of 25 MiB of small values, 4 at once",
    prepare: json(200, prepareForgeEvents),
  },
  output: {
    label: "Five runs that print as fast as they can",
    prepare: async (url) => {
      const { api, projectId } = await makeTenant(url);
      const runs: string[] = [];
      for (let count = 0; count < 5; count += 1) {
        const { agent } = await makeWorkspace({ api }, projectId);
        const command = shell("while :; do echo line; done");
        const params = { agent_id: agent.id };
        runs.push((await api.runs.create({ params, body: { command } })).data.id);
      }
      const statusOf = async (run_id: string): Promise<string> =>
        (await api.runs.get({ params: { run_id } })).data.status;
      return programs("running", () => Promise.all(runs.map(statusOf)));
    },
  },
  "session-messages": {
    label: "Five sessions that send small messages",
    prepare: async (url) => {
      const { api, projectId } = await makeTenant(url);
      const sessions = await startFloods({ api }, projectId);
      const statusOf = async ({ id }: { id: string }): Promise<string> =>
        (await api.agentSessions.get({ params: { session_id: id } })).data.status;
      return programs("working", () => Promise.all(sessions.map(statusOf)));
    },
  },
  "data-merges": {
    label: "Six previews at once that merge hostile YAML files",
    prepare: async (url) => {
      const { api, orgId } = await makeTenant(url);
      const merges = await makeHostileMerges({ api }, orgId, 2);
      let count = 0;
      return repeat(6, "merged", async () => {
        const merge = merges[(count += 1) % merges.length] as (typeof merges)[number];
        return (await previewFile({ api }, merge)) ?? "no file";
      });
    },
  },
  logs: {
    label: "Readers of a log of 8 MB, 16 connections",
    prepare: async (url) => {
      const { api, person, projectId, key } = await makeTenant(url);
      const { agent } = await makeWorkspace(person, projectId);
      const command = shell("seq 1000000");
      const { data } = await api.runs.create({ params: { agent_id: agent.id }, body: { command } });
      await waitForRunEnd(person, data.id);
      const headers = { authorization: `Bearer ${key}`, accept: "text/plain" };
      const address = `${url}/api/v1/runs/${data.id}/logs?times=true`;
      return flood(16, 200, () => fetch(address, { headers }));
    },
  },
  trees: {
    label: "Diffs of a commit of 20 000 files in deep folders, 16 connections",
    prepare: async (url) => {
      const { person, projectId, key } = await makeTenant(url);
      const { workspace } = await makeWorkspace(person, projectId);
      const { commit_sha } = await commitFiles(person, workspace, deepFiles());
      const headers = { authorization: `Bearer ${key}` };
      const address = `${url}/api/v1/agents/${workspace.agent_id}/workspace/commits/${commit_sha}/diff`;
      return flood(16, 200, () => fetch(address, { headers }));
    },
  },
  checkpoints: {
    label: "Checkpoints of folders with 20 000 files, 4 at once",
    prepare: async (url) => {
      const { api, person, projectId } = await makeTenant(url);
      const agents: string[] = [];
      for (let count = 0; count < 4; count += 1) {
        const { workspace } = await makeWorkspace(person, projectId);
        await writeFiles(workspace, deepFiles());
        agents.push(workspace.agent_id);
      }
      let count = 0;
      return repeat(4, "committed", async () => {
        const params = { agent_id: agents[(count += 1) % agents.length] as string };
        await api.workspaces.createCommit({ params, body: { commit_type: "checkpoint" } });
        return "committed";
      });
    },
  },
  pushes: {
    label: "Pushes of 20 MB that are accepted, 4 at once",
    prepare: async (url) => {
      const { api, projectId, key } = await makeTenant(url);
      const { data: project } = await api.projects.get({ params: { project_id: projectId } });
      const { clone } = await openCloneFactory();
      const clones: Clone[] = [];
      for (let count = 0; count < 4; count += 1) clones.push(await clone(project.clone_url, key));
      let count = 0;
      return repeat(4, "pushed", async () => {
        const own = clones.shift() as Clone;
        try {
          await own.commit({ "data.txt": randomBytes(10_000_000).toString("hex") });
          const { code, stderr } = await own.push(`HEAD:refs/heads/push-${(count += 1)}`);
          return code === 0 ? "pushed" : stderr;
        } finally {
          clones.push(own);
        }
      });
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
