import { chromium, type Browser, type Page } from "playwright-core";
import { systemRoleIds } from "#server/db/migrate.js";
import type { Client } from "#shared/contract/client.js";
// @ts-expect-error -- a script for a bare Node, without types
import { chromiumFlags, findChromium as find } from "../scripts/chromium.mjs";
import { median, ms, type Benchmark, type Row } from "./support/harness.js";
import { clientOf, withServer } from "./support/server.js";

const findChromium = find as () => string | null;
const agents = 200;
/** Tasks that are created at once. */
const together = 8;
const rounds = 20;
const targetMs = 1000;
/** A row that takes longer is a fault. */
const waitMs = 60_000;

/** A change must reach another browser's Home while many agents stream. */
export const homeLive: Benchmark = {
  name: "home-live",
  method:
    `${agents} tasks, each with a program that speaks the Agent Client Protocol and streams a word every half second, ` +
    "in one organization. Chromium shows the Home of another member (*Everyone*). One more task is prompted " +
    `${rounds} times: after a second its program asks a question that contains the time, and the row with it must appear. ` +
    "Measured from that time until the frame with the row. The programs are shell scripts without a sandbox " +
    "(OMOI_SANDBOX=off), since the processes of 200 sandboxes would take the cores from the server and the browser.",
  run: async (folder, log) => {
    const executablePath = findChromium();
    if (executablePath === null) return [rowOf("not measured: needs Chromium", null)];
    const options = { dataDir: `${folder}/data`, env: { OMOI_SANDBOX: "off" } };
    return withServer(options, async ({ url }, api) => {
      const { orgId, projectId, member } = await prepare(api, url);
      await startStreams(api, projectId, log);
      const browser = await chromium.launch({ executablePath, args: chromiumFlags as string[] });
      try {
        const home = await openHome(browser, url, member);
        const delays = await measure(api, projectId, home, log);
        const working = await countWorking(api, orgId);
        log(`${working} agents are still at work`);
        if (working < agents) throw new Error(`only ${working} of ${agents} agents are at work`);
        const worst = Math.max(...delays);
        return [
          rowOf(`${ms(median(delays))}, worst of ${rounds}: ${ms(worst)}`, worst <= targetMs),
        ];
      } finally {
        await browser.close();
      }
    });
  },
};

const rowOf = (result: string, met: boolean | null): Row => ({
  label: `A task that begins to need a person, on another Home while ${agents} agents stream`,
  result,
  baseline: "",
  ratio: "",
  target: met === null ? "" : `at most ${ms(targetMs)}`,
  met,
});

/** A program that speaks the protocol with the builtins of bash alone, so that hundreds of it are cheap. */
const program = (turn: string): string[] => [
  "bash",
  "-c",
  String.raw`
say() {
  printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\n' \
    "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"$1\"}}"
}
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
while read -r line; do
  [[ $line =~ \"id\":([0-9]+) ]] && id=\${BASH_REMATCH[1]}
  case $line in
    *'"initialize"'*) answer '{"protocolVersion":1,"agentCapabilities":{}}' ;;
    *'"session/new"'*) answer '{"sessionId":"s"}' ;;
    *'"session/prompt"'*) ${turn} ;;
  esac
done`.replaceAll("\\$", "$"),
];

// Its input ends only with the session.
const streaming = program('while read -r -t 0.5 line || (( $? > 128 )); do say "word "; done');
const asking = program(
  'read -r -t 1 line; say "Question at ${EPOCHREALTIME/./}: is that right?"; answer \'{"stopReason":"end_turn"}\'',
);

interface Place {
  orgId: string;
  projectId: string;
  /** The other member. */
  member: { email: string; password: string };
}

async function prepare(api: Client, url: string): Promise<Place> {
  const { data: org } = await api.organizations.create({ body: { name: "Bench" } });
  await api.organizations.update({
    params: { org_id: org.id },
    body: { max_concurrent_agents: 2 * agents },
  });
  const { data: project } = await api.projects.create({
    body: { organization_id: org.id, name: "Bench" },
  });
  const member = { email: "member@example.com", password: "correct staple member" };
  const { data: user } = await clientOf(url, null).auth.register({ body: member });
  await api.members.add({
    params: { org_id: org.id },
    body: { user_id: user.id, role_id: systemRoleIds.member },
  });
  return { orgId: org.id, projectId: project.id, member };
}

const start = async (api: Client, projectId: string, command: string[]): Promise<string> => {
  const params = { project_id: projectId };
  const body = { body: "Go on", command, network: "full" } as const;
  return (await api.tasks.create({ params, body })).data.id;
};

async function startStreams(
  api: Client,
  projectId: string,
  log: (line: string) => void,
): Promise<void> {
  for (let started = 0; started < agents; started += together) {
    const count = Math.min(together, agents - started);
    await Promise.all(Array.from({ length: count }, () => start(api, projectId, streaming)));
    log(`${started + count} of ${agents} agents`);
  }
}

async function countWorking(api: Client, orgId: string): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const { data, headers } = await api.tasks.listAll({
      params: { org_id: orgId },
      query: { status: "working", limit: 100, ...(cursor !== undefined && { cursor }) },
    });
    count += data.length;
    cursor = /cursor=([^&>]+)/.exec(headers.get("link") ?? "")?.[1];
  } while (cursor !== undefined);
  return count;
}

async function openHome(browser: Browser, url: string, member: Place["member"]): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.request.post(`${url}/api/v1/auth/login`, { data: member });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByRole("list", { name: "Working now", exact: true }).waitFor();
  await page.evaluate(watchRows);
  return page;
}

/**
 * Records when each question is first in a frame, in milliseconds by the clock of the machine. A string, not a function,
 * since this file has no DOM types.
 */
const watchRows = `(() => {
  const seen = (window.seen = {});
  const look = () => {
    for (const row of document.querySelectorAll("[aria-label='Needs you'] [data-row]")) {
      const at = /Question at (\\d+)/.exec(row.textContent)?.[1];
      if (at === undefined || at in seen) continue;
      seen[at] = null;
      requestAnimationFrame(() => { seen[at] = Date.now(); });
    }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
})()`;

/** Waits for a number of questions; the page's security policy forbids Playwright to evaluate conditions there. */
const untilSeen = (count: number): string => `new Promise((resolve) => {
  const end = Date.now() + ${waitMs};
  const look = () => {
    const isThere = Object.values(window.seen).filter((at) => at !== null).length >= ${count};
    if (isThere || Date.now() > end) resolve(isThere);
    else setTimeout(look, 50);
  };
  look();
})`;

async function measure(
  api: Client,
  projectId: string,
  home: Page,
  log: (line: string) => void,
): Promise<number[]> {
  const id = await start(api, projectId, asking);
  const delays: number[] = [];
  // The first question warms up and is dropped.
  for (let round = 0; round <= rounds; round += 1) {
    if (round > 0) await api.tasks.prompt({ params: { task_id: id }, body: { text: "Yes" } });
    const isShown = await home.evaluate<boolean>(untilSeen(round + 1));
    if (!isShown) throw new Error(`the row of round ${round} did not appear within ${waitMs} ms`);
    const seen = await home.evaluate<Record<string, number>>("window.seen");
    const [asked, shown] = Object.entries(seen)
      .map(([at, ms]) => [Number(at) / 1000, ms] as const)
      .toSorted(([one], [other]) => one - other)
      .at(-1) as readonly [number, number];
    if (round > 0) delays.push(shown - asked);
    log(`round ${round} of ${rounds}: ${ms(shown - asked)}`);
  }
  return delays;
}
