import { isIP } from "node:net";
import { resolve } from "node:path";
import type { RunLimits } from "#shared/api/runs.js";
import { ConfigError } from "#shared/node/config-error.js";
import {
  type Environment,
  folders,
  networks,
  type OidcSettings,
  oidcSettings,
  oneOf,
  postgresUrl,
  publicAddress,
  webAddress,
  readableFile,
  wholeNumber,
} from "./config-values.js";
import { makeDataDir, readSecret } from "../data-folder/data-folder.js";
import { senderOf, smtpServerOf, type Sender, type SmtpServer } from "./mail-settings.js";
import type { UidRange } from "#sandbox/uid-range.js";
import { settings } from "./settings.js";

/** What the operator may set. The only reader of `process.env`; settings.ts documents each variable. */
export interface Config {
  /** OMOI_HOST, OMOI_PORT: where it listens. Port 0 takes a free one. */
  host: string;
  port: number;
  /** OMOI_PUBLIC_URL: what links, the git remote and examples show, and whose pages may make changes; no slash at the end. Null: from the address it listens on. */
  publicUrl: string | null;
  /** OMOI_DATA_DIR: absolute. The embedded database, repositories, workspaces, the secret file. */
  dataDir: string;
  /** OMOI_DATABASE_URL: a PostgreSQL 15 or newer; null runs the embedded one. Its role owns the database. */
  databaseUrl: string | null;
  /**
   * OMOI_DATABASE_DIRECT_URL: PostgreSQL itself, where OMOI_DATABASE_URL leads to a pooler in transaction
   * mode. Its role owns the database.
   */
  databaseDirectUrl: string | null;
  /** OMOI_DATABASE_UID: whom the embedded one runs as, where the server runs as root. */
  databaseUid: number;
  /** OMOI_DATABASE_APP_URL: the unprivileged role to serve as, where the first may not create roles. */
  databaseAppUrl: string | null;
  /** OMOI_SECRET, or the file `secret` in the data folder: signs sessions, keys the hashes of API keys. */
  secret: string;
  /**
   * OMOI_REGISTRATION: who may make an account. `open`: everybody; `invite`: whoever was invited, with
   * the invitation's link; `closed`: nobody. The first person always may.
   */
  registration: "open" | "invite" | "closed";
  /** OMOI_INVITATION_DAYS: how long an invitation can be accepted. */
  invitationDays: number;
  /**
   * OMOI_OIDC_ISSUER, OMOI_OIDC_CLIENT_ID, OMOI_OIDC_CLIENT_SECRET: an identity provider to sign in by
   * (OpenID Connect); OMOI_OIDC_NAME: what its button is called. Null: none. Its redirect address is
   * `<public url>/api/v1/auth/oidc/callback`.
   */
  oidc: OidcSettings | null;
  /** OMOI_IMPORT_ROOTS: folders, separated by `:`, that `file://` imports may come from. */
  importRoots: string[];
  /** OMOI_IMPORT_PRIVATE_HOSTS: `true` lets imports reach private and loopback addresses. */
  importPrivateHosts: boolean;
  /**
   * OMOI_AGENT_UID: whom agents' files belong to and their commands run as, user and group alike, where
   * the server runs as root.
   */
  agentUid: number;
  /** OMOI_NETWORK_UID: whom the programs run as that connect runs with network, where the server is root. */
  networkUid: number;
  /**
   * OMOI_SANDBOX_UIDS: the uids of runs, one for each workspace, where the server runs as root; null
   * (`shared`): all have OMOI_AGENT_UID.
   */
  sandboxUids: UidRange | null;
  /**
   * OMOI_SANDBOX: `required` refuses a command that cannot be confined, `gvisor` one that has no kernel of
   * its own, too; `off` runs it all the same.
   */
  sandbox: "required" | "gvisor" | "off";
  /** OMOI_DOCKER_SOCKET: where a Docker engine listens that runs the commands of docker workspaces. */
  dockerSocket: string;
  /** OMOI_DOCKER_IMAGE: the image that they run in; the engine has it already. */
  dockerImage: string;
  /** OMOI_SANDBOX_READONLY: further folders, separated by `:`, with tools that commands may use. */
  sandboxReadOnly: string[];
  /** OMOI_IMPORT_CA_FILE: authorities (PEM) whose certificates upstreams may show, in place of the machine's. */
  importCaFile: string | null;
  /** OMOI_MAX_IMPORT_BYTES: how much one import or fetch may bring in; the system ends it above. */
  maxImportBytes: number;
  /**
   * OMOI_FOLDER_DRIVER: how agents' folders are made. `overlay`: mounted over files that are shared, in
   * constant time; `checkout`: written file by file; `auto`: mounted where that works.
   */
  folderDriver: "auto" | "overlay" | "checkout";
  /** OMOI_KEY_PREFIX: what API keys start with. */
  keyPrefix: string;
  /** OMOI_MAX_KEY_DAYS: how long API keys may live at most; 0: as long as their makers like. */
  maxKeyDays: number;
  /** OMOI_MAX_CONCURRENT_AGENTS, OMOI_MAX_RUNTIME_HOURS: ceilings of every organization's limits. */
  maxConcurrentAgents: number;
  maxRuntimeHours: number;
  /** OMOI_MAX_PUSH_MIB: how much one push may bring, in MiB. */
  maxPushMib: number;
  /**
   * OMOI_TRUSTED_PROXIES: networks, separated by `,`, of the proxies in front; X-Forwarded-For and the
   * like are believed from them alone.
   */
  trustedProxies: string[];
  /** OMOI_REQUEST_TIMEOUT_SECONDS: how long a request's headers may take to arrive, and its body. */
  requestTimeoutSeconds: number;
  /** OMOI_MAX_CONNECTIONS_PER_ADDRESS: how many connections one address may have open; 0: any number. */
  maxConnectionsPerAddress: number;
  /** OMOI_SMTP_URL: the mail server, with its credentials; null writes mail to the folder `outbox`. */
  smtp: SmtpServer | null;
  /** OMOI_MAIL_FROM: who mail comes from; null: `Omoi <omoi@host>`, by the public address. */
  mailFrom: Sender | null;
  /**
   * OMOI_RUN_MEMORY_MIB, OMOI_RUN_PROCESSES, OMOI_RUN_CPUS, OMOI_RUN_DISK_MIB, OMOI_RUN_OUTPUT_MIB: what
   * a managed run may use. 0 processors or MiB of disk: no limit of its own. Without OMOI_RUN_CPUS two
   * processors, where that can be held.
   */
  runLimits: Omit<RunLimits, "cpus"> & { cpus: number | null | "as held" };
  /** OMOI_RUN_FILES: files and folders that a run's workspace may hold; null: as the disk allows. */
  runFiles: number | null;
  /** OMOI_RUN_TIMEOUT_SECONDS: of a run that names none. */
  runTimeoutSeconds: number;
  /** OMOI_RUN_STOP_GRACE_SECONDS: between the TERM and the KILL of a run that is stopped. */
  runStopGraceSeconds: number;
  /** OMOI_RUN_LOG_DAYS: how long the logs of runs are kept. */
  runLogDays: number;
  /** OMOI_SHUTDOWN_RUNS: what SIGTERM does to runs: `stop` ends them, `drain` waits for their own end. */
  shutdownRuns: "stop" | "drain";
  /** OMOI_METRICS_TOKEN: what `/metrics` asks callers of other machines for; null: it answers none of them. */
  metricsToken: string | null;
  /**
   * OTEL_EXPORTER_OTLP_ENDPOINT: where traces and metrics are exported to, by OTLP over HTTP;
   * OTEL_METRIC_EXPORT_INTERVAL: milliseconds between two exports of metrics. Null: nothing is exported.
   */
  telemetry: { endpoint: string; metricIntervalMs: number } | null;
  /** OMOI_LOG_LEVEL */
  logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

const known = new Set([
  ...settings.flatMap(({ names }) => names),
  "OMOI_TEST_DATABASE_URL", // read by the tests alone
  "OMOI_DEV_API", // read by the development server of the web app alone
]);

/**
 * Reads and checks the configuration; makes the data folder and the secret file on first start.
 * @throws ConfigError naming the variable and the cure.
 */
export function readConfig(env: Environment = process.env): Config {
  for (const variable of Object.keys(env)) {
    if (variable.startsWith("OMOI_") && !known.has(variable)) {
      throw new ConfigError(
        `${variable} is not a setting of Omoi; remove it, or correct its name (known: ${[...known].slice(0, -2).join(", ")})`,
      );
    }
  }
  const dataDir = resolve(env["OMOI_DATA_DIR"] || "data");
  const host = env["OMOI_HOST"] || "127.0.0.1";
  if (!/^[A-Za-z0-9.:-]+$/.test(host)) {
    throw new ConfigError(
      `OMOI_HOST must be a host name or an address, such as 127.0.0.1, not "${host}"`,
    );
  }
  const config: Omit<Config, "secret"> = {
    host,
    port: wholeNumber(env, "OMOI_PORT", 8080, 0, 65_535),
    publicUrl: publicAddress(env, "OMOI_PUBLIC_URL"),
    dataDir,
    databaseUrl: postgresUrl(env, "OMOI_DATABASE_URL"),
    databaseAppUrl: postgresUrl(env, "OMOI_DATABASE_APP_URL"),
    databaseDirectUrl: postgresUrl(env, "OMOI_DATABASE_DIRECT_URL"),
    databaseUid: wholeNumber(env, "OMOI_DATABASE_UID", 60_859, 1, 2 ** 31 - 2),
    registration: oneOf(env, "OMOI_REGISTRATION", ["open", "invite", "closed"], "open"),
    invitationDays: wholeNumber(env, "OMOI_INVITATION_DAYS", 7, 1, 90),
    oidc: oidcSettings(env),
    importRoots: folders(env, "OMOI_IMPORT_ROOTS"),
    importPrivateHosts:
      oneOf(env, "OMOI_IMPORT_PRIVATE_HOSTS", ["true", "false"], "false") === "true",
    agentUid: wholeNumber(env, "OMOI_AGENT_UID", 60_861, 1, 2 ** 31 - 2),
    networkUid: wholeNumber(env, "OMOI_NETWORK_UID", 60_860, 1, 2 ** 31 - 2),
    sandboxUids: sandboxUids(env),
    sandbox: oneOf(env, "OMOI_SANDBOX", ["required", "gvisor", "off"], "required"),
    dockerSocket: env["OMOI_DOCKER_SOCKET"] || "/var/run/docker.sock",
    dockerImage: env["OMOI_DOCKER_IMAGE"] || "node:24",
    sandboxReadOnly: folders(env, "OMOI_SANDBOX_READONLY"),
    importCaFile: readableFile(env, "OMOI_IMPORT_CA_FILE"),
    maxImportBytes: wholeNumber(env, "OMOI_MAX_IMPORT_BYTES", 10 * 2 ** 30, 1, 2 ** 50),
    folderDriver: oneOf(env, "OMOI_FOLDER_DRIVER", ["auto", "overlay", "checkout"], "auto"),
    keyPrefix: keyPrefix(env),
    maxKeyDays: wholeNumber(env, "OMOI_MAX_KEY_DAYS", 0, 0, 3650),
    maxConcurrentAgents: wholeNumber(env, "OMOI_MAX_CONCURRENT_AGENTS", 10_000, 1, 10_000),
    maxRuntimeHours: wholeNumber(env, "OMOI_MAX_RUNTIME_HOURS", 1_000_000, 0, 1_000_000),
    maxPushMib: wholeNumber(env, "OMOI_MAX_PUSH_MIB", 2048, 1, 1_048_576),
    trustedProxies: networks(env, "OMOI_TRUSTED_PROXIES"),
    requestTimeoutSeconds: wholeNumber(env, "OMOI_REQUEST_TIMEOUT_SECONDS", 60, 1, 3600),
    maxConnectionsPerAddress: wholeNumber(
      env,
      "OMOI_MAX_CONNECTIONS_PER_ADDRESS",
      1000,
      0,
      100_000,
    ),
    smtp: smtpServer(env),
    mailFrom: sender(env),
    runLimits: runLimits(env),
    runFiles: wholeNumber(env, "OMOI_RUN_FILES", 1_000_000, 0, 1_000_000_000) || null,
    runTimeoutSeconds: wholeNumber(env, "OMOI_RUN_TIMEOUT_SECONDS", 6 * 3600, 1, 14 * 86_400),
    runStopGraceSeconds: wholeNumber(env, "OMOI_RUN_STOP_GRACE_SECONDS", 10, 0, 300),
    runLogDays: wholeNumber(env, "OMOI_RUN_LOG_DAYS", 30, 1, 3650),
    shutdownRuns: oneOf(env, "OMOI_SHUTDOWN_RUNS", ["stop", "drain"], "stop"),
    metricsToken: metricsToken(env),
    telemetry: telemetry(env),
    logLevel: oneOf(env, "OMOI_LOG_LEVEL", ["debug", "info", "warn", "error", "silent"], "info"),
  };
  for (const variable of ["OMOI_DATABASE_APP_URL", "OMOI_DATABASE_DIRECT_URL"]) {
    if (env[variable] && config.databaseUrl === null) {
      throw new ConfigError(`${variable} needs OMOI_DATABASE_URL; set both or neither`);
    }
  }
  const { databaseUid, networkUid, agentUid } = config;
  if (new Set([databaseUid, networkUid, agentUid]).size < 3) {
    throw new ConfigError(
      "OMOI_DATABASE_UID, OMOI_NETWORK_UID and OMOI_AGENT_UID must be three users; a run must be none of the others",
    );
  }
  makeDataDir(dataDir);
  return { ...config, secret: readSecret(env, dataDir) };
}

/** The default range is used by no distribution, container manager or systemd (systemd.io/UIDS-GIDS). */
const defaultUids = "1900000000-1900065535";

function sandboxUids(env: Environment): UidRange | null {
  const text = env["OMOI_SANDBOX_UIDS"] || defaultUids;
  if (text === "shared") return null;
  const [first = 0, last = 0] = (/^(\d{1,10})-(\d{1,10})$/.exec(text)?.slice(1) ?? []).map(Number);
  const agentUid = Number(env["OMOI_AGENT_UID"] || 0);
  const hasAgents = first <= agentUid && agentUid <= last;
  if (first < 1000 || last <= first || last > 2 ** 31 - 2 || hasAgents) {
    throw new ConfigError(
      `OMOI_SANDBOX_UIDS must be a range of uids such as ${defaultUids}, from 1000 to ${2 ** 31 - 2} and without OMOI_AGENT_UID, or "shared", not "${text}"`,
    );
  }
  return { first, last };
}

function runLimits(env: Environment): Config["runLimits"] {
  const mib = 1024 * 1024;
  const disk = wholeNumber(env, "OMOI_RUN_DISK_MIB", 10 * 1024, 0, 1024 * 1024);
  const cpus = env["OMOI_RUN_CPUS"] ?? "";
  if (cpus !== "" && !(/^\d+(\.\d+)?$/.test(cpus) && Number(cpus) <= 1024)) {
    throw new ConfigError(
      `OMOI_RUN_CPUS must be a number of processors such as 1.5, or 0 for no limit, not "${cpus}"`,
    );
  }
  return {
    memory_bytes: wholeNumber(env, "OMOI_RUN_MEMORY_MIB", 4096, 32, 1024 * 1024) * mib,
    processes: wholeNumber(env, "OMOI_RUN_PROCESSES", 512, 8, 100_000),
    cpus: cpus === "" ? "as held" : Number(cpus) || null,
    disk_bytes: disk === 0 ? null : disk * mib,
    output_bytes: wholeNumber(env, "OMOI_RUN_OUTPUT_MIB", 64, 1, 1024 * 1024) * mib,
  };
}

function metricsToken(env: Environment): string | null {
  const text = env["OMOI_METRICS_TOKEN"];
  if (text === undefined || text === "") return null;
  if (!/^[\x21-\x7e]{16,512}$/.test(text)) {
    throw new ConfigError(
      "OMOI_METRICS_TOKEN must be 16 to 512 characters without spaces, such as the output of: openssl rand -hex 32",
    );
  }
  return text;
}

function telemetry(env: Environment): Config["telemetry"] {
  const endpoint = webAddress(env, "OTEL_EXPORTER_OTLP_ENDPOINT");
  if (endpoint === null) return null;
  const dayMs = 86_400_000;
  const metricIntervalMs = wholeNumber(env, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, 100, dayMs);
  return { endpoint, metricIntervalMs };
}

function keyPrefix(env: Environment): string {
  const text = env["OMOI_KEY_PREFIX"] || "sk_live_";
  if (!/^[a-z][a-z0-9_]{0,18}_$/.test(text)) {
    throw new ConfigError(
      `OMOI_KEY_PREFIX must be lower-case letters, digits and "_", ending in "_", not "${text}"`,
    );
  }
  return text;
}

function smtpServer(env: Environment): SmtpServer | null {
  const text = env["OMOI_SMTP_URL"];
  if (text === undefined || text === "") return null;
  const server = smtpServerOf(text);
  // Not repeated: it holds a password.
  if (!server) {
    throw new ConfigError(
      "OMOI_SMTP_URL must be an address such as smtp://user:password@mail.example.com:587 or smtps://…:465; write what is special in the password as %40 and the like",
    );
  }
  return server;
}

function sender(env: Environment): Sender | null {
  const text = env["OMOI_MAIL_FROM"];
  if (text === undefined || text === "") return null;
  const found = senderOf(text);
  if (!found) {
    throw new ConfigError(
      `OMOI_MAIL_FROM must be one address such as Omoi <omoi@example.com>, not ${JSON.stringify(text)}`,
    );
  }
  return found;
}

/** The public address, from the configuration or from where it listens. */
export function publicUrlOf(config: Pick<Config, "publicUrl" | "host">, port: number): string {
  if (config.publicUrl !== null) return config.publicUrl;
  const anywhere = config.host === "0.0.0.0" || config.host === "::";
  const host = anywhere ? "127.0.0.1" : isIP(config.host) === 6 ? `[${config.host}]` : config.host;
  return `http://${host}:${port}`;
}
