import { ConfigError } from "#shared/node/config-error.js";
import { accessSync, constants } from "node:fs";
import { isAbsolute } from "node:path";
import { normalNetwork } from "#shared/node/networks.js";

export type Environment = Record<string, string | undefined>;

/*
 * Each reads one variable and checks it; empty is as not set.
 * @throws ConfigError naming the variable and what it must be
 */
export function wholeNumber(
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

export function oneOf<const Value extends string>(
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

export function webAddress(env: Environment, variable: string): string | null {
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

/** The address of pages, API and git: they are served at the root of a host. */
export function publicAddress(env: Environment, variable: string): string | null {
  const address = webAddress(env, variable);
  if (address === null || new URL(address).pathname === "/") return address;
  const { origin, pathname } = new URL(address);
  throw new ConfigError(
    `${variable} must have no path, since Omoi serves at the root of a host; give it a host name of its own, such as ${origin}, instead of ${pathname}`,
  );
}

export function postgresUrl(env: Environment, variable: string): string | null {
  const text = env[variable];
  if (text === undefined || text === "") return null;
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    throw new ConfigError(
      `${variable} must be an address such as postgres://user:password@host:5432/omoi`,
    );
  }
  return text;
}

export function folders(env: Environment, variable: string): string[] {
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

export function readableFile(env: Environment, variable: string): string | null {
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

export function networks(env: Environment, variable: string): string[] {
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

export interface OidcSettings {
  issuer: string;
  clientId: string;
  clientSecret: string;
  name: string;
}

/** The identity provider of the OMOI_OIDC_ variables; null where none is set. @throws ConfigError */
export function oidcSettings(env: Environment): OidcSettings | null {
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
