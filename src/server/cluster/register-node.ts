import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../config/config.js";
import type { Database, Queryable } from "../db/connection/connect.js";
import { keepSchema } from "../db/migrate.js";
import { openNodeQueues } from "../db/queue-schema.js";
import {
  epochFile,
  identifyDataFolder,
  nodeFile,
  writeEpoch,
  writeNodeId,
  type DataFolderIdentity,
} from "./data-folder-identity.js";
import {
  hasProjects,
  LEASE_SECONDS,
  listNodes,
  lockEpoch,
  lockNodes,
  saveStart,
  type RegisteredNode,
} from "./nodes.queries.js";

export interface NodeInput {
  readonly db: Database;
  readonly config: Pick<Config, "dataDir" | "databaseUrl" | "nodeName" | "nodeUrl">;
  readonly version: string;
  /** A time at which no other process used the data folder; null if others may use it. */
  readonly aloneAt: number | null;
}

/** This server's node in the epoch that began with its start. */
export interface OwnNode {
  readonly id: string;
  readonly name: string;
  /** The address for other nodes; null without a cluster. */
  readonly url: string | null;
  readonly epoch: number;
}

/** The name of the node of an installation with one server. */
const DEFAULT_NAME = "default";

const pollMs = 500;

/**
 * Registers the data folder as a node of the database. It waits up to the rest of a lease that another machine, or a
 * server of another name, holds: a crashed server's volume may have moved here.
 * @throws ConfigError when the folder is a copy of one in use or out of date, is served under another name, belongs to
 * another database, or needs a name, or the database was migrated by a newer version
 */
export async function registerNode(input: NodeInput): Promise<OwnNode> {
  let seen: string | null = null;
  for (;;) {
    const outcome = await tryRegister(input);
    if ("epoch" in outcome) return outcome;
    if (seen !== null && seen !== outcome.lease_until) throw outcome.refusal;
    seen = outcome.lease_until;
    await pause(pollMs);
  }
}

/** @returns the node, or its state while another server holds its lease */
function tryRegister({ db, config, version, aloneAt }: NodeInput): Promise<OwnNode | Held> {
  return db.withSystemTx("register the node", async (tx) => {
    // Another version may have migrated the database since this one has checked it.
    await keepSchema(tx);
    await lockNodes(tx);
    const all = await listNodes(tx);
    const folder = identifyDataFolder(config.dataDir);
    const known = all.find(({ id }) => id === folder.id);
    if (known) {
      if (known.adopted_by !== null) throw isAdopted(config.dataDir, known.adopted_by);
      // A standalone server's database is in its data folder, so each copy has its own.
      if (config.databaseUrl !== null && isHeldElsewhere(known, folder)) {
        return { lease_until: known.lease_until, refusal: isElsewhere(known) };
      }
      const isRenamed = config.nodeName !== null && config.nodeName !== known.name;
      if (isRenamed && known.is_leased && aloneAt === null) {
        return { lease_until: known.lease_until, refusal: hasOtherName(config, known) };
      }
      const isBehind = folder.epoch !== null && folder.epoch < known.epoch;
      if (config.databaseUrl !== null && isBehind) throw isOutdated(config, known);
      requireFreeName(all, config.nodeName, known.id);
      if (config.nodeName === null && all.length > 1) throw needsName(known.name);
      return start(tx, folder, config, known, version);
    }
    const upgraded = all.find((node) => node.folder === null);
    if (upgraded) {
      if (!folder.isUsed && (await hasProjects(tx, upgraded.id))) throw notTheFolder(upgraded);
      writeNodeId(config.dataDir, upgraded.id);
      return start(tx, identifyDataFolder(config.dataDir), config, upgraded, version);
    }
    if (all.length > 0) {
      if (folder.isUsed) throw otherDatabase(config.dataDir);
      requireCluster(all, config.nodeName);
      requireFreeName(all, config.nodeName, null);
    }
    return start(tx, folder, config, null, version);
  });
}

/** A node whose lease another server holds. */
interface Held {
  lease_until: string | null;
  /** The error if that server goes on. */
  refusal: ConfigError;
}

