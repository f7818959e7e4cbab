import type { Server } from "node:http";
import type { Logger } from "pino";
import { DataProcesses } from "#git/merge/merge.js";
import { openDocker, type DockerSandbox } from "#sandbox/docker/docker.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { isUsable } from "#sandbox/uid-range.js";
import type { Credentials } from "../access/authenticate.js";
import type { Config } from "../config/config.js";
import { openCluster, type Cluster } from "../cluster/cluster.js";
import { homeOf } from "../cluster/home-of.js";
import { holdLease, type NodeLease } from "../cluster/node-lease.js";
import { followProjectWork, idsInKeys } from "../cluster/project-work.js";
import { registerNode, type OwnNode } from "../cluster/register-node.js";
import { defaultSender } from "../config/mail-settings.js";
import { readBuild, type Build } from "../config/read-build.js";
import { storageIn, type Storage } from "../data-folder/storage.js";
import type { Database } from "../db/connection/connect.js";
import { otherNodes, type OtherNodes } from "../http/forwarding/other-nodes.js";
import { startJobs, type Jobs } from "../jobs/queue.js";
import { outboxDelivery, smtpDelivery } from "../mail/delivery.js";
import { createMailer } from "../mail/mailer.js";
import { createKeyring, createLeakGuard, type KeyDeps } from "./identity/api-keys/index.js";
import { createAuthService, type AuthService } from "./identity/auth/index.js";
import { createEventStreams, type EventStreams } from "./operation/events/index.js";
import { isInvited } from "./organization/invitations/index.js";
import {
  createLogAccess,
  createLogStreams,
  createRunKeyring,
  type LogAccess,
  type LogStreams,
  type RunKeyring,
} from "./execution/runs/index.js";
import { openRuns, type LogStorage, type Runs } from "./execution/runs/start.js";
import type { ForgeAccess } from "./code/projects/index.js";
import {
  createForgeAccess,
  createForgeClients,
  createForgeOpener,
  type ForgeClients,
} from "./work/forges/index.js";
import { openDriver, type WorkspaceDeps } from "./code/workspaces/index.js";

/** Dependencies that the server is started with. */
export interface ServerInput {
  readonly config: Config;
  readonly db: Database;
  readonly sandbox: Sandbox;
  readonly log: Logger;
  /** A time at which no other process used the data folder (`lockDataFolder`); null if others may use it. */
  readonly aloneAt: number | null;
  /** Base address of links. Available once the server listens. */
  readonly publicUrl: () => string;
  /** Called once if another server takes over the data of this node: this one must stop. */
  readonly onNodeLost: () => void;
}

/** Shared services, built once per server process. */
export interface Services extends ServerInput {
  readonly build: Build;
  readonly node: OwnNode;
  readonly lease: NodeLease;
  /** The other nodes; null for an installation with one. */
  readonly cluster: Cluster | null;
  readonly otherNodes: OtherNodes;
  /** Whether no other process uses the database or the data folder. */
  readonly isAlone: boolean;
  /** The HTTP server, for connections accepted on other ports. */
  readonly httpServer: Server;
  readonly storage: Storage;
  readonly jobs: Jobs;
  readonly mailer: ReturnType<typeof createMailer>;
  readonly docker: DockerSandbox;
  readonly credentials: Credentials;
  readonly runTokens: RunKeyring;
  /** The readers of logs. */
  readonly logAccess: LogAccess;
  readonly logStreams: LogStreams;
  readonly auth: AuthService;
  readonly isInvited: (token: string, email: string) => Promise<boolean>;
  readonly keys: KeyDeps;
  readonly eventStreams: EventStreams;
  readonly workspaces: WorkspaceDeps;
  readonly forgeClients: ForgeClients;
  readonly forges: ForgeAccess;
  readonly ownRuns: Runs;
  readonly logStorage: LogStorage;
}

/** @throws ConfigError if this machine cannot satisfy the configuration */
export async function openServices(input: ServerInput, httpServer: Server): Promise<Services> {
  const { config, db, log, publicUrl } = input;
  const build = await readBuild();
  const node = await registerNode({
    db,
    config,
    version: build.version,
    aloneAt: input.aloneAt,
  });
  const storage = storageIn(config.dataDir);
  const driver = await openDriver(config, storage, log);
  const docker = await openDocker(config);
  const runsCommands = [input.sandbox, docker].some(({ report }) => report.mode !== "unavailable");
  const { dataDir } = config;
  const lease = holdLease(db, node, { dataDir, runsCommands }, log, input.onNodeLost);
  const work = followProjectWork(db, node.id);
  db.serveAs(node, (keys) => {
    lease.require();
    return work.require(idsInKeys(keys));
  });
  const jobs = await startJobs(db.jobPool, log, {
    id: node.id,
    homeOf: (projectId) => homeOf(db, projectId),
    isPaused: async () => (await db.maintenance()) !== null,
    lease,
    work,
  });
  const mailer = createMailer({
    jobs,
    secret: config.secret,
    deliver: config.smtp ? smtpDelivery(config.smtp) : outboxDelivery(storage.outbox),
    from: () => config.mailFrom ?? defaultSender(publicUrl()),
    log,
  });
  const hasInvitation: Services["isInvited"] = (token, email) =>
    isInvited(db, db.verificationKey, token, email);
  const auth = createAuthService(db, config, { jobs, isInvited: hasInvitation });
  // API keys are stored as HMACs under a key that survives a change of the secret.
  const settings = { ...config, secret: db.verificationKey };
  const keyring = createKeyring(db, settings, log);
  const runTokens = createRunKeyring(db, config.secret);
  const logAccess = createLogAccess();
  const keys: KeyDeps = { db, keyring, mailer, settings, publicUrl, log };
  const { sandboxUids } = config;
  const runUids = sandboxUids !== null && isUsable(sandboxUids) ? sandboxUids : null;
  log.info({ uids: runUids }, runUids === null ? "runs share a uid" : "each workspace has a uid");
  const cluster = openCluster(db, node, lease, work, config.clusterSecret);
  const isAlone = config.databaseUrl === null;
  const logStreams = createLogStreams(db.changes, logAccess);
  const forgeClients = createForgeClients(db, config.secret, createForgeOpener(config));
  const workspaces: WorkspaceDeps = {
    db,
    storage,
    jobs,
    driver,
    runUids,
    dataProcesses: new DataProcesses(),
    leaks: createLeakGuard(keys),
    log,
  };
  return {
    ...input,
    ...openRuns({
      ...input,
      httpServer,
      lease,
      jobs,
      storage,
      workspaces,
      docker,
      logAccess,
      logStreams,
      isAlone,
    }),
    build,
    node,
    lease,
    cluster,
    otherNodes: otherNodes(cluster),
    isAlone,
    httpServer,
    storage,
    jobs,
    mailer,
    docker,
    credentials: {
      accessToken: (token) => auth.actorOf("access", token),
      cookie: (value) => auth.actorOf("cookie", value),
      apiKey: (key, ip) =>
        runTokens.isToken(key) ? runTokens.actorOf(key) : keyring.actorOf(key, ip),
      consumeRateLimit: (key) => keyring.consumeRateLimit(key),
      keyPrefix: config.keyPrefix,
    },
    runTokens,
    logAccess,
    logStreams,
    auth,
    isInvited: hasInvitation,
    keys,
    eventStreams: createEventStreams(db.changes),
    workspaces,
    forgeClients,
    forges: createForgeAccess({ clients: forgeClients }),
  };
}
