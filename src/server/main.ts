import { join } from "node:path";
import { pino } from "pino";
import { recoverSecretAtStart } from "./admin/recover-secret.js";
import { buildApp } from "./app.js";
import { startScheduledBackups } from "./backup/scheduled-backups.js";
import { closeAll } from "./close-all.js";
import { identifyDataFolder } from "./cluster/data-folder-identity.js";
import { ConfigError } from "#shared/node/config-error.js";
import { workspaceBusy } from "./errors.js";
import { publicUrlOf, readConfig, type Config } from "./config/config.js";
import { restrictDataDir, rejectPartialRestore } from "./data-folder/data-folder.js";
import { lockDataFolder } from "./data-folder/data-folder-lock.js";
import { databaseAddress } from "./db/connection/address.js";
import { openDatabase } from "./db/connection/connect.js";
import { recordServing } from "./db/migrate.js";
import { EmbeddedPostgresError, startEmbeddedPostgres } from "./db/embedded/embedded.js";
import { GitError, gitVersion } from "#git/process/run.js";
import { storageIn } from "./data-folder/storage.js";
import { openSandbox } from "#sandbox/open-sandbox.js";
import { isOwnSandbox } from "#sandbox/sandbox.js";

/**
 * Maximum duration of a shutdown for requests, jobs and runs, in milliseconds. The embedded PostgreSQL
 * is stopped in any case, after its last checkpoint.
 */
const stopMs = 10_000;

/**
 * Repeated signals within this time count as one: a terminal or systemd signals every process, and a
 * parent such as npm forwards its own.
 */
const sameSignalMs = 2000;

async function main(): Promise<void> {
  let config = readConfig();
  rejectPartialRestore(config.dataDir);
  restrictDataDir(config.dataDir, config.sandbox === "off" && process.getuid?.() === 0);
  const aloneAt = await lockDataFolder(config.dataDir, config.databaseUrl === null);
  // Request lines are written asynchronously; the rest is flushed at exit.
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: false }));
  await requireGit();

  const embedded =
    config.databaseUrl === null
      ? await startEmbeddedPostgres({
          dataDir: join(config.dataDir, "postgres"),
          uid: config.databaseUid,
          onProgress: (line) => process.stderr.write(`${line}\n`),
        })
      : null;
  const closers: (() => Promise<unknown>)[] = [];
  const closeApp = (): Promise<void> => closeAll(closers.toReversed());
  const stop = (): Promise<void> => closeAll([closeApp, () => embedded?.stop()]);

  let port = config.port;
  try {
    const owner = databaseAddress(config, embedded);
    config = { ...config, secret: await recoverSecretAtStart(config, owner.owner) };
    // Runs while the database opens: probing the sandbox takes some tenths of a second.
    const opening = openSandbox(config);
    closers.push(() =>
      opening.then(
        (sandbox) => sandbox.close(),
        () => undefined,
      ),
    );
    const [db, sandbox] = await Promise.all([
      openDatabase(owner, config.secret, log, {
        dumps: storageIn(config.dataDir).dumps,
        nodeId: identifyDataFolder(config.dataDir).id,
        lockBusy: workspaceBusy,
      }).then((opened) => {
        closers.push(() => opened.close());
        return opened;
      }),
      opening,
    ]);
    if (sandbox.report.reason !== null) log.warn(sandbox.report.reason);
    const { mode, fullNetwork } = sandbox.report;
    if (isOwnSandbox(mode) && fullNetwork.reason !== null) log.warn(fullNetwork.reason);
    const app = await buildApp({
      config,
      db,
      sandbox,
      log,
      aloneAt,
      publicUrl: () => publicUrlOf(config, port),
      webDir: join(import.meta.dirname, "../web"),
      pageWaitMs: 500,
      checkResponses: false,
      onNodeLost: () => process.kill(process.pid, "SIGTERM"),
    });
    closers.push(() => app.close());
    await listen(app, config);
    await recordServing(storageIn(config.dataDir).dumps);
    const address = app.server.address();
    if (address !== null && typeof address === "object") port = address.port;
    const backups = startScheduledBackups(config, owner.owner, log);
    closers.push(() => backups.stop());
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }

  let stoppingSince: number | undefined;
  const end = (signal: string): void => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > sameSignalMs) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    log.info({ signal }, "stopping");
    // With OMOI_SHUTDOWN_RUNS=drain the stop has no limit; another signal forces it.
    const timeLimit = config.shutdownRuns === "stop" ? stopMs : null;
    closeAll([() => within(timeLimit, closeApp()), () => embedded?.stop()]).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, "shutdown failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
  // The reader of this line may stop the server immediately.
  process.stdout.write(`Omoi is ready: ${publicUrlOf(config, port)}\n`);
}

/** Resolves with the work, or rejects after `timeLimitMs` (null: no limit). */
async function within(timeLimitMs: number | null, work: Promise<void>): Promise<void> {
  if (timeLimitMs === null) return work;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new Error(`requests, jobs or runs did not end in ${timeLimitMs / 1000} s`);
    setTimeout(() => reject(error), timeLimitMs).unref();
  });
  return Promise.race([work, late]);
}

async function requireGit(): Promise<void> {
  let version;
  try {
    version = await gitVersion();
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    throw new ConfigError("git is not on the PATH; install git 2.43 or newer");
  }
  if (version.major < 2 || (version.major === 2 && version.minor < 43)) {
    throw new ConfigError(`git is ${version.text}; install git 2.43 or newer`);
  }
}

async function listen(
  app: { listen(options: { host: string; port: number }): Promise<unknown> },
  { host, port }: Config,
): Promise<void> {
  // A host name that no resolver answers for would delay the start.
  const timeout = new Promise<never>((_resolve, reject) => {
    setTimeout(
      () => reject(Object.assign(new Error("timed out"), { code: "ENOTFOUND" })),
      5000,
    ).unref();
  });
  try {
    await Promise.race([app.listen({ host, port }), timeout]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") {
      throw new ConfigError(
        `Port ${port} is in use; stop what listens there, or set OMOI_PORT to another`,
      );
    }
    if (code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw new ConfigError(
        `Cannot listen on ${host}:${port} (${code}); set OMOI_HOST and OMOI_PORT`,
      );
    }
    throw error;
  }
}

try {
  await main();
} catch (error) {
  const expected = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
  process.stderr.write(
    `omoi: ${expected ? error.message : ((error as Error).stack ?? String(error))}\n`,
  );
  process.exit(1);
}