async function start(
  tx: Queryable,
  { id, place, host, folder }: DataFolderIdentity,
  config: NodeInput["config"],
  before: RegisteredNode | null,
  version: string,
): Promise<OwnNode> {
  const name = config.nodeName ?? before?.name ?? DEFAULT_NAME;
  const url = config.nodeUrl;
  // Several processes on one folder share an epoch, also after an outage of the database.
  const isJoining = before !== null && before.place === place && before.folder === folder;
  if (before && !isJoining) await lockEpoch(tx, id);
  const isNext = before !== null && !isJoining;
  const epoch = await saveStart(tx, { id, name, url, place, host, folder, version }, isNext);
  // Before the commit: the folder that is served is never behind the database.
  writeEpoch(config.dataDir, id, epoch);
  await openNodeQueues(tx, id);
  return { id, name, url, epoch };
}

/** Whether another machine, or a copy of the folder, holds the lease. */
function isHeldElsewhere(node: RegisteredNode, own: DataFolderIdentity): boolean {
  if (!node.is_leased) return false;
  // The lock of the data folder excludes other containers of this machine on the same folder.
  return !(node.place?.startsWith(own.boot) && node.folder === own.folder);
}

function requireFreeName(
  all: readonly RegisteredNode[],
  name: string | null,
  own: string | null,
): void {
  const holder = all.find((node) => node.name === name && node.id !== own);
  if (!holder) return;
  throw new ConfigError(
    `OMOI_NODE_NAME ${name} belongs to the data folder of another server${atHost(holder)}; choose another name, or start this server with that folder`,
  );
}

function requireCluster(all: readonly RegisteredNode[], name: string | null): void {
  const names = all.map((node) => node.name).join(", ");
  if (name === null) {
    throw new ConfigError(
      `The database belongs to the data folder of another server (${names}); set OMOI_DATA_DIR to that folder, or OMOI_NODE_NAME to add this server as a node`,
    );
  }
  const alone = all.find(({ url }) => url === null);
  if (!alone) return;
  throw new ConfigError(
    `The server ${alone.name}${atHost(alone)} serves this database alone; start it with OMOI_NODE_NAME, OMOI_NODE_URL and OMOI_CLUSTER_SECRET first, then this one`,
  );
}

function needsName(name: string): ConfigError {
  return new ConfigError(
    `Other servers share the database of this one; set OMOI_NODE_NAME to ${name}, with OMOI_NODE_URL and OMOI_CLUSTER_SECRET`,
  );
}

function notTheFolder({ id, name }: RegisteredNode): ConfigError {
  return new ConfigError(
    `The projects of this database are in the data folder of the server ${name}, which has not started since its upgrade; start that one first, or set OMOI_DATA_DIR to its folder. If that folder is lost, write {"id":"${id}"} to the file ${nodeFile} of this one`,
  );
}

function otherDatabase(dataDir: string): ConfigError {
  return new ConfigError(
    `${dataDir} belongs to another database; set OMOI_DATABASE_URL to that one, or OMOI_DATA_DIR to a new folder`,
  );
}

function isAdopted(dataDir: string, by: string): ConfigError {
  return new ConfigError(
    `The server ${by} has taken over the projects of ${dataDir}, which is out of date; set OMOI_DATA_DIR to a new folder`,
  );
}

/** The folder was copied, and the node was served from the copy. */
function isOutdated({ dataDir }: Pick<Config, "dataDir">, node: RegisteredNode): ConfigError {
  return new ConfigError(
    `${dataDir} is out of date: the server ${node.name}${atHost(node)} has served a newer copy of it since; start that one, or set OMOI_DATA_DIR to a new folder and choose another OMOI_NODE_NAME. If no newer copy is left, delete ${join(dataDir, epochFile)}: what was done after this copy is missing then, as omoi admin verify lists`,
  );
}

function isElsewhere(node: RegisteredNode): ConfigError {
  return new ConfigError(
    `A server with the same data folder is running${atHost(node)}: a copy of a folder in use cannot be served. Stop that server and wait ${LEASE_SECONDS} s, or set OMOI_DATA_DIR to a new folder`,
  );
}

/** Requests of its projects would be sent to the server that came last. */
function hasOtherName(
  { dataDir, nodeName }: NodeInput["config"],
  node: RegisteredNode,
): ConfigError {
  return new ConfigError(
    `The server ${node.name}${atHost(node)} uses ${dataDir}; stop it before you start ${nodeName} with this folder, or set OMOI_DATA_DIR to a new one`,
  );
}

const atHost = ({ host }: { host: string | null }): string =>
  host === null ? "" : ` at the host ${host}`;
