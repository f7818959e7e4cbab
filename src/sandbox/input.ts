import {
  MAX_READ_ONLY,
  SandboxRefusal,
  type LimitName,
  type SandboxInput,
  type SandboxLimits,
  type SandboxReport,
} from "./sandbox.js";

/** @throws SandboxRefusal for an invalid command */
export function assertInput({ id, command, env, folder, home, readOnly = [] }: SandboxInput): void {
  if (!/^[\w-]{1,64}$/.test(id)) throw new TypeError("a run's id must be a UUID");
  if (!folder.startsWith("/")) throw new TypeError("a workspace's path must be absolute");
  if (home?.startsWith("/") === false) throw new TypeError("a home's path must be absolute");
  if (readOnly.length > MAX_READ_ONLY) throw new TypeError("too many read-only folders");
  if (readOnly.some(({ source, path }) => !source.startsWith("/") || !path.startsWith("/"))) {
    throw new TypeError("a read-only folder's paths must be absolute");
  }
  if (command.length === 0 || command[0] === "") throw new SandboxRefusal("The command is empty.");
  if (command.some((word) => word.includes("\0"))) {
    throw new SandboxRefusal("A command must not contain NUL characters.");
  }
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes("\0")) {
      throw new SandboxRefusal(`The variable ${JSON.stringify(name)} cannot be set.`);
    }
  }
}

/** The part of a report about enforceable limits. */
type Enforcement = Pick<SandboxReport, "limits" | "network">;

/** The part of a report about networks. */
type Isolation = Pick<SandboxReport, "fullNetwork" | "restrictedNetwork">;

/** The requested restrictions. */
type Restrictions = Pick<SandboxInput, "network"> & {
  limits: Pick<SandboxLimits, "cpus" | "diskBytes">;
};

/**
 * Returns a sentence that explains why the requested restrictions cannot be enforced; null if they
 * can.
 */
export function enforcementProblem(
  held: Enforcement,
  { network, limits }: Restrictions,
): string | null {
  const asked: [LimitName, boolean][] = [
    ["memory", true],
    ["processes", true],
    ["cpu", limits.cpus !== null],
    ["disk", limits.diskBytes !== null],
  ];
  const unheld = asked.find(([name, isAsked]) => isAsked && !held.limits[name].enforced);
  if (unheld) {
    return `This machine cannot enforce the limit of ${unheld[0]}; ask its operator, or run the command without that limit.`;
  }
  if (network === "none" && !held.network) {
    return "This machine cannot block a command's network access; ask its operator, or run it with network: full.";
  }
  return null;
}

/** Returns a sentence that explains why the requested network is not available; null if it is. */
export function isolationProblem(
  { fullNetwork, restrictedNetwork }: Isolation,
  { network }: Pick<Restrictions, "network">,
): string | null {
  if (network === "none") return null;
  const { isolated, reason, install } = network === "full" ? fullNetwork : restrictedNetwork;
  if (isolated) return null;
  return `${reason}${install === null ? "" : `; install it: ${install}`}.`;
}

/** @throws SandboxRefusal for restrictions that cannot be enforced */
export function assertEnforceable(held: Enforcement & Isolation, asked: Restrictions): void {
  const reason = enforcementProblem(held, asked) ?? isolationProblem(held, asked);
  if (reason !== null) throw new SandboxRefusal(reason);
}
