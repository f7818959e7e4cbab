import type { ClusterNode } from "#shared/api/operation/nodes.js";
import type { Runner } from "#shared/api/execution/runners.js";
import type { Database } from "../../../../db/connection/connect.js";
import { listClusterNodes } from "../../nodes/index.js";
import { listRunners } from "../../../execution/runners/index.js";
import { CHECK_MS, MAX_LISTED } from "../limits.js";
import type { Check, Finding } from "#shared/node/doctor-check.js";

/**
 * The versions and the state of all servers.
 * @param version of this server
 */
export function servers(db: Database, version: string): Check {
  return {
    name: "servers",
    tried: "Read the state and the version of each server",
    cure: "Check the database.",
    limitMs: CHECK_MS,
    run: async () => {
      const all = await db.withSystem("list the nodes", (tx) =>
        listClusterNodes(tx, null, MAX_LISTED),
      );
      return judgeServers(all, version);
    },
  };
}

function judgeServers(all: readonly ClusterNode[], version: string): Finding {
  const away = all.filter(({ status }) => status === "unavailable");
  const others = all.filter((node) => node.status !== "unavailable" && node.version !== version);
  const faults = [
    ...away.map(({ name }) => `${name} does not answer`),
    ...others.map((node) => `${node.name} is version ${node.version}, this one ${version}`),
  ];
  if (faults.length === 0) return { status: "ok", seen: `${count(all, "server")} of ${version}` };
  const [gone] = away;
  const cure =
    gone === undefined
      ? "Stop all servers, and start them with one version (docs/how-to/upgrade.md)."
      : `Start ${gone.name}, or let another server adopt its projects, and remove it (docs/how-to/several-servers.md).`;
  return { status: "failed", seen: faults.join(", "), cure };
}

/** The versions and the state of all runners. */
export function runnerVersions(db: Database, version: string): Check {
  return {
    name: "runners",
    tried: "Read the state and the version of each runner",
    cure: "Check the database.",
    limitMs: CHECK_MS,
    run: async () => {
      const all = await db.withSystem("list the runners", (tx) =>
        listRunners(tx, null, MAX_LISTED),
      );
      return judgeRunners(all, version);
    },
  };
}

function judgeRunners(all: readonly Runner[], version: string): Finding {
  if (all.length === 0) return { status: "skipped", seen: "no runner is registered" };
  const away = all.filter(({ status }) => status === "offline");
  const others = all.filter((runner) => runner.status !== "offline" && runner.version !== version);
  const faults = [
    ...away.map(({ name }) => `${name} is offline`),
    ...others.map((runner) => `${runner.name} is version ${runner.version}, the server ${version}`),
  ];
  if (faults.length === 0) return { status: "ok", seen: `${count(all, "runner")} of ${version}` };
  const cure =
    away.length === 0
      ? "Upgrade the runners with the servers (docs/how-to/runners.md)."
      : `Start omoi runner on its machine, or remove it: omoi admin runner remove ${away[0]?.name}`;
  return { status: "warning", seen: faults.join(", "), cure };
}

const count = (all: readonly unknown[], noun: string): string =>
  `${all.length} ${noun}${all.length === 1 ? "" : "s"}`;
