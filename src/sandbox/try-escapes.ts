/**
 * A fixed list of attempts to leave the sandbox. None does harm where it succeeds: each reads a file that was made
 * for it, touches a file that is removed, or calls a port that was opened for it on this machine.
 */
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { allOf } from "#shared/node/all-of.js";
import { limitTrials, type LimitTrial } from "./bubblewrap/probe.js";
import { SandboxRefusal, type Sandbox, type SandboxReport } from "./sandbox.js";
import { withTrials, type Trials } from "./trials.js";

export interface EscapeAttempt {
  /** The attempt of the command, as an infinitive. */
  name: string;
  /** How it succeeded, or why it could not be tried; null if it was refused. */
  escape: string | null;
}

/** Tries each escape of the list. @throws SandboxRefusal if no command runs at all */
export function tryEscapes(
  sandbox: Sandbox,
  dataDir: string,
  signal: AbortSignal,
): Promise<EscapeAttempt[]> {
  return withTrials(sandbox, dataDir, signal, async (trials) => {
    const seen = await runScript(trials, dataDir, sandbox.report.mode);
    const found = attempts.map(({ name, escape }) => ({ name, escape: escape(seen) }));
    const exceeded = Object.entries(limits).map(async ([name, trial]) => ({
      name,
      escape: await exceedLimit(trials, trial),
    }));
    return [...found, ...(await allOf(...exceeded))];
  });
}

/** The words of the script, and the traces that the server saw. */
interface Seen {
  mode: SandboxReport["mode"];
  said: (name: string) => string[];
  /** The content of a file of the server. */
  canary: string;
  /** Hashes of the server's environment and command line, which no other process has. */
  ofServer: readonly string[];
  connections: number;
  /** Files outside of the workspace that appeared on this machine. */
  written: readonly string[];
}

const attempts: readonly { name: string; escape: (seen: Seen) => string | null }[] = [
  {
    name: "read a file of the data folder",
    escape: ({ said, canary }) => (said("file").includes(canary) ? "it read a file" : null),
  },
  {
    name: "see the server's process and its environment",
    escape: ({ said, ofServer }) => {
      if (said("process").length === 0) return untried("sha256sum");
      return said("process").some((hash) => ofServer.includes(hash)) ? "it saw them" : null;
    },
  },
  {
    name: "write outside of the workspace",
    escape: ({ written }) => (written.length > 0 ? `it wrote ${written.join(", ")}` : null),
  },
  {
    name: "connect to a port of the server's loopback",
    escape: ({ said, connections }) => {
      if (connections > 0) return "it connected";
      return said("git").some((path) => path !== "") ? null : untried("git");
    },
  },
  {
    // No packet is sent: without another interface, none can leave.
    name: "reach a network, such as a cloud's metadata service",
    escape: ({ said }) => {
      const names = (said("interfaces")[0] ?? "").split(" ").filter((name) => name !== "");
      const others = names.filter((name) => name !== "lo");
      if (names.length === 0) return untried("sed");
      return others.length > 0 ? `it has the network interfaces ${others.join(", ")}` : null;
    },
  },
  {
    name: "gain privileges",
    escape: ({ said, mode }) => {
      if (said("privilege").length === 0) return untried("grep");
      const held = said("privilege").filter((line) => /^Cap\w+:0*[^0]/.test(line));
      if (held.length > 0) return `it has capabilities (${held.join(", ")})`;
      if (said("owner").length > 0) return "it gave a file to root";
      // gVisor's own kernel runs no program of the machine with more rights.
      const mayGain = mode !== "gvisor" && !said("privilege").includes("NoNewPrivs:1");
      return mayGain ? "programs with the setuid bit give it rights" : null;
    },
  },
  {
    name: "mount a file system",
    escape: ({ said, mode }) => {
      const how = said("mount").filter((way) => !(mode === "gvisor" && way === "namespace"));
      return how.length > 0 ? `it mounted one (${how.join(", ")})` : null;
    },
  },
];

const untried = (program: string): string => `it could not be tried without ${program}`;

/** Places where a command may not write. */
const places = ["/", "/usr", "/usr/local", "/etc", "/opt", "/var", "/home", "/root", "/srv"];

const script = `
say() { printf '%s=%s\\n' "$1" "$2"; }
say file "$(cat "$FOLDER/canary" 2>/dev/null)"
sha256sum /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null |
  while read -r sum _; do say process "$sum"; done
for place in "$FOLDER" "$DATA" ${places.join(" ")}; do touch "$place/$MARK" 2>/dev/null; done
say git "$(command -v git)"
(cd / && HOME=/ timeout 5 git ls-remote "git://127.0.0.1:$PORT/x") >/dev/null 2>&1
say interfaces "$(sed -n 's/^ *\\([^: ]*\\):.*/\\1/p' /proc/net/dev | tr '\\n' ' ')"
grep -E '^(NoNewPrivs|CapInh|CapPrm|CapEff):' /proc/self/status |
  while read -r name value; do say privilege "$name$value"; done
touch own && chown 0:0 own 2>/dev/null && say owner root
mkdir mount
mount -t tmpfs none mount 2>/dev/null && umount mount && say mount plain
unshare --user --map-root-user --mount mount -t tmpfs none mount 2>/dev/null && say mount namespace
say end yes`;

async function runScript(
  { folder, run }: Trials,
  dataDir: string,
  mode: SandboxReport["mode"],
): Promise<Seen> {
  const canary = randomUUID();
  const mark = `omoi-doctor-${canary}`;
  writeFileSync(join(folder, "canary"), canary);
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on("error", () => undefined).destroy();
  }).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const env = {
      FOLDER: folder,
      DATA: dataDir,
      MARK: mark,
      PORT: String((server.address() as AddressInfo).port),
    };
    const { exit, output } = await run(["sh", "-c", script], { env });
    const lines = output.split("\n");
    if (!lines.includes("end=yes")) {
      throw new Error(`the attempts ended early (${exit.detail ?? exit.reason})`);
    }
    return {
      mode,
      said: (name) =>
        lines
          .filter((line) => line.startsWith(`${name}=`))
          .map((line) => line.slice(name.length + 1)),
      canary,
      ofServer: ["environ", "cmdline"].flatMap(hashOfOwn),
      connections,
      written: [folder, dataDir, ...places].map((place) => join(place, mark)).filter(existsSync),
    };
  } finally {
    server.close();
    for (const place of [dataDir, ...places]) rmSync(join(place, mark), { force: true });
  }
}

/** The hash of a file of the server's process; none of an empty one, which others have, too. */
function hashOfOwn(name: string): string[] {
  const content = readFileSync(`/proc/self/${name}`);
  return content.length === 0 ? [] : [createHash("sha256").update(content).digest("hex")];
}

const limits: Readonly<Record<string, LimitTrial>> = {
  "start more processes than its limit": limitTrials.processes,
  "use more memory than its limit": limitTrials.memory,
  "write more than its disk limit": {
    // The pause is for a monitor.
    command: ["sh", "-c", "head -c 67108864 /dev/zero > large && sleep 10"],
    limits: { diskBytes: 8 << 20 },
    isHeld: ({ exitCode }) => exitCode !== 0,
  },
};

async function exceedLimit(
  { run }: Trials,
  { command, limits: given, isHeld }: LimitTrial,
): Promise<string | null> {
  try {
    const { exit } = await run(command, { limits: given });
    return isHeld(exit) ? null : "no limit stopped it";
  } catch (error) {
    if (!(error instanceof SandboxRefusal)) throw error;
    return `it could not be tried: ${error.message}`;
  }
}
