/** Requests to git's addresses that would fill the server's memory. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGitKey } from "../support/git/clone.js";
import { gitInRepository } from "../support/git/git.js";
import {
  gitFloods,
  sendGitFlood,
  type FloodTarget,
  type GitFlood,
} from "../support/git/git-floods.js";
import { makeAgent, makeOrganization, makeProjectWith } from "../support/fixtures/factories.js";
import { memoryGrowth } from "../support/server/peak-memory.js";
import {
  makeBystander,
  startServerUnderAttack,
  type Bystander,
  type ServerUnderAttack,
} from "../support/server/server-under-attack.js";

/** Without limits, one of them grew the server by up to 297 MiB. */
const MAX_GROWTH = 160 * 1024 * 1024;
const AT_ONCE = 3;
/** The floods come from the process that measures the latencies. */
const options = { kinds: ["read", "list", "change"], slowdown: 200 } as const;

describe("floods of git packets", () => {
  let server: ServerUnderAttack;
  let innocent: Bystander;
  const targets = new Map<string, FloodTarget>();
  beforeAll(async () => {
    server = await startServerUnderAttack({ OMOI_MAX_PUSH_MIB: "100" });
    innocent = await makeBystander(server);
    const attacker = await server.person("attacker");
    const { id } = await makeOrganization(attacker);
    const project = await makeProjectWith(attacker, id, { "a.txt": "a\n" });
    const agent = await makeAgent(attacker, project.id);
    const remote = { workspace_type: "remote" } as const;
    await attacker.api.workspaces.create({ params: { agent_id: agent.id }, body: remote });
    const body = { name: "agent", agent_id: agent.id };
    const { data: agentKey } = await attacker.api.apiKeys.create({ body });
    const commit = await gitInRepository(server, project, "rev-parse", "main");
    const cloneUrl = project.clone_url;
    targets.set("person", { cloneUrl, commit, key: await createGitKey(attacker) });
    targets.set("agent", { cloneUrl, commit, key: agentKey.key as string });
  });
  afterAll(() => server.close());

  /** An agent's fetches are held to be inspected; a person's are read by git. */
  const cases = Object.entries<GitFlood>(gitFloods).map(([name, flood]) => {
    const isPush = flood.service === "receive-pack";
    return [name, isPush || name === "zippedWants" ? "person" : "agent", flood] as const;
  });

  test.each(cases)("%s, three at once, by the key of a %s", async (_name, who, flood) => {
    const target = targets.get(who) as FloodTarget;
    const statuses: number[] = [];
    const attack = async (): Promise<void> => {
      const sent = Array.from({ length: AT_ONCE }, () => sendGitFlood(target, flood));
      for (const { status, text } of await Promise.all(sent)) {
        statuses.push(status);
        expect(text).toContain("body_too_large");
      }
    };
    const growth = await memoryGrowth(server.pid, () => innocent.during(attack, options));
    expect(new Set(statuses)).toEqual(new Set([413]));
    expect(growth).toBeLessThan(MAX_GROWTH);
  });

  test("git shows its user the limit", async () => {
    const target = targets.get("agent") as FloodTarget;
    const git = { "user-agent": "git/2.47.3" };
    expect(await sendGitFlood(target, gitFloods.longPackets, git)).toEqual({
      status: 200,
      text: expect.stringMatching(/^....ERR A line of the request is longer than 1024 bytes/),
    });
    expect(await sendGitFlood(target, gitFloods.longCommands, git)).toEqual({
      status: 200,
      text: expect.stringContaining("unpack A line of the request is longer than 1024 bytes"),
    });
  });
});
