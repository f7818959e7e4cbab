import type { Command } from "commander";
import { resolve } from "node:path";
import { adoptBackup } from "#server/backup/adopt-backup.js";
import { adoptFolder, removeNode, type AdoptionReport } from "#server/admin/adopt-node.js";
import { createTryLock } from "#server/db/locks/locks.js";
import type { ClusterNode } from "#shared/api/operation/nodes.js";
import * as nodes from "#server/features/operation/nodes/index.js";
import { ConfigError } from "#shared/node/config-error.js";
import { confirm } from "../commands/ask.js";
import { describeAdoption, describeSetBack } from "./describe-adoption.js";
import { withSource } from "./backup-source.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";
import { exitCodes, print, shownTime, table } from "./output.js";

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
  omoi admin node resume node-2
  omoi admin node adopt node-2 --from-folder /mnt/node-2
  omoi admin node adopt node-2 --from-backup s3://backups/omoi/2026-11-28
  omoi admin node remove node-2`,
    );
  node
    .command("adopt")
    .description("Take over the projects of a server that is gone")
    .argument("<NODE>", "the name of the server that is gone")
    .option("--from-folder <DIR>", "its data folder, mounted on this machine")
    .option("--from-backup <PLACE>", "a backup of it: a folder, s3://BUCKET/PREFIX or a name")
    .option("-y, --yes", "do not ask before projects are set back to a backup")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Run it on the server that takes over, which may be running. The other server must be stopped, and its
lease of 15 s over; it can never start again with its folder. The projects are copied one by one, and
are in use here as soon as each is complete. Run the command again to continue.

With --from-backup, each project is as it was at the time of the backup: commits and merges after that
time are lost, and workspaces are set back. The command asks first, or needs --yes without a terminal. It
prints what was lost, and the audit logs keep it.
Restart this server afterwards. Projects that the backup does not contain stay with the other server.`,
    )
    .action(adopt);
  node
    .command("remove")
    .description("Remove a stopped server without projects from the list")
    .argument("<NODE>", "the server's name")
    .option("--json", "print JSON")
    .action((of: string, { json }: AdminOptions) =>
      inInstallation(async (installation) => {
        const removed = await removeNode(await installation.adminContext(), of);
        print(json, removed, () => `${removed.name} is removed.`);
      }),
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

interface AdoptOptions extends AdminOptions {
  fromFolder?: string;
  fromBackup?: string;
  yes?: boolean;
}

async function adopt(of: string, options: AdoptOptions): Promise<void> {
  const { json, fromFolder, fromBackup } = options;
  await inInstallation(async (installation) => {
    const { db, pool, config } = installation;
    const log = (line: string): void => {
      if (process.stderr.isTTY) process.stderr.write(`${line}\n`);
    };
    const adoption = async () => ({
      db,
      tryLock: createTryLock(pool),
      context: await installation.adminContext(),
      dataDir: config.dataDir,
      log,
    });
    const run = async (): Promise<AdoptionReport> => {
      if (fromFolder !== undefined && fromBackup === undefined) {
        return adoptFolder(await adoption(), of, resolve(fromFolder));
      }
      if (fromBackup !== undefined && fromFolder === undefined) {
        return withSource(fromBackup, async (source) =>
          adoptBackup(await adoption(), of, source, (createdAt) =>
            confirm(describeSetBack(of, createdAt, new Date()), options),
          ),
        );
      }
      throw new ConfigError("Give either --from-folder DIR or --from-backup PLACE");
    };
    const report = await run();
    print(json, report, () => describeAdoption(of, report));
    if (report.missing.length + report.failed.length > 0) process.exitCode = exitCodes.failed;
  });
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
