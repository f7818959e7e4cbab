import { isIP } from "node:net";
import { ConfigError } from "#shared/node/config-error.js";
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
export type Config = Omit<Values, "secret"> & { secret: string };

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
  makeDataDir(values.dataDir);
  return { ...values, secret: values.secret ?? readSecret(values.dataDir) };
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
    const missing = env[variable] ? requires.find((other) => !env[other]) : undefined;
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

/** Returns OMOI_PUBLIC_URL, or else the address that the server listens on. */
export function publicUrlOf(config: Pick<Config, "publicUrl" | "host">, port: number): string {
  if (config.publicUrl !== null) return config.publicUrl;
  const anywhere = config.host === "0.0.0.0" || config.host === "::";
  const host = anywhere ? "127.0.0.1" : isIP(config.host) === 6 ? `[${config.host}]` : config.host;
  return `http://${host}:${port}`;
}
