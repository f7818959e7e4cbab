import { existsSync, mkdirSync, readFileSync, writeFileSync, accessSync, constants } from "node:fs";
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { RunLimits } from "#shared/api/runs.js";
import { normalNetwork } from "./http/network.js";
import { senderOf, smtpServerOf, type Sender, type SmtpServer } from "./mail/settings.js";

/** What the operator may set. The only reader of `process.env`; each variable is documented here. */
export interface Config {
  /** OMOI_HOST, OMOI_PORT: where it listens. Port 0 takes a free one. */
  host: string;
  port: number;
  /** OMOI_PUBLIC_URL: what links, the git remote and examples show; no slash at the end. Null: from the address it listens on. */
  publicUrl: string | null;
  /** OMOI_DATA_DIR: absolute. The embedded database, repositories, workspaces, the secret file. */
  dataDir: string;
  /** OMOI_DATABASE_URL: a PostgreSQL 15 or newer; null runs the embedded one. Its role owns the database. */
  databaseUrl: string | null;
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
  /** OMOI_SANDBOX: `required` refuses a command that cannot be confined; `off` runs it all the same. */
  sandbox: "required" | "off";
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
  /** OMOI_RUN_TIMEOUT_SECONDS: of a run that names none. */
  runTimeoutSeconds: number;
  /** OMOI_RUN_STOP_GRACE_SECONDS: between the TERM and the KILL of a run that is stopped. */
  runStopGraceSeconds: number;
  /** OMOI_RUN_LOG_DAYS: how long the logs of runs are kept. */
  runLogDays: number;
  /** OMOI_SHUTDOWN_RUNS: what SIGTERM does to runs: `stop` ends them, `drain` waits for their own end. */
  shutdownRuns: "stop" | "drain";
  /** OMOI_LOG_LEVEL */
  logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

export interface OidcSettings {
  issuer: string;
  clientId: string;
  clientSecret: string;
  name: string;
}

/** A start that cannot succeed: one line that names the variable and the cure. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Environment = Record<string, string | undefined>;

const known = new Set([
  "OMOI_HOST",
  "OMOI_PORT",
  "OMOI_PUBLIC_URL",
  "OMOI_DATA_DIR",
  "OMOI_DATABASE_URL",
  "OMOI_DATABASE_APP_URL",
  "OMOI_SECRET",
  "OMOI_REGISTRATION",
  "OMOI_INVITATION_DAYS",
  "OMOI_OIDC_ISSUER",
  "OMOI_OIDC_CLIENT_ID",
  "OMOI_OIDC_CLIENT_SECRET",
  "OMOI_OIDC_NAME",
  "OMOI_IMPORT_ROOTS",
  "OMOI_IMPORT_PRIVATE_HOSTS",
  "OMOI_AGENT_UID",
  "OMOI_SANDBOX",
  "OMOI_SANDBOX_READONLY",
  "OMOI_DOCKER_SOCKET",
  "OMOI_DOCKER_IMAGE",
  "OMOI_IMPORT_CA_FILE",
  "OMOI_MAX_IMPORT_BYTES",
  "OMOI_FOLDER_DRIVER",
  "OMOI_KEY_PREFIX",
  "OMOI_MAX_KEY_DAYS",
  "OMOI_MAX_CONCURRENT_AGENTS",
  "OMOI_MAX_RUNTIME_HOURS",
  "OMOI_MAX_PUSH_MIB",
  "OMOI_TRUSTED_PROXIES",
  "OMOI_SMTP_URL",
  "OMOI_MAIL_FROM",
  "OMOI_RUN_MEMORY_MIB",
  "OMOI_RUN_PROCESSES",
  "OMOI_RUN_CPUS",
  "OMOI_RUN_DISK_MIB",
  "OMOI_RUN_OUTPUT_MIB",
  "OMOI_RUN_TIMEOUT_SECONDS",
  "OMOI_RUN_STOP_GRACE_SECONDS",
  "OMOI_RUN_LOG_DAYS",
  "OMOI_SHUTDOWN_RUNS",
  "OMOI_LOG_LEVEL",
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
    publicUrl: webAddress(env, "OMOI_PUBLIC_URL"),
    dataDir,
    databaseUrl: postgresUrl(env, "OMOI_DATABASE_URL"),
    databaseAppUrl: postgresUrl(env, "OMOI_DATABASE_APP_URL"),
    registration: oneOf(env, "OMOI_REGISTRATION", ["open", "invite", "closed"], "open"),
    invitationDays: wholeNumber(env, "OMOI_INVITATION_DAYS", 7, 1, 90),
    oidc: oidcSettings(env),
    importRoots: folders(env, "OMOI_IMPORT_ROOTS"),
    importPrivateHosts:
      oneOf(env, "OMOI_IMPORT_PRIVATE_HOSTS", ["true", "false"], "false") === "true",
    agentUid: wholeNumber(env, "OMOI_AGENT_UID", 60_861, 1, 2 ** 31 - 2),
    sandbox: oneOf(env, "OMOI_SANDBOX", ["required", "off"], "required"),
    dockerSocket: env["OMOI_DOCKER_SOCKET"] || "/var/run/docker.sock",
    dockerImage: env["OMOI_DOCKER_IMAGE"] || "node:20",
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
    smtp: smtpServer(env),
    mailFrom: sender(env),
    runLimits: runLimits(env),
    runTimeoutSeconds: wholeNumber(env, "OMOI_RUN_TIMEOUT_SECONDS", 6 * 3600, 1, 14 * 86_400),
    runStopGraceSeconds: wholeNumber(env, "OMOI_RUN_STOP_GRACE_SECONDS", 10, 0, 300),
    runLogDays: wholeNumber(env, "OMOI_RUN_LOG_DAYS", 30, 1, 3650),
    shutdownRuns: oneOf(env, "OMOI_SHUTDOWN_RUNS", ["stop", "drain"], "stop"),
    logLevel: oneOf(env, "OMOI_LOG_LEVEL", ["debug", "info", "warn", "error", "silent"], "info"),
  };
  if (config.databaseAppUrl !== null && config.databaseUrl === null) {
    throw new ConfigError("OMOI_DATABASE_APP_URL needs OMOI_DATABASE_URL; set both or neither");
  }
  makeDataDir(dataDir);
  return { ...config, secret: readSecret(env, dataDir) };
}

function makeDataDir(dataDir: string): void {
  try {
    // Traversable, not readable: an embedded PostgreSQL of another uid lives below it.
    makeFolder(dataDir, 0o711);
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(
      `The data folder ${dataDir} cannot be written (${why}); make it writable, or set OMOI_DATA_DIR to another folder`,
    );
  }
}

/** As mkdir -p. Node's own, with `recursive`, never returns where a file system such as /proc refuses. */
function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path), 0o755);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function readSecret(env: Environment, dataDir: string): string {
  const given = env["OMOI_SECRET"];
  if (given !== undefined && given !== "") {
    if (given.length < 32) {
      throw new ConfigError(
        "OMOI_SECRET must be at least 32 characters; make one with: openssl rand -hex 32",
      );
    }
    return given;
  }
  const file = join(dataDir, "secret");
  try {
    if (!existsSync(file)) {
      // "wx": of two first starts at once, one makes it and both read it.
      writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw new ConfigError(
        `The secret file ${file} cannot be made; set OMOI_SECRET, or OMOI_DATA_DIR to another folder`,
      );
    }
  }
  const secret = readFileSync(file, "utf8").trim();
  if (secret.length < 32) {
    throw new ConfigError(
      `The secret file ${file} is damaged; restore it from a backup, or set OMOI_SECRET`,
    );
  }
  return secret;
}

