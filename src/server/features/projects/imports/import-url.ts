import { lookup } from "node:dns/promises";
import { realpath } from "node:fs/promises";
import { isIP } from "node:net";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { isWithin } from "#shared/node/networks.js";
import { invalidField } from "../../../errors.js";
import type { Protocol } from "#git/process/run.js";

export interface ImportRules {
  /** Folders that `file://` imports may come from. */
  importRoots: readonly string[];
  /** Whether imports may reach private, loopback and link-local addresses. */
  importPrivateHosts: boolean;
  /** A PEM file of authorities that upstreams' certificates may come from; null: the machine's. */
  importCaFile: string | null;
  /** How many bytes one transfer may bring in. */
  maxImportBytes: number;
}

/** A checked import: how git may reach it, and the addresses that its host was resolved to. */
export interface ImportSource {
  protocols: Protocol[];
  addresses: string[];
}

/**
 * Networks that are not public (RFC 6890 and its registry, and the metadata service of Azure): an import
 * must not reach into the server's own network.
 */
const notPublic = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // Protocol assignments, among them Teredo and ORCHID.
  "2001::/23",
  "2001:db8::/32",
  // 6to4, which holds an IPv4 address.
  "2002::/16",
  "3fff::/20",
];

/** All that IPv6 routes publicly (RFC 4291): everything else is local, reserved or translates IPv4. */
const globalUnicast = "2000::/3";

/** Whether an address belongs to the public internet. An IPv4 address within IPv6 does not. */
function isPublic(address: string): boolean {
  if (isIP(address) === 6 && !isWithin(address, globalUnicast)) return false;
  return !notPublic.some((network) => isWithin(address, network));
}

/**
 * Checks where an import comes from. Called when it is asked for and again when it runs, since names
 * and folders may lead elsewhere by then.
 * @throws AppError 422 naming `import_url`
 */
export async function checkImportUrl(text: string, rules: ImportRules): Promise<ImportSource> {
  const scp = /^(?:([\w.-]+)@)?([\w.-]+):(?!\/\/)(\S+)$/.exec(text);
  if (scp !== null && !/^[a-z][a-z0-9+-]*::/.test(text)) {
    const [, user = "git", host = "", path = ""] = scp;
    throw invalidField(
      "import_url",
      `must be written as an address: ssh://${user}@${host}/${path.replace(/^\/+/, "")}`,
    );
  }
  if (!URL.canParse(text) || /[\u0000-\u0020\u007f]/.test(text)) {
    throw invalidField("import_url", "must be an address such as https://example.com/team/app.git");
  }
  const url = new URL(text);
  if (url.protocol === "file:") return checkFolder(url, rules);
  if (url.protocol !== "https:" && url.protocol !== "ssh:") {
    throw invalidField("import_url", "must begin with https://, ssh:// or file://");
  }
  if (url.password !== "" || (url.username !== "" && url.protocol === "https:")) {
    throw invalidField(
      "import_url",
      "must not hold a login, for it is shown to members; give it as credential",
    );
  }
  if (url.protocol === "ssh:") checkSshUrl(url);
  const addresses = await addressesOf(url.hostname.replace(/^\[|\]$/g, ""), rules);
  return { protocols: [url.protocol === "ssh:" ? "ssh" : "https"], addresses };
}

function checkSshUrl(url: URL): void {
  const user = decoded(url.username);
  const path = decoded(url.pathname);
  if (!/^(?:[A-Za-z0-9._][A-Za-z0-9._-]*)?$/.test(user ?? "-")) {
    throw invalidField("import_url", "names a user that no server has");
  }
  const isPlain = path !== null && path.length > 1 && !/[\u0000-\u001f\u007f]/.test(path);
  if (url.hostname === "" || !isPlain || url.search !== "" || url.hash !== "") {
    throw invalidField(
      "import_url",
      "must name a host and a path: ssh://git@example.com/team/app.git",
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

/** The addresses of a host. @throws AppError 422 where there are none, or some that are not public */
async function addressesOf(host: string, rules: ImportRules): Promise<string[]> {
  const addresses =
    isIP(host) === 0 ? await lookup(host, { all: true }).catch(() => []) : [{ address: host }];
  if (addresses.length === 0) {
    throw invalidField("import_url", `names a host that cannot be found: ${host}`);
  }
  if (!rules.importPrivateHosts && !addresses.every(({ address }) => isPublic(address))) {
    throw invalidField(
      "import_url",
      "leads to a private or local address; whoever runs the server can allow it with OMOI_IMPORT_PRIVATE_HOSTS",
    );
  }
  return addresses.map(({ address }) => address);
}

async function checkFolder(url: URL, rules: ImportRules): Promise<ImportSource> {
  // One answer for what is outside and what is absent: it must not tell what lies on the disk.
  const refused = invalidField(
    "import_url",
    "must be a folder below one of those that OMOI_IMPORT_ROOTS allows",
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

/** Where a `file://` address leads, links followed; null where to nothing, or where it is no path. */
async function realFolder(url: URL): Promise<string | null> {
  try {
    return await realpath(fileURLToPath(url));
  } catch {
    return null;
  }
}
