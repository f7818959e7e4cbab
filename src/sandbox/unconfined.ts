/**
 * Runs commands without a sandbox, if configured as `off`: as the agent's user if the server is
 * root, in control groups if available, and nothing more.
 */
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControlGroups } from "./limits/cgroups.js";
import { trackProcess } from "./bubblewrap/sandboxed-process.js";
import { launch } from "./launch.js";
import { closeWriters, openOutputPipes } from "./streams/output-pipes.js";
import { descendantsOf, signal } from "./processes.js";
import { findProgram } from "./programs.js";
import { SandboxRefusal, type Runner, type SandboxSettings } from "./sandbox.js";
import { inspectSystem } from "./bubblewrap/system-view.js";

export function openUnconfined(
  settings: SandboxSettings,
  groups: ControlGroups | null,
  folder: string,
): Runner {
  const isRoot = process.getuid?.() === 0;
  const sharedUid = isRoot ? settings.agentUid : (process.getuid?.() as number);
  const pipes = openOutputPipes(folder);
  const { path } = inspectSystem(settings.sandboxReadOnly, []);
  const prlimit = findProgram("prlimit");
  return {
    mode: "off",
    uid: sharedUid,
    seccomp: false,
    async start(input) {
      const uid = input.uid ?? sharedUid;
      const group = groups?.create(input.id, input.limits) ?? null;
      const output = [await pipes.take(uid), await pipes.take(uid)] as const;
      const starter = prlimit === null ? [] : [prlimit, "--core=0", "--"];
      const child = launch([...starter, ...input.command], {
        cwd: input.folder,
        env: { PATH: path, HOME: input.folder, LANG: "C.UTF-8", ...input.env },
        stdio: [input.hasInput === true ? "pipe" : "ignore", output[0].writer, output[1].writer],
        ...(isRoot ? { uid, gid: uid } : {}),
      });
      closeWriters(output);
      const [{ reader: stdout }, { reader: stderr }] = output;
      const { pid } = child;
      let problem: Error | null = null;
      const ended = new Promise<number | null>((resolve) => {
        child.on("error", (error) => {
          problem = error;
          resolve(null);
        });
        child.on("exit", (code, name) =>
          resolve(code ?? 128 + constants.signals[name ?? "SIGKILL"]),
        );
      });
      if (pid === undefined) {
        await ended;
        await group?.remove();
        stdout.destroy();
        stderr.destroy();
        throw new SandboxRefusal(`The command could not be started: ${String(problem)}`);
      }
      await group?.add(pid).catch((error: NodeJS.ErrnoException) => {
        // It may have ended already.
        if (error.code !== "ESRCH") throw error;
      });
      const members = (): number[] => {
        const children = descendantsOf(pid).map((member) => member.pid);
        return [...new Set([pid, ...children, ...(group?.pids() ?? [])])];
      };
      const killAll = (): void => {
        for (const member of members()) signal(member, "SIGKILL");
        signal(-pid, "SIGKILL");
      };
      return trackProcess(input, {
        pid,
        workspace: input.folder,
        ended,
        terminate: () => {
          for (const member of members()) signal(member, "SIGTERM");
        },
        pids: members,
        killAll,
        gone: async () => {
          signal(-pid, "SIGKILL");
          for (let attempt = 0; (group?.pids().length ?? 0) > 0; attempt += 1) {
            for (const member of group?.pids() ?? []) signal(member, "SIGKILL");
            await sleep(Math.min(50, attempt + 1));
          }
        },
        stdout,
        stderr,
        stdin: child.stdin,
        readings: () => group?.readings() ?? null,
        release: async () => group?.remove(),
        watch: null,
      });
    },
  };
}
