import {
  SandboxRefusal,
  type LimitName,
  type SandboxInput,
  type SandboxLimits,
  type SandboxReport,
} from "./sandbox.js";

/** @throws SandboxRefusal for a command that cannot be run as it was given */
export function assertInput({ id, command, env, folder }: SandboxInput): void {
  if (!/^[\w-]{1,64}$/.test(id)) throw new TypeError("a run's id is a UUID");
  if (!folder.startsWith("/")) throw new TypeError("a workspace's path is absolute");
  if (command.length === 0 || command[0] === "") throw new SandboxRefusal("The command is empty.");
  if (command.some((word) => word.includes("\0"))) {
    throw new SandboxRefusal("A command may not hold NUL characters.");
  }
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes("\0")) {
      throw new SandboxRefusal(`The variable ${JSON.stringify(name)} cannot be set.`);
    }
  }
}

/** @throws SandboxRefusal for a limit that this machine cannot hold */
export function assertHolds(held: SandboxReport["limits"], limits: SandboxLimits): void {
  const asked: [LimitName, boolean][] = [
    ["memory", true],
    ["processes", true],
    ["cpu", limits.cpus !== null],
    ["disk", limits.diskBytes !== null],
  ];
  for (const [name, isAsked] of asked) {
    if (isAsked && !held[name].enforced) {
      throw new SandboxRefusal(
        `This machine cannot hold the limit of ${name}; ask its operator, or run the command without that limit.`,
      );
    }
  }
}