function wholeNumber(
  env: Environment,
  variable: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const text = env[variable];
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new ConfigError(
      `${variable} must be a whole number from ${min} to ${max}, not "${text}"`,
    );
  }
  return value;
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

function oneOf<const Value extends string>(
  env: Environment,
  variable: string,
  values: readonly Value[],
  fallback: NoInfer<Value>,
): Value {
  const text = env[variable];
  if (text === undefined || text === "") return fallback;
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) {
    throw new ConfigError(`${variable} must be one of ${values.join(", ")}, not "${text}"`);
  }
  return value;
}

function webAddress(env: Environment, variable: string): string | null {
  const text = env[variable];
  if (text === undefined || text === "") return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (
    !url ||
    !["http:", "https:"].includes(url.protocol) ||
    url.search ||
    url.hash ||
    url.username
  ) {
    throw new ConfigError(
      `${variable} must be an http(s) address such as https://omoi.example.com, not "${text}"`,
    );
  }
  return url.href.replace(/\/+$/, "");
}

function oidcSettings(env: Environment): OidcSettings | null {
  const isSet = webAddress(env, "OMOI_OIDC_ISSUER") !== null;
  const given = ["OMOI_OIDC_CLIENT_ID", "OMOI_OIDC_CLIENT_SECRET", "OMOI_OIDC_NAME"].find(
    (variable) => env[variable],
  );
  if (!isSet) {
    if (given === undefined) return null;
    throw new ConfigError(`${given} needs OMOI_OIDC_ISSUER; set it too, or remove ${given}`);
  }
  // With its slash at the end, where it has one: providers differ by it.
  const { href: issuer, protocol, hostname } = new URL(env["OMOI_OIDC_ISSUER"] as string);
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol === "http:" && !isLoopback) {
    throw new ConfigError(
      `OMOI_OIDC_ISSUER must begin with https:// (http:// only on this machine), not "${issuer}"`,
    );
  }
  const required = (variable: string): string => {
    const text = env[variable];
    if (text) return text;
    throw new ConfigError(`OMOI_OIDC_ISSUER needs ${variable}; the identity provider gave it`);
  };
  const name = env["OMOI_OIDC_NAME"]?.trim() || hostname;
  // oxlint-disable-next-line no-control-regex -- what a button cannot show
  if (name.length > 40 || /[\u0000-\u001f\u007f]/.test(name)) {
    throw new ConfigError("OMOI_OIDC_NAME must be at most 40 visible characters");
  }
  return {
    issuer,
    clientId: required("OMOI_OIDC_CLIENT_ID"),
    clientSecret: required("OMOI_OIDC_CLIENT_SECRET"),
    name,
  };
}

