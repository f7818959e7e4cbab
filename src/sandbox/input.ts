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

/** What of a report says what can be held. */
type Held = Pick<SandboxReport, "limits" | "network">;

/** Whether a run with network has one of its own. */
type Isolation = Pick<SandboxReport, "fullNetwork">;

/** What is asked of a sandbox. */
type Asked = Pick<SandboxInput, "network"> & { limits: Pick<SandboxLimits, "cpus" | "diskBytes"> };

/** Why a command cannot be held to what is asked, as a sentence; null where it can. */
export function whyNotHeld(held: Held, { network, limits }: Asked): string | null {
  const asked: [LimitName, boolean][] = [
    ["memory", true],
    ["processes", true],
    ["cpu", limits.cpus !== null],
    ["disk", limits.diskBytes !== null],
  ];
  const unheld = asked.find(([name, isAsked]) => isAsked && !held.limits[name].enforced);
  if (unheld) {
    return `This machine cannot hold the limit of ${unheld[0]}; ask its operator, or run the command without that limit.`;
  }
  if (network === "none" && !held.network) {
    return "This machine cannot keep a command from the network; ask its operator, or run it with network: full.";
  }
  return null;
}

/** Why a command cannot have the network that it asks for, as a sentence; null where it can. */
export function whyNotIsolated(
  { fullNetwork }: Isolation,
  { network }: Pick<Asked, "network">,
): string | null {
  if (network === "none" || fullNetwork.isolated) return null;
  const cure = fullNetwork.install === null ? "" : `; install it: ${fullNetwork.install}`;
  return `${fullNetwork.reason}${cure}.`;
}

/** @throws SandboxRefusal for what cannot be held */
export function assertHolds(held: Held & Isolation, asked: Asked): void {
  const reason = whyNotHeld(held, asked) ?? whyNotIsolated(held, asked);
  if (reason !== null) throw new SandboxRefusal(reason);
}
