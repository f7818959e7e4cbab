/** Programs looked for in a sandbox that fails. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Preset } from "#shared/api/execution/presets.js";
import { SandboxRefusal, type SandboxInput } from "#sandbox/sandbox.js";
import type { RunDeps } from "../run-deps.js";
import { createProgramFinder } from "./find-programs.js";
import { listPresets } from "./list-presets.js";
import { programs } from "#execution/presets/presets.js";

const whole = `/nowhere\n${programs.map((name) => `/nowhere/${name}\n`).join("")}`;

interface Reply {
  stdout?: string;
  stderr?: string;
  exitCode?: number;
  refusal?: string;
  error?: string;
}

let lookup: Reply;
let version: Reply;
let started: string[];
let now: number;
let deps: RunDeps;
beforeEach(() => {
  lookup = { stdout: whole };
  version = { stdout: "\n1.2.3\n", stderr: "warning\n" };
  started = [];
  now = Date.now();
  vi.spyOn(Date, "now").mockImplementation(() => now);
  const is = { enforced: true };
  const limits = { memory: is, processes: is, cpu: is, disk: is };
  const network = { isolated: true };
  const networks = { fullNetwork: network, restrictedNetwork: network };
  const report = { mode: "bubblewrap", uid: null, limits, ...networks };
  const findPrograms = createProgramFinder(programs);
  deps = {
    findPrograms: () => findPrograms(deps),
    docker: { report: { uid: null } },
    limits: {},
    settings: {},
    log: { error: () => undefined },
    sandbox: {
      report,
      start: async (input: SandboxInput) => {
        const { command } = input;
        const reply = command[0] === "sh" ? lookup : version;
        started.push(command[0] ?? "");
        if (reply.refusal !== undefined) throw new SandboxRefusal(reply.refusal);
        if (reply.error !== undefined) throw new Error(reply.error);
        await input.onOutput("stderr", Buffer.from(reply.stderr ?? ""));
        await input.onOutput("stdout", Buffer.from(reply.stdout ?? ""));
        return { done: Promise.resolve({ exitCode: reply.exitCode ?? 0 }) };
      },
    },
  } as unknown as RunDeps;
});
afterEach(() => vi.restoreAllMocks());

const list = async (): Promise<{ claude: Preset; custom: Preset }> => {
  const all = await listPresets(deps);
  return { claude: all[0] as Preset, custom: all.at(-1) as Preset };
};

test.each<[string, Reply, RegExp]>([
  ["fails", { stdout: whole, stderr: "no fork\n", exitCode: 2 }, /exit code 2: no fork/],
  ["prints too little", { stdout: "/nowhere\n" }, /could not be looked up in the sandbox/],
  ["prints too much", { stdout: `${whole}x\n` }, /could not be looked up in the sandbox/],
  ["is refused", { refusal: "No memory is left." }, /^No memory is left\.( |$)/],
  ["throws", { error: "EMFILE" }, /the operator can find the cause in the server's log/],
])("a lookup that %s is a reason, and is not kept", async (_what, reply, reason) => {
  lookup = reply;
  const failed = await list();
  expect(failed.claude).toMatchObject({ available: false, version: null });
  expect(failed.claude.reason).toMatch(reason);
  expect(failed.custom.available).toBe(reply.refusal === undefined);
  lookup = { stdout: whole, stderr: "sh: warning\n" };
  expect((await list()).claude.version).toBe("1.2.3");
});

test.each<Reply>([{ exitCode: 1 }, { refusal: "No memory is left." }, { error: "EMFILE" }])(
  "a program that failed (%o) is tried again after a minute",
  async (reply) => {
    version = reply;
    expect((await list()).claude).toMatchObject({ available: false, version: null });
    version = { stdout: "1.2.3\n" };
    expect((await list()).claude.version).toBeNull();
    now += 61_000;
    expect((await list()).claude.version).toBe("1.2.3");
  },
);

test("programs that work are kept, others are looked up again", async () => {
  lookup = { stdout: whole.replace("/nowhere/claude", "") };
  expect((await list()).claude.reason).toMatch(/not on the PATH/);
  lookup = { stdout: whole };
  now += 61_000;
  started = [];
  expect((await list()).claude.version).toBe("1.2.3");
  expect(started).toEqual(["sh", "claude"]);
  now += 61_000;
  await list();
  expect(started).toEqual(["sh", "claude"]);
});

test("the reason is the error of a program that Node is too old for", async () => {
  const stderr =
    "file:1\nSyntaxError: Invalid regular expression flags\n    at x:1\n\nNode.js v18.20.8\n";
  version = { exitCode: 1, stderr };
  expect((await list()).claude.reason).toContain("(SyntaxError: Invalid regular expression flags)");
});
