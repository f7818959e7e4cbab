/** Many sessions that stream to many readers at once, through two server processes. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { Session, SessionEvent } from "#shared/api/work/sessions.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { systemRoleIds } from "../../../../db/migrate.js";

const count = 60;
const updates = 200;

/** A program that speaks the protocol and costs little memory. It announces numbered tools in each turn. */
const SOURCE = String.raw`
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
while read -r line; do
  id=$(printf %s "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
  case $line in
  *'"initialize"'*) answer '{"protocolVersion":1,"agentCapabilities":{}}' ;;
  *'"session/new"'*) answer '{"sessionId":"s"}' ;;
  *'"session/prompt"'*)
    nth=0
    while [ "$nth" -lt ${updates} ]; do
      printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"tool_call","toolCallId":"%s","title":"tool"}}}\n' "$nth"
      nth=$((nth + 1))
      [ $((nth % 20)) -ne 0 ] || sleep 0.1
    done
    answer '{"stopReason":"end_turn"}' ;;
  esac
done`;

let app: TestApp;
let sibling: TestApp;
let owner: TestPerson;

beforeAll(async () => {
  app = await startTestApp({ OMOI_SANDBOX: "required" }, "real");
  sibling = await app.sibling();
  owner = await app.person("Ada");
}, 60_000);
afterAll(async () => {
  await sibling.close();
  await app.close();
});

/**
 * Reads a session to the end of its turn, and leaves and comes back at random.
 * @returns the numbers of the tools, in the order of their arrival
 */
async function readTurn({ id }: Session, url: string, token: string): Promise<string[]> {
  const seen: string[] = [];
  let lastId: string | undefined;
  for (;;) {
    const leavesAfter = 1 + Math.floor(Math.random() * updates);
    const aborter = new AbortController();
    const response = await fetch(`${url}/api/v1/sessions/${id}/events`, {
      headers: {
        authorization: `Bearer ${token}`,
        ...(lastId !== undefined && { "last-event-id": lastId }),
      },
      signal: aborter.signal,
    });
    expect(response.status).toBe(200);
    let rest = "";
    let read = 0;
    pieces: for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const messages = (rest + piece).split("\n\n");
      rest = messages.pop() ?? "";
      for (const message of messages) {
        const data = /^data: (.*)$/m.exec(message)?.[1];
        if (/^event: end$/m.test(message)) throw new Error(`The session ended: ${data}`);
        if (data === undefined || !/^event: update$/m.test(message)) continue;
        const event = JSON.parse(data) as SessionEvent;
        lastId = /^id: (.*)$/m.exec(message)?.[1] ?? lastId;
        if (event.type === "tool_call") seen.push(event.tool_call_id);
        if (event.type === "turn_end") {
          aborter.abort();
          return seen;
        }
        read += 1;
        if (read === leavesAfter) break pieces;
      }
    }
    aborter.abort();
    await pause(Math.random() * 50);
  }
}

test(`${count} sessions stream to ${count} readers without a lost update`, async () => {
  const { id: org_id } = await makeOrganization(owner);
  const limits = { max_concurrent_agents: count + 10, max_agent_runtime_hours: 100_000 };
  await owner.api.organizations.update({ params: { org_id }, body: limits });
  const project = await makeProject(owner, org_id);
  // A caller reads at most a hundred streams.
  const tokens = await Promise.all(
    ["Bob", "Cyd", "Dee"].map(async (name) => {
      const reader = await app.person(name);
      const body = { user_id: reader.id, role_id: systemRoleIds.viewer };
      await owner.api.members.add({ params: { org_id }, body });
      return reader.token;
    }),
  );
  const sessions: Session[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    const { agent } = await makeWorkspace(owner, project.id);
    const { data } = await owner.api.agentSessions.create({
      params: { agent_id: agent.id },
      body: { preset: "custom", command: ["sh", "-c", SOURCE], network: "none" },
    });
    sessions.push(data);
  }
  // A reader that never reads holds up nothing.
  const lazy = await fetch(`${app.url}/api/v1/sessions/${sessions[0]?.id}/events`, {
    headers: { authorization: `Bearer ${owner.token}` },
  });
  const expected = Array.from({ length: updates }, (_, nth) => String(nth));
  const reads = sessions.map((session, nth) =>
    readTurn(session, nth % 2 === 0 ? app.url : sibling.url, tokens[nth % 3] as string),
  );
  await Promise.all(
    sessions.map(({ id }) =>
      owner.api.agentSessions.prompt({ params: { session_id: id }, body: { text: "go" } }),
    ),
  );
  const seen = await Promise.all(reads);
  for (const one of seen) expect(one).toEqual(expected);
  await lazy.body?.cancel();
  await Promise.all(
    sessions.map(({ id }) => owner.api.agentSessions.close({ params: { session_id: id } })),
  );
}, 900_000);
