import { lookup } from "node:dns/promises";
import { realpath } from "node:fs/promises";
import { isIP } from "node:net";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { isMetadataAddress } from "#shared/node/metadata-address.js";
import { isPublicAddress } from "#shared/node/public-address.js";
import { invalidField } from "../../../errors.js";
import type { Protocol } from "#git/process/run.js";

export interface ImportRules {
  /** Folders that `file://` imports may use. */
  importRoots: readonly string[];
  /** Whether imports may connect to private and loopback addresses. */
  importPrivateHosts: boolean;
  /** Whether linked repositories of forges may have such addresses, and unencrypted connections. */
  forgePrivateHosts: boolean;
  /** A PEM file with the certificate authorities for upstreams; null uses the system's. */
  importCaFile: string | null;
  /** Maximum bytes per import; larger transfers are aborted. */
  maxImportBytes: number;
}

/** A validated import URL: the protocol git may use, and the resolved addresses of its host. */
export interface ImportSource {
  protocols: Protocol[];
  addresses: string[];
}

/**
 * Returns the URL of an address in scp's form, `git@example.com:team/app.git`, which forges show beside their HTTPS
 * URLs; other texts as they are. Without a user it would look like a scheme.
 */
export function importUrlOf(text: string): string {
  const [, user, host, path] = /^([\w.-]+)@([\w.-]+):(?!\/\/)(\S+)$/.exec(text) ?? [];
  return path === undefined ? text : `ssh://${user}@${host}/${path.replace(/^\/+/, "")}`;
}

/**
 * Validates an import URL, when it is given and again when the import runs, because names and folders
 * may resolve differently by then.
 * @throws AppError 422 naming `import_url`
 */
export async function checkImportUrl(text: string, rules: ImportRules): Promise<ImportSource> {
  if (!URL.canParse(text) || /[\u0000-\u0020\u007f]/.test(text)) {
    throw invalidField("import_url", "must be a URL such as https://example.com/team/app.git");
  }
  const url = new URL(text);
  if (url.protocol === "file:") return checkFolder(url, rules);
  if (url.protocol !== "https:" && url.protocol !== "ssh:") {
    throw invalidField("import_url", "must start with https://, ssh:// or file://");
  }
  if (url.password !== "" || (url.username !== "" && url.protocol === "https:")) {
    throw invalidField(
      "import_url",
      "must not contain a login, because members can see it; pass it as credential",
    );
  }
  if (url.protocol === "ssh:") checkSshUrl(url);
  const setting = { allowsPrivate: rules.importPrivateHosts, name: "OMOI_IMPORT_PRIVATE_HOSTS" };
  const addresses = await addressesOf(hostOf(url), setting);
  return { protocols: [url.protocol === "ssh:" ? "ssh" : "https"], addresses };
}

/**
 * Validates the address of a linked repository, which its forge has named, when it is linked and again for each transfer.
 * @throws AppError 422
 */
export async function checkRepositoryUrl(
  text: string,
  { forgePrivateHosts }: Pick<ImportRules, "forgePrivateHosts">,
): Promise<ImportSource> {
  const url = new URL(text);
  const protocol = url.protocol.slice(0, -1);
  const isAllowed = protocol === "https" || (protocol === "http" && forgePrivateHosts);
  if (!isAllowed || url.username !== "" || url.password !== "") {
    throw invalidField("repository", "must have an https:// address without a login on the forge");
  }
  const setting = { allowsPrivate: forgePrivateHosts, name: "OMOI_FORGE_PRIVATE_HOSTS" };
  return { protocols: [protocol], addresses: await addressesOf(hostOf(url), setting) };
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

function checkSshUrl(url: URL): void {
  const user = decoded(url.username);
  const path = decoded(url.pathname);
  if (!/^(?:[A-Za-z0-9._][A-Za-z0-9._-]*)?$/.test(user ?? "-")) {
    throw invalidField("import_url", "contains an invalid user name");
  }
  const isPlain = path !== null && path.length > 1 && !/[\u0000-\u001f\u007f]/.test(path);
  if (url.hostname === "" || !isPlain || url.search !== "" || url.hash !== "") {
    throw invalidField(
      "import_url",
      "must contain a host and a path: ssh://git@example.com/team/app.git",
    );
  }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/**
 * Resolves a host.
 * @throws AppError 422 when it has no address or a non-public one
 */
async function addressesOf(
  host: string,
  { allowsPrivate, name }: { allowsPrivate: boolean; name: string },
): Promise<string[]> {
  const addresses =
    isIP(host) === 0 ? await lookup(host, { all: true }).catch(() => []) : [{ address: host }];
  if (addresses.length === 0) {
    throw invalidField("import_url", `contains a host that cannot be resolved: ${host}`);
  }
  if (addresses.some(({ address }) => isMetadataAddress(address))) {
    throw invalidField("import_url", "resolves to a link-local or metadata address");
  }
  if (!allowsPrivate && !addresses.every(({ address }) => isPublicAddress(address))) {
    throw invalidField(
      "import_url",
      `resolves to a private or local address; the operator can allow it with ${name}`,
    );
  }
  return addresses.map(({ address }) => address);
}

async function checkFolder(url: URL, rules: ImportRules): Promise<ImportSource> {
  // The same error for outside and missing folders, so that it reveals nothing about the disk.
  const refused = invalidField(
    "import_url",
    "must be inside a folder that OMOI_IMPORT_ROOTS allows",
  );
  if (url.hostname !== "" || url.search !== "" || url.hash !== "") throw refused;
  const folder = await realFolder(url);
  if (folder === null) throw refused;
  for (const root of rules.importRoots) {
    const real = await realpath(root).catch(() => null);
    if (real !== null && (folder === real || folder.startsWith(real.replace(/\/?$/, sep)))) {
      return { protocols: ["file"], addresses: [] };
    }
  }
  throw refused;
}

/** Resolves a `file://` URL and its symbolic links; null if it does not exist or is not a path. */
async function realFolder(url: URL): Promise<string | null> {
  try {
    return await realpath(fileURLToPath(url));
  } catch {
    return null;
  }
}
