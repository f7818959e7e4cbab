import { isIP } from "node:net";
import { ConfigError } from "#shared/node/config-error.js";
import { isLoopbackHost } from "#shared/node/networks.js";
import { makeDataDir, readSecret } from "../data-folder/data-folder.js";
import type { Setting, SettingGroup } from "./setting.js";
import { uidRangeError } from "./setting-types.js";
import { allSettings, settings } from "./settings.js";

type Environment = Record<string, string | undefined>;

type Values = {
  [Key in keyof typeof settings]: (typeof settings)[Key] extends
    | Setting<infer Value>
    | SettingGroup<infer Value>
    ? Value
    : never;
};

/** The configuration of a server. `settings.ts` documents each value. */
export type Config = Omit<Values, "secret" | "registration" | "runFiles"> & {
  secret: string;
  registration: NonNullable<Values["registration"]>;
  /** Null: no limit. */
  runFiles: number | null;
};

export type OidcSettings = NonNullable<Config["oidc"]>;

/** Variables that the test suite and the web app's development server read. */
const developmentVariables = new Set(["OMOI_TEST_DATABASE_URL", "OMOI_DEV_API"]);

/**
 * Reads and checks the configuration. Creates the data folder and the secret file on the first start.
 * @throws ConfigError naming the variable and the cure
 */
export function readConfig(env: Environment = process.env): Config {
  rejectUnknown(env);
  const readOne = <Value>(setting: Setting<Value>): Value => readSetting(setting, env);
  const values = Object.fromEntries(
    Object.entries(settings).map(([key, entry]) => [
      key,
      "settings" in entry ? entry.read(readOne) : readOne<unknown>(entry),
    ]),
  ) as Values;
  requireOthers(env);
  checkUsers(values);
  checkBackups(values);
  makeDataDir(values.dataDir);
  return {
    ...values,
    secret: values.secret ?? readSecret(values.dataDir),
    registration: values.registration ?? defaultRegistration(values),
    runFiles: values.runFiles === "auto" ? defaultFiles(values.runLimits) : values.runFiles,
  };
}

/** Admits strangers only where no other machine is served. */
function defaultRegistration({ host, publicUrl }: Values): "open" | "invite" {
  const served = [host, ...(publicUrl === null ? [] : [new URL(publicUrl).hostname])];
  return served.every(isLoopbackHost) ? "open" : "invite";
}

/** A file with content takes at least 4 KiB, so that only empty files and links are limited earlier than bytes. */
function defaultFiles({ disk_bytes: bytes }: Values["runLimits"]): number {
  const most = 1_000_000;
  return bytes === null ? most : Math.min(most, bytes / 4096);
}

/**
 * Reads one setting and checks it without regard to the others.
 * @throws ConfigError naming the variable and the cure
 */
export function readSetting<Value>(
  { variable, type, default: fallback }: Setting<Value>,
  env: Environment = process.env,
): Value {
  const text = env[variable] || fallback;
  // A setting without a default has a type that includes null.
  if (text === null) return null as Value;
  const result = type.safeParse(text);
  if (result.success) return result.data;
  throw new ConfigError(`${variable} ${result.error.issues[0]?.message}`);
}

function rejectUnknown(env: Environment): void {
  const known = allSettings.map(({ variable }) => variable);
  for (const name of Object.keys(env)) {
    if (!name.startsWith("OMOI_") || known.includes(name) || developmentVariables.has(name)) {
      continue;
    }
    throw new ConfigError(
      `${name} is not a setting of Omoi; remove it, or correct its name (known: ${known.join(", ")})`,
    );
  }
}

function requireOthers(env: Environment): void {
  for (const { variable, requires = [] } of allSettings) {
    const missing = env[variable] ? requires.find((name) => !env[name]) : undefined;
    if (missing === undefined) continue;
    throw new ConfigError(`${variable} needs ${missing}; set it too, or remove ${variable}`);
  }
}

function checkUsers({ databaseUid, networkUid, agentUid, sandboxUids }: Values): void {
  if (new Set([databaseUid, networkUid, agentUid]).size < 3) {
    throw new ConfigError(
      "OMOI_DATABASE_UID, OMOI_NETWORK_UID and OMOI_AGENT_UID must be three users; a run must be none of the others",
    );
  }
  if (sandboxUids && sandboxUids.first <= agentUid && agentUid <= sandboxUids.last) {
    throw new ConfigError(`OMOI_SANDBOX_UIDS ${uidRangeError(sandboxUids)}`);
  }
}

function checkBackups({ backups, objectStorage, dataDir }: Values): void {
  const repository = backups?.repository ?? "";
  if (repository.startsWith("s3://") && objectStorage === null) {
    throw new ConfigError(
      "OMOI_BACKUP_REPOSITORY needs OMOI_S3_ENDPOINT, OMOI_S3_ACCESS_KEY_ID and OMOI_S3_SECRET_ACCESS_KEY; set them too",
    );
  }
  if (`${repository}/`.startsWith(`${dataDir}/`)) {
    throw new ConfigError(
      `OMOI_BACKUP_REPOSITORY is in the data folder ${dataDir} and would be lost with it; set it to a folder elsewhere`,
    );
  }
}

/** Returns OMOI_PUBLIC_URL, or else the address that the server listens on. */
export function publicUrlOf(config: Pick<Config, "publicUrl" | "host">, port: number): string {
  if (config.publicUrl !== null) return config.publicUrl;
  const anywhere = config.host === "0.0.0.0" || config.host === "::";
  const host = anywhere ? "127.0.0.1" : isIP(config.host) === 6 ? `[${config.host}]` : config.host;
  return `http://${host}:${port}`;
}
