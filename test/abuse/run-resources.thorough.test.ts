/** A run exhausts everything that the kernel limits per user, and terminals. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeOrganization, makeProject, makeWorkspace } from "../support/fixtures/factories.js";
import { followLog, waitForRunEnd } from "../support/fixtures/runs.js";
import { isRoot } from "../support/sandbox/test-sandbox.js";
import { makeBystander, startServerUnderAttack } from "../support/server/server-under-attack.js";
import type { Bystander, ServerUnderAttack } from "../support/server/server-under-attack.js";

let server: ServerUnderAttack;
let innocent: Bystander;
beforeAll(async () => {
  server = await startServerUnderAttack();
  innocent = await makeBystander(server);
});
afterAll(() => server?.close());

/** Takes one of each until it is refused or `most` are held; prints the count and holds them. */
const takeAll = (most: number, seconds: number): string[] => [
  "python3",
  "-c",
  `
import array, ctypes, os, resource, socket, time
libc = ctypes.CDLL(None, use_errno=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (3000, 3000))
def checked(result):
    if result < 0: raise OSError(ctypes.get_errno(), "refused")
    return result
def send(pair=[]):
    if not pair or pair[0] == 0: pair[:] = [100, *socket.socketpair()]
    pair[0] -= 1
    pair[1].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 10))])
    return list(pair)
takers = {
    "inotify": lambda count: checked(libc.inotify_init1(0)),
    "queues": lambda count: checked(libc.mq_open(b"/q%d" % count, os.O_CREAT | os.O_RDWR, 0o600, None)),
    "terminals": lambda count: os.openpty(),
    "in flight": lambda count: send(),
}
held, counts = [], []
for name, take in takers.items():
    count = 0
    try:
        while count < ${most}:
            held.append(take(count))
            count += 1
    except OSError: pass
    counts.append("%s %d" % (name, count))
print(", ".join(counts), flush=True)
time.sleep(${seconds})
`,
];

test.runIf(isRoot)("leaves resources to the runs of other organizations", async () => {
  const attacker = await server.person("attacker");
  const organization = await makeOrganization(attacker);
  const project = await makeProject(attacker, organization.id);
  const agents = await Promise.all(
    [1, 2, 3].map(async () => (await makeWorkspace(attacker, project.id)).agent.id),
  );
  const own = await makeProject(innocent.person, innocent.orgId);
  const { agent } = await makeWorkspace(innocent.person, own.id);
  const start = async (person: Pick<typeof attacker, "api">, id: string, command: string[]) =>
    (await person.api.runs.create({ params: { agent_id: id }, body: { command } })).data;

  await innocent.during(
    async () => {
      const runs = await Promise.all(agents.map((id) => start(attacker, id, takeAll(5000, 600))));
      for (const run of runs) {
        const { events } = await followLog(server, attacker, run.id, {
          stop: (found) => found.length > 0,
        });
        expect(events[0]?.text).toMatch(
          /^inotify \d{1,3}, queues \d{1,3}, terminals 64, in flight /,
        );
      }
      const few = await start(innocent.person, agent.id, takeAll(5, 0));
      const { events } = await followLog(server, innocent.person, few.id);
      expect(events.map(({ text }) => text).join("")).toBe(
        "inotify 5, queues 5, terminals 5, in flight 5\n",
      );
      expect(await waitForRunEnd(innocent.person, few.id)).toMatchObject({ status: "succeeded" });
      await Promise.all(runs.map(({ id }) => attacker.api.runs.stop({ params: { run_id: id } })));
    },
    { kinds: ["read", "run"] },
  );
});
