import { resolve } from "node:path";
import { z } from "zod";
import { setting, type Setting } from "../setting.js";
import { maxUid, pattern, postgresUrl, publicAddress, wholeNumber } from "../setting-types.js";

/** The address, the data folder, the database and the cluster. */
export const serverSettings = {
  host: setting({
    variable: "OMOI_HOST",
    type: pattern(/^[A-Za-z0-9.:-]+$/, "must be a host name or an address, such as 127.0.0.1"),
    default: "127.0.0.1",
    documentation: "Address to listen on.",
  }),
  port: setting({
    variable: "OMOI_PORT",
    type: wholeNumber(0, 65_535),
    default: "8080",
    documentation: "Port to listen on; `0` takes a free port.",
  }),
  publicUrl: setting({
    variable: "OMOI_PUBLIC_URL",
    type: publicAddress,
    default: null,
    shownDefault: "from host and port",
    documentation:
      "Address of the pages, the API and the git remote. Set it wherever a browser uses a host name or a mapped port: pages at other addresses cannot make changes.",
  }),
  dataDir: setting({
    variable: "OMOI_DATA_DIR",
    type: z.string().transform((path) => resolve(path)),
    default: "./data",
    documentation:
      "Folder of the embedded database, the repositories, the workspaces, the logs and the secret file.",
  }),
  databaseUrl: setting({
    variable: "OMOI_DATABASE_URL",
    type: postgresUrl,
    default: null,
    shownDefault: "the embedded PostgreSQL",
    documentation:
      "PostgreSQL 15 or newer, as `postgres://…`. Its role owns the database and may create roles. Several servers, `host1:5432,host2:5432`, let Omoi follow a failover.",
  }),
  databaseAppUrl: setting({
    variable: "OMOI_DATABASE_APP_URL",
    type: postgresUrl,
    default: null,
    shownDefault: "a role that Omoi creates",
    requires: ["OMOI_DATABASE_URL"],
    documentation:
      "The unprivileged role that serves requests, where the owner may not create roles. May lead through a pooler in transaction mode.",
  }),
  databaseDirectUrl: setting({
    variable: "OMOI_DATABASE_DIRECT_URL",
    type: postgresUrl,
    default: null,
    shownDefault: "`OMOI_DATABASE_URL`",
    requires: ["OMOI_DATABASE_URL"],
    documentation:
      "PostgreSQL itself, as the role that owns the database, where `OMOI_DATABASE_URL` leads to a pooler in transaction mode. The serving role listens and locks at this address, too.",
  }),
  databaseUid: setting({
    variable: "OMOI_DATABASE_UID",
    type: wholeNumber(1, maxUid),
    default: "60859",
    documentation:
      "User of the embedded PostgreSQL where the server runs as root. No other process may run as this user.",
  }),
  secret: setting({
    variable: "OMOI_SECRET",
    type: z.string().min(32, {
      error: "must be at least 32 characters; make one with: openssl rand -hex 32",
    }),
    default: null,
    shownDefault: "the secret file",
    documentation:
      "Signs sessions and keys the hashes of API keys; at least 32 characters. Without it, the first start creates the secret file in the data folder.",
  }),
  nodeName: setting({
    variable: "OMOI_NODE_NAME",
    type: pattern(
      /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
      "must be 1 to 63 lower-case letters, digits and hyphens, such as node-1",
    ),
    default: null,
    requires: ["OMOI_DATABASE_URL", "OMOI_NODE_URL", "OMOI_CLUSTER_SECRET"],
    documentation:
      "This server's stable name. With it, several servers on one `OMOI_DATABASE_URL` each have a data folder of their own.",
  }),
  nodeUrl: setting({
    variable: "OMOI_NODE_URL",
    type: publicAddress,
    default: null,
    requires: ["OMOI_NODE_NAME"],
    documentation:
      "Address at which the other servers reach this one: `https://`, or `http://` in a private network.",
  }),
  clusterSecret: setting({
    variable: "OMOI_CLUSTER_SECRET",
    type: z.string().min(32, {
      error: "must be at least 32 characters; make one with: openssl rand -hex 32",
    }),
    default: null,
    requires: ["OMOI_NODE_NAME"],
    documentation:
      "Signs the requests between servers; at least 32 characters, the same on all of them.",
  }),
} satisfies Record<string, Setting<unknown>>;
