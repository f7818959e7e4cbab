import type { Command } from "commander";
import type { ClusterNode } from "#shared/api/nodes.js";
import * as nodes from "#server/features/nodes/index.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";
import { print, shownTime, table } from "./output.js";

/** Adds `omoi admin nodes` and `omoi admin node …`. */
export function addNodeCommands(admin: Command): void {
  admin
    .command("nodes")
    .description("List the servers that share the database")
    .option("--json", "print JSON")
    .action(listNodes);

  const node = admin
    .command("node")
    .description("Manage one of the servers")
    .addHelpText(
      "after",
      `
Examples:
  omoi admin node drain node-2    # it keeps its projects and gets no new ones
  omoi admin node resume node-2`,
    );
  addChange(node, "drain", "Give a server no new projects", nodes.drainNode, "is draining.");
  addChange(
    node,
    "resume",
    "Give a drained server new projects again",
    nodes.resumeNode,
    "is active.",
  );
}

function addChange(
  parent: Command,
  name: string,
  summary: string,
  work: typeof nodes.drainNode,
  done: string,
): void {
  parent
    .command(name)
    .description(summary)
    .argument("<NODE>", "the server's name (OMOI_NODE_NAME)")
    .option("--json", "print JSON")
    .action((of: string, { json }: AdminOptions) =>
      inInstallation(async (installation) => {
        const changed = await work(await installation.adminContext(), { name: of });
        print(json, changed, () => `${changed.name} ${done}`);
      }),
    );
}

async function listNodes({ json }: AdminOptions): Promise<void> {
  await inInstallation(async ({ db }) => {
    const all: ClusterNode[] = [];
    for (;;) {
      const page = await nodes.listClusterNodes(db, all.at(-1)?.name ?? null, 200);
      all.push(...page);
      if (page.length < 200) break;
    }
    const rows = all.map((node) => [
      node.name,
      node.status,
      String(node.projects),
      String(node.running),
      node.disk_free_bytes === null ? "" : `${Math.floor(node.disk_free_bytes / 2 ** 30)} GiB`,
      node.load === null ? "" : node.load.toFixed(1),
      node.version ?? "",
      node.host ?? "",
      shownTime(node.started_at),
      node.id,
    ]);
    const header = "NAME,STATUS,PROJECTS,RUNS,FREE DISK,LOAD,VERSION,HOST,STARTED,ID".split(",");
    print(json, all, () =>
      rows.length === 0 ? "The database has no server yet." : table(header, rows),
    );
  });
}