function postgresUrl(env: Environment, variable: string): string | null {
  const text = env[variable];
  if (text === undefined || text === "") return null;
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    throw new ConfigError(
      `${variable} must be an address such as postgres://user:password@host:5432/omoi`,
    );
  }
  return text;
}

function folders(env: Environment, variable: string): string[] {
  const list = (env[variable] ?? "").split(":").filter((entry) => entry !== "");
  for (const folder of list) {
    if (!isAbsolute(folder)) {
      throw new ConfigError(
        `${variable} must list absolute folders separated by ":", not "${folder}"`,
      );
    }
  }
  return list;
}

function readableFile(env: Environment, variable: string): string | null {
  const path = env[variable];
  if (path === undefined || path === "") return null;
  try {
    if (isAbsolute(path)) accessSync(path, constants.R_OK);
  } catch {
    throw new ConfigError(`${variable} names a file that cannot be read: ${path}`);
  }
  if (!isAbsolute(path))
    throw new ConfigError(`${variable} must be an absolute path, not "${path}"`);
  return path;
}

function networks(env: Environment, variable: string): string[] {
  const list = (env[variable] ?? "").split(",").filter((entry) => entry.trim() !== "");
  return list.map((entry) => {
    const network = normalNetwork(entry.trim());
    if (network === null) {
      throw new ConfigError(
        `${variable} must list networks separated by ",", such as 10.0.0.0/8,::1, not "${entry}"`,
      );
    }
    return network;
  });
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
