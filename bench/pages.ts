import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium, type Browser } from "playwright-core";
import type { Client } from "#shared/contract/client.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
// @ts-expect-error -- a script for a bare Node, without types
import { chromiumFlags, findChromium as find } from "../scripts/chromium.mjs";
import { median, ms, spread, times, type Benchmark, type Row } from "./support/harness.js";
import { type Session, type Visit, visit } from "./support/page-visit.js";
import { account, withServer } from "./support/server.js";

const findChromium = find as () => string | null;
const rounds = 5;
const slowdown = 4;
const targetKiB = 180;
const targetMs = 1000;
/** Of the task's page, compared with the agent's. */
const targetRatio = 1.1;

/** First visits: transferred data and time until the content is visible. */
export const pages: Benchmark = {
  name: "pages",
  method:
    `Chromium with an empty cache and ${slowdown} times CPU throttling (DevTools protocol) loads the ` +
    `built app from the server on loopback: medians of ${rounds} first visits per page, all pages in ` +
    "turn. Scripts are the compressed script bytes transferred until the network is idle. LCP is the " +
    "largest contentful paint, CLS the worst cumulative layout shift of the visits, and messages are " +
    "those of the console. The data are 20 organizations; the first has a project and an agent with " +
    "a workspace and 8 commits of 12 TypeScript files, and a task whose scripted agent has changed a file. Browser, server and database share memory, " +
    "disk and processor.",
  run: async (folder, log) => {
    const executablePath = findChromium();
    if (executablePath === null) return [notMeasured];
    return withServer({ dataDir: `${folder}/data` }, async ({ url }, api) => {
      const browser = await chromium.launch({ executablePath, args: chromiumFlags as string[] });
      try {
        const visited = await pagesOf(api);
        const session = await sessionOf(browser, url);
        const seen = new Map<string, Visit[]>(visited.map(({ label }) => [label, []]));
        // The first round warms up and is dropped.
        for (let round = 0; round <= rounds; round += 1) {
          log(`round ${round} of ${rounds}`);
          for (const { label, path, isSignedOut } of visited) {
            const by = isSignedOut ? undefined : session;
            const one = await visit(browser, url + path, by, slowdown);
            if (round > 0) seen.get(label)?.push(one);
          }
        }
        return [
          ...visited.map(({ label, hasDiff }) => rowOf(label, seen.get(label) ?? [], hasDiff)),
          taskBesideAgent(seen.get("Task") ?? [], seen.get("Agent") ?? []),
        ];
      } finally {
        await browser.close();
      }
    });
  },
};

const notMeasured: Row = {
  label: "Pages",
  result: "not measured: needs Chromium",
  baseline: "",
  ratio: "",
  target: "",
  met: null,
};

export interface VisitedPage {
  label: string;
  path: string;
  isSignedOut?: boolean;
  /** Whether it highlights code, which loads last and is counted separately. */
  hasDiff?: boolean;
}

/** Creates the data of the pages and returns their paths. */
export async function pagesOf(api: Client): Promise<VisitedPage[]> {
  const made = [];
  for (let nth = 1; nth <= 20; nth += 1) {
    made.push((await api.organizations.create({ body: { name: `Organization ${nth}` } })).data);
  }
  const { id: organization_id, slug } = made[0] as (typeof made)[number];
  const { data: project } = await api.projects.create({ body: { organization_id, name: "Shop" } });
  const body = { project_id: project.id, name: "worker-1" };
  const { data: agent } = await api.agents.create({ body });
  const params = { agent_id: agent.id };
  const { data: workspace } = await api.workspaces.create({ params });
  let sha = "";
  for (let nth = 1; nth <= 8; nth += 1) {
    for (let file = 1; file <= 12; file += 1) {
      const lines = Array.from({ length: 40 }, (_, at) => `export const value${at} = ${at * nth};`);
      const path = join(workspace.working_directory as string, `module-${file}.ts`);
      await writeFile(path, `${lines.join("\n")}\n`);
    }
    const commit = { commit_type: "checkpoint" as const };
    sha = (await api.workspaces.createCommit({ params, body: commit })).data.commit_sha;
  }
  await api.apiKeys.create({ body: { name: "Continuous integration", organization_id } });
  const agentPath = `/agents/${agent.id}`;
  const taskId = await makeTask(api, project.id);
  return [
    { label: "Sign-in", path: "/login", isSignedOut: true },
    { label: "Register", path: "/register", isSignedOut: true },
    { label: "Home", path: "/" },
    { label: "Organizations", path: "/organizations" },
    { label: "Organization", path: `/organizations/${slug}` },
    { label: "Organization settings", path: `/organizations/${slug}/settings` },
    { label: "Project", path: `/projects/${project.id}` },
    { label: "Agents", path: "/agents" },
    { label: "Agent", path: agentPath },
    { label: "Task", path: `/tasks/${taskId}`, hasDiff: true },
    { label: "Agent's changes", path: `${agentPath}/changes`, hasDiff: true },
    { label: "Workspace", path: `${agentPath}/workspace` },
    { label: "API keys", path: "/settings/api-keys" },
    { label: "Getting started", path: "/welcome" },
    { label: "Commit with diff", path: `${agentPath}/workspace/commits/${sha}`, hasDiff: true },
  ];
}

/** Creates a task whose only attempt waits for a review. */
async function makeTask(api: Client, projectId: string): Promise<string> {
  const { data: task } = await api.tasks.create({
    params: { project_id: projectId },
    body: { body: "write total.ts export", command: acpAgent(), network: "none" },
  });
  for (;;) {
    const { data } = await api.tasks.get({ params: { task_id: task.id } });
    if (data.status === "failed") throw new Error(data.attempts[0]?.detail ?? "the task failed");
    if (data.status === "in_review") return task.id;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Signs in and returns the browser session. */
export async function sessionOf(browser: Browser, url: string): Promise<Session> {
  const context = await browser.newContext();
  await context.request.post(`${url}/api/v1/auth/login`, { data: account });
  const session = await context.storageState();
  await context.close();
  return session;
}

function taskBesideAgent(task: readonly Visit[], agent: readonly Visit[]): Row {
  const [ours, theirs] = [task, agent].map((visits) => visits.map(({ lcpMs }) => lcpMs)) as [
    number[],
    number[],
  ];
  const ratio = median(ours) / median(theirs);
  return {
    label: "Task, LCP beside the agent's page",
    result: ms(median(ours)),
    baseline: `${ms(median(theirs))}, the agent's page`,
    ratio: `${times(ratio)} (${spread(ours, theirs)})`,
    target: `at most ${targetRatio} ×`,
    met: ratio <= targetRatio,
  };
}

export function rowOf(label: string, visits: readonly Visit[], hasDiff = false): Row {
  const kib = median(visits.map(({ scriptBytes }) => scriptBytes)) / 1024;
  const lcp = median(visits.map(({ lcpMs }) => lcpMs));
  const requests = median(visits.map((one) => one.requests));
  const cls = Math.max(...visits.map((one) => one.cls));
  const messages = Math.max(...visits.map((one) => one.messages.length));
  const isLight = hasDiff || kib <= targetKiB;
  return {
    label,
    result:
      `${kib.toFixed(0)} KiB of scripts, ${requests} requests, LCP ${ms(lcp)}, ` +
      `CLS ${cls.toFixed(3)}, ${messages} messages`,
    baseline: "",
    ratio: "",
    target: `${hasDiff ? "" : `${targetKiB} KiB, `}${targetMs} ms, 0.000, 0`,
    met: isLight && lcp < targetMs && cls < 0.0005 && messages === 0,
  };
}
