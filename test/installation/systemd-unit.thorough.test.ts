/** The unit of deploy/systemd: its exposure, and a server with a sandbox under the rights and system calls that it leaves. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/server/built-files.js";
import { runScenario } from "../support/server/end-to-end-scenario.js";
import { startServer } from "../support/server/server-process.js";
import { isRoot } from "../support/sandbox/test-sandbox.js";

const unit = join(root, "deploy/systemd/omoi.service");
const analyzer = "/usr/bin/systemd-analyze";
/** The user `nobody`: PostgreSQL wants one with a name. */
const uid = 65_534;

test.runIf(existsSync(analyzer))("has an exposure of at most 4.0", () => {
  const report = execFileSync(analyzer, ["security", "--offline=true", unit], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  const exposure = Number(/Overall exposure level for omoi\.service: ([\d.]+)/.exec(report)?.[1]);
  expect(exposure).toBeLessThanOrEqual(4);
});

test("turns nothing on that the sandbox of runs cannot do without", async () => {
  const names = (await readFile(unit, "utf8")).match(/^\w+(?==)/gm) ?? [];
  const harmful =
    /^(RestrictNamespaces|Protect(Hostname|Kernel(Tunables|Logs)|Proc|ControlGroups)|ProcSubset|Private(Users|Devices)|MemoryDenyWriteExecute)$/;
  expect(names.filter((name) => harmful.test(name))).toEqual([]);
});

/** Makes all file systems read-only but a folder and /tmp, and drops all rights, like the unit. */
const confined = `
set -e
mount --bind "$1" "$1"
for point in $(findmnt --raw --noheadings --output TARGET | grep -Ev "^(/(proc|sys|dev|tmp)(/|$)|$1$)"); do
  mount -o remount,bind,ro "$point"
done
shift
exec setpriv --reuid=${uid} --regid=${uid} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
`;

/** The system calls that the unit refuses with EPERM, as far as this machine's kernel has them. */
function refusedCalls(text: string): string[] {
  const [, groups = ""] = /^SystemCallFilter=~(.*)$/m.exec(text) ?? [];
  const print = (command: string, ...args: string[]): string[] =>
    execFileSync(command, args, { encoding: "utf8" })
      .split("\n")
      .map((line) => line.trim());
  const known = new Set(print("enosys", "--list").map((line) => line.split(/\s+/).at(-1)));
  return groups
    .split(" ")
    .flatMap((name) => print(analyzer, "syscall-filter", name))
    .filter((name) => name !== "" && known.has(name));
}

/** linux/filter.h and linux/seccomp.h */
const bpf = {
  load: (offset: number) => [0x20, 0, 0, offset],
  /** Skips instructions if the value is equal, or if it is not. */
  jumpIf: (value: number, equal: number, other: number) => [0x15, equal, other, value],
  allow: [0x06, 0, 0, 0x7fff0000],
  fail: (errno: number) => [0x06, 0, 0, 0x00050000 + errno],
};
const [EPERM, EAFNOSUPPORT] = [1, 97];
const callNumbers = {
  x64: { socket: 41, personality: 135 },
  arm64: { socket: 198, personality: 92 },
};

/** RestrictAddressFamilies and LockPersonality of the unit, as systemd loads them into the kernel. */
function restrictArguments(
  text: string,
  { socket, personality }: (typeof callNumbers)["x64"],
): Buffer {
  const numbers: Record<string, number> = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16 };
  const [, names = ""] = /^RestrictAddressFamilies=(.*)$/m.exec(text) ?? [];
  expect(text).toMatch(/^LockPersonality=yes$/m);
  const families = names.split(" ").map((name) => numbers[name] as number);
  const program = [
    bpf.load(0),
    bpf.jumpIf(socket, 0, families.length + 2),
    bpf.load(16),
    ...families.map((family, index) => bpf.jumpIf(family, families.length - index + 4, 0)),
    bpf.fail(EAFNOSUPPORT),
    bpf.jumpIf(personality, 0, 3),
    bpf.load(16),
    bpf.jumpIf(0, 1, 0),
    bpf.fail(EPERM),
    bpf.allow,
  ];
  const bytes = Buffer.alloc(8 * program.length);
  for (const [index, [code = 0, ifTrue = 0, ifFalse = 0, value = 0]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(ifTrue, 8 * index + 2);
    bytes.writeUInt8(ifFalse, 8 * index + 3);
    bytes.writeUInt32LE(value, 8 * index + 4);
  }
  return bytes;
}

const numbers = callNumbers[process.arch as keyof typeof callNumbers];
const hasFilters = existsSync(analyzer) && existsSync("/usr/bin/enosys") && numbers !== undefined;

test
  .runIf(isRoot)
  .each([
    ["without capabilities on read-only files", false],
    ...(hasFilters ? [["with the filters of system calls, too,", true] as const] : []),
  ] as const)("a server %s runs commands in its sandbox", async (_title, isFiltered) => {
  const text = await readFile(unit, "utf8");
  for (const line of ["NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"]) {
    expect(text.split("\n")).toContain(line);
  }
  const folder = await mkdtemp("/var/tmp/omoi-unit-");
  await chown(folder, uid, uid);
  const through = ["unshare", "--mount", "--propagation", "private", "sh", "-c", confined, "sh"];
  const filters: string[] = [];
  if (isFiltered) {
    const calls = refusedCalls(text);
    expect(calls).toEqual(expect.arrayContaining(["clock_settime", "init_module", "reboot"]));
    const path = join(folder, "filter");
    await writeFile(path, restrictArguments(text, numbers));
    filters.push("setpriv", `--seccomp-filter=${path}`);
    filters.push("enosys", ...calls.map((name) => `--syscall=${name}:EPERM`), "--");
  }
  const env = { OMOI_DATA_DIR: join(folder, "data") };
  const server = startServer(env, [], [...through, folder, ...filters]);
  try {
    await runScenario(await server.ready, {
      script:
        "cat hello.txt; touch new && ! touch /usr/new && grep -E 'CapEff|Seccomp_filters' /proc/self/status",
    });
    const status = await readFile(`/proc/${server.process.pid}/status`, "utf8");
    expect(/^Seccomp_filters:\s+(\d+)$/m.exec(status)?.[1]).toBe(isFiltered ? "2" : "0");
  } finally {
    server.process.kill("SIGTERM");
    await server.ended;
    await rm(folder, { recursive: true, force: true });
  }
});
