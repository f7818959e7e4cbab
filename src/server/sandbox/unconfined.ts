/**
 * Commands without a sandbox, where the configuration says `off`: as the agent's user where the server
 * is root, under control groups where there are any, and nothing more.
 */
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { constants } from "node:os";
import type { ControlGroups } from "./cgroups.js";
import { launch } from "./launch.js";
import { descendantsOf, signal } from "./processes.js";
import { follow } from "./run.js";
import { SandboxRefusal, type Runner, type SandboxSettings } from "./sandbox.js";

export function openUnconfined(settings: SandboxSettings, groups: ControlGroups | null): Runner {
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? settings.agentUid : (process.getuid?.() as number);
  return {
    mode: "off",
    uid,
    seccomp: false,
    async start(input) {
      const group = groups?.create(input.id, input.limits) ?? null;
      const child = launch(input.command, {
        cwd: input.folder,
        env: {
          PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
          HOME: input.folder,
          LANG: "C.UTF-8",
          ...input.env,
        },
        stdio: ["ignore", "pipe", "pipe"],
        ...(isRoot ? { uid, gid: uid } : {}),
      });
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
        throw new SandboxRefusal(`The command could not be started: ${String(problem)}`);
      }
      group?.add(pid);
      const members = (): number[] => [
        ...new Set([
          pid,
          ...descendantsOf(pid).map((member) => member.pid),
          ...(group?.pids() ?? []),
        ]),
      ];
      const killAll = (): void => {
        for (const member of members()) signal(member, "SIGKILL");
        signal(-pid, "SIGKILL");
      };
      return follow(input, {
        pid,
        group,
        ended,
        members,
        killAll,
        gone: async () => {
          signal(-pid, "SIGKILL");
          for (let attempt = 0; (group?.pids().length ?? 0) > 0; attempt += 1) {
            for (const member of group?.pids() ?? []) signal(member, "SIGKILL");
            await sleep(Math.min(50, attempt + 1));
          }
        },
        whyNotStarted: () => null,
        stdout: child.stdout as Readable,
        stderr: child.stderr as Readable,
      });
    },
  };
}
