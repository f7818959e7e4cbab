import { resolve } from "node:path";
import { z } from "zod";
import type { RunLimits } from "#shared/api/agents/runs.js";
import { priceTable } from "./model-prices.js";
import { sender, smtpServer } from "./mail-settings.js";
import { group, setting, type Setting, type SettingGroup } from "./setting.js";
import {
  containerImage,
  defaultUids,
  folders,
  issuerAddress,
  json,
  kubernetesLabels,
  maxUid,
  networks,
  oneOf,
  origins,
  pattern,
  postgresUrl,
  processors,
  publicAddress,
  readableFile,
  trueOrFalse,
  uidRange,
  webAddress,
  wholeNumber,
} from "./setting-types.js";

const mib = 1024 * 1024;

/** Every setting of the server. The type `Config`, the parser and docs/reference/configuration.md derive from this table. */
export const settings = {
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
      "The unprivileged role that serves requests, where the owner may not create roles.",
  }),
  databaseDirectUrl: setting({
    variable: "OMOI_DATABASE_DIRECT_URL",
    type: postgresUrl,
    default: null,
    shownDefault: "`OMOI_DATABASE_URL`",
    requires: ["OMOI_DATABASE_URL"],
    documentation:
      "PostgreSQL itself, as the role that owns the database, where `OMOI_DATABASE_URL` leads to a pooler in transaction mode.",
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
  registration: setting({
    variable: "OMOI_REGISTRATION",
    type: oneOf("open", "invite", "closed"),
    default: "open",
    documentation:
      "Who may create an account: everyone (`open`), people with an invitation link (`invite`), or no one (`closed`). The first account is always allowed.",
  }),
  invitationDays: setting({
    variable: "OMOI_INVITATION_DAYS",
    type: wholeNumber(1, 90),
    default: "7",
    documentation: "Days until an invitation expires, 1 to 90.",
  }),
  oidc: group(
    {
      issuer: setting({
        variable: "OMOI_OIDC_ISSUER",
        type: issuerAddress,
        default: null,
        requires: ["OMOI_OIDC_CLIENT_ID", "OMOI_OIDC_CLIENT_SECRET"],
        documentation: "Issuer of an OpenID Connect identity provider for sign-in.",
      }),
      clientId: setting({
        variable: "OMOI_OIDC_CLIENT_ID",
        type: z.string(),
        default: null,
        requires: ["OMOI_OIDC_ISSUER"],
        documentation:
          "Client at the identity provider, with the redirect address `<public url>/api/v1/auth/oidc/callback`.",
      }),
      clientSecret: setting({
        variable: "OMOI_OIDC_CLIENT_SECRET",
        type: z.string(),
        default: null,
        requires: ["OMOI_OIDC_ISSUER"],
        documentation: "Secret of that client.",
      }),
      name: setting({
        variable: "OMOI_OIDC_NAME",
        type: z
          .string()
          .trim()
          .regex(/^[^\u0000-\u001f\u007f]{0,40}$/, {
            error: "must be at most 40 visible characters",
          }),
        default: null,
        shownDefault: "the issuer's host",
        requires: ["OMOI_OIDC_ISSUER"],
        documentation: "Name of the provider on the sign-in button.",
      }),
    },
    ({ issuer, clientId, clientSecret, name }) =>
      issuer === null || clientId === null || clientSecret === null
        ? null
        : { issuer, clientId, clientSecret, name: name || new URL(issuer).hostname },
  ),
  importRoots: setting({
    variable: "OMOI_IMPORT_ROOTS",
    type: folders,
    default: "",
    documentation: "Folders, separated by `:`, that `file://` imports may read.",
  }),
  importPrivateHosts: setting({
    variable: "OMOI_IMPORT_PRIVATE_HOSTS",
    type: trueOrFalse,
    default: "false",
    documentation: "`true` lets imports reach private and loopback addresses.",
  }),
  importCaFile: setting({
    variable: "OMOI_IMPORT_CA_FILE",
    type: readableFile,
    default: null,
    shownDefault: "the machine's authorities",
    documentation: "PEM file of the certificate authorities that upstreams are checked against.",
  }),
  maxImportBytes: setting({
    variable: "OMOI_MAX_IMPORT_BYTES",
    type: wholeNumber(1, 2 ** 50),
    default: String(10 * 2 ** 30),
    documentation: "Maximum bytes per import or fetch; larger transfers are aborted.",
  }),
  modelPrivateHosts: setting({
    variable: "OMOI_MODEL_PRIVATE_HOSTS",
    type: trueOrFalse,
    default: "false",
    documentation:
      "`true` lets the addresses of model providers be private or loopback addresses, such as a model server in the same network.",
  }),
  modelTimeoutSeconds: setting({
    variable: "OMOI_MODEL_TIMEOUT_SECONDS",
    type: wholeNumber(1, 3600),
    default: "600",
    documentation: "Seconds without a byte after which a call to a model provider is aborted.",
  }),
  modelCallsPerMinute: setting({
    variable: "OMOI_MODEL_CALLS_PER_MINUTE",
    type: wholeNumber(1, 100_000),
    default: "600",
    documentation:
      "Calls to model providers of a run in a minute, on each server process; more are 429. Agents make a few in a minute, so that 600 stop only a run that would occupy the server.",
  }),
  modelPrices: setting({
    variable: "OMOI_MODEL_PRICES",
    type: json(priceTable),
    default: "{}",
    documentation:
      'US dollars per million tokens by model, in place of and beside the built-in list prices, as JSON; `*` stands for every other model: `{"my-model": {"input": 1, "output": 4, "cache_read": 0.1, "cache_write": 1.25}}`. `cache_write_1h` is the price of cache writes for an hour, if it differs. `long_prompt` has the same prices and `above`, a number of tokens: the prices of calls with a longer prompt.',
  }),
  webhookPrivateHosts: setting({
    variable: "OMOI_WEBHOOK_PRIVATE_HOSTS",
    type: trueOrFalse,
    default: "false",
    documentation:
      "`true` lets webhooks have `http://` addresses, and private or loopback addresses.",
  }),
  notificationDelaySeconds: setting({
    variable: "OMOI_NOTIFICATION_DELAY_SECONDS",
    type: wholeNumber(1, 3600),
    default: "120",
    documentation:
      "How long notifications are gathered before one email is sent to a person, in seconds.",
  }),
  agentUid: setting({
    variable: "OMOI_AGENT_UID",
    type: wholeNumber(1, maxUid),
    default: "60861",
    documentation: "Owner of workspace files, as user and group, where the server runs as root.",
  }),
  networkUid: setting({
    variable: "OMOI_NETWORK_UID",
    type: wholeNumber(1, maxUid),
    default: "60860",
    documentation:
      "User of the programs that connect runs to the network where the server runs as root.",
  }),
  folderDriver: setting({
    variable: "OMOI_FOLDER_DRIVER",
    type: oneOf("auto", "overlay", "checkout"),
    default: "auto",
    documentation:
      "How workspaces are stored: mounted over shared files in constant time (`overlay`), written file by file (`checkout`), or mounted where the machine supports it (`auto`).",
  }),
  sandbox: setting({
    variable: "OMOI_SANDBOX",
    type: oneOf("required", "gvisor", "off"),
    default: "required",
    documentation:
      "`required` rejects commands that cannot be confined, `gvisor` also requires a separate kernel (runsc) for each command, and `off` runs commands without a sandbox and shows a warning beside them.",
  }),
  sandboxUids: setting({
    variable: "OMOI_SANDBOX_UIDS",
    type: uidRange,
    default: defaultUids,
    documentation:
      "Range of uids, one per workspace, for runs where the server runs as root. `shared` runs every command as `OMOI_AGENT_UID`.",
  }),
  sandboxReadOnly: setting({
    variable: "OMOI_SANDBOX_READONLY",
    type: folders,
    default: "",
    documentation: "Further folders, separated by `:`, that commands may read, such as tools.",
  }),
  runLimits: group(
    {
      memory: setting({
        variable: "OMOI_RUN_MEMORY_MIB",
        type: wholeNumber(32, 1024 * 1024),
        default: "4096",
        documentation: "Maximum memory of a run, in MiB.",
      }),
      processes: setting({
        variable: "OMOI_RUN_PROCESSES",
        type: wholeNumber(8, 100_000),
        default: "512",
        documentation: "Maximum processes and threads of a run.",
      }),
      cpus: setting({
        variable: "OMOI_RUN_CPUS",
        type: processors,
        default: "auto",
        documentation:
          "Maximum processors of a run, such as `1.5`; `0` sets no limit, `auto` sets 2 where the machine can limit processors.",
      }),
      disk: setting({
        variable: "OMOI_RUN_DISK_MIB",
        type: wholeNumber(0, 1024 * 1024),
        default: "10240",
        documentation: "Maximum size of the workspace of a run, in MiB; `0` sets no limit.",
      }),
      output: setting({
        variable: "OMOI_RUN_OUTPUT_MIB",
        type: wholeNumber(1, 1024 * 1024),
        default: "64",
        documentation: "Maximum size of the log of a run, in MiB.",
      }),
    },
    ({
      memory,
      processes,
      cpus,
      disk,
      output,
    }): Omit<RunLimits, "cpus"> & { cpus: typeof cpus } => ({
      memory_bytes: memory * mib,
      processes,
      cpus,
      disk_bytes: disk === 0 ? null : disk * mib,
      output_bytes: output * mib,
    }),
  ),
  /** Null: no limit. */
  runFiles: setting({
    variable: "OMOI_RUN_FILES",
    type: wholeNumber(0, 1_000_000_000).transform((files) => files || null),
    default: "1000000",
    documentation:
      "Maximum files and folders in the workspace of a run, including deleted files that are still open; `0` sets no limit.",
  }),
  runTimeoutSeconds: setting({
    variable: "OMOI_RUN_TIMEOUT_SECONDS",
    type: wholeNumber(1, 14 * 86_400),
    default: "21600",
    documentation: "Timeout of a run that sets none, in seconds.",
  }),
  runStopGraceSeconds: setting({
    variable: "OMOI_RUN_STOP_GRACE_SECONDS",
    type: wholeNumber(0, 300),
    default: "10",
    documentation: "Seconds between SIGTERM and SIGKILL when a run is stopped.",
  }),
  checksAtOnce: setting({
    variable: "OMOI_CHECKS_AT_ONCE",
    type: wholeNumber(1, 100),
    default: "2",
    documentation: "Checks of merge queues that this process runs at the same time.",
  }),
  runLogDays: setting({
    variable: "OMOI_RUN_LOG_DAYS",
    type: wholeNumber(1, 3650),
    default: "30",
    documentation: "Days until the log of a run is deleted.",
  }),
  shutdownRuns: setting({
    variable: "OMOI_SHUTDOWN_RUNS",
    type: oneOf("stop", "drain"),
    default: "stop",
    documentation: "On SIGTERM, `stop` stops all runs and `drain` waits until they end.",
  }),
  dockerSocket: setting({
    variable: "OMOI_DOCKER_SOCKET",
    type: z.string(),
    default: "/var/run/docker.sock",
    documentation: "Socket of the Docker engine that runs the commands of docker workspaces.",
  }),
  dockerImage: setting({
    variable: "OMOI_DOCKER_IMAGE",
    type: z.string(),
    default: "node:24",
    documentation: "Image of docker workspaces; run `docker pull` for it first.",
  }),
  keyPrefix: setting({
    variable: "OMOI_KEY_PREFIX",
    type: pattern(
      /^[a-z][a-z0-9_]{0,18}_$/,
      'must be lower-case letters, digits and "_", ending in "_"',
    ),
    default: "sk_live_",
    documentation: "Prefix of API keys.",
  }),
  maxKeyDays: setting({
    variable: "OMOI_MAX_KEY_DAYS",
    type: wholeNumber(0, 3650),
    default: "0",
    documentation: "Maximum lifetime of an API key, in days; `0` sets no limit.",
  }),
  maxPushMib: setting({
    variable: "OMOI_MAX_PUSH_MIB",
    type: wholeNumber(1, 1_048_576),
    default: "2048",
    documentation: "Maximum size of a push, in MiB.",
  }),
  trustedProxies: setting({
    variable: "OMOI_TRUSTED_PROXIES",
    type: networks,
    default: "",
    documentation:
      "Networks, separated by `,`, of the reverse proxies whose `X-Forwarded-For` is trusted.",
  }),
  corsOrigins: setting({
    variable: "OMOI_CORS_ORIGINS",
    type: origins,
    default: "",
    documentation:
      "Origins, separated by `,`, whose web pages may call the API with a bearer token, such as `https://app.example.com`. They never act with the session cookie.",
  }),
  requestTimeoutSeconds: setting({
    variable: "OMOI_REQUEST_TIMEOUT_SECONDS",
    type: wholeNumber(1, 3600),
    default: "60",
    documentation:
      "Timeout for the headers of a request, and again for its body, in seconds; the answer is 408.",
  }),
  maxConnectionsPerAddress: setting({
    variable: "OMOI_MAX_CONNECTIONS_PER_ADDRESS",
    type: wholeNumber(0, 100_000),
    default: "1000",
    documentation:
      "Maximum open connections per client address (IPv6: per /64 network); `0` sets no limit.",
  }),
  maxConcurrentAgents: setting({
    variable: "OMOI_MAX_CONCURRENT_AGENTS",
    type: wholeNumber(1, 10_000),
    default: "10000",
    documentation: "Ceiling of every organization's `max_concurrent_agents`.",
  }),
  maxRuntimeHours: setting({
    variable: "OMOI_MAX_RUNTIME_HOURS",
    type: wholeNumber(0, 1_000_000),
    default: "1000000",
    documentation: "Ceiling of every organization's `max_agent_runtime_hours`.",
  }),
  smtp: setting({
    variable: "OMOI_SMTP_URL",
    type: smtpServer,
    default: null,
    shownDefault: "the folder `outbox`",
    documentation:
      "Mail server, as `smtp://user:password@host:587` or `smtps://…:465`. A password is only sent over TLS.",
  }),
  mailFrom: setting({
    variable: "OMOI_MAIL_FROM",
    type: sender,
    default: null,
    shownDefault: "`omoi` at the host of the public address",
    documentation: "Sender of mail, such as `Omoi <omoi@example.com>`.",
  }),
  objectStorage: group(
    {
      endpoint: setting({
        variable: "OMOI_S3_ENDPOINT",
        type: webAddress,
        default: null,
        requires: ["OMOI_S3_ACCESS_KEY_ID", "OMOI_S3_SECRET_ACCESS_KEY"],
        documentation:
          "Address of an S3 server for logs and backups, such as `https://s3.eu-central-1.amazonaws.com` or `http://127.0.0.1:9000`.",
      }),
      bucket: setting({
        variable: "OMOI_S3_BUCKET",
        type: pattern(
          /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
          'must be the name of a bucket: 3 to 63 lower-case letters, digits, "." and "-"',
        ),
        default: null,
        requires: ["OMOI_S3_ENDPOINT"],
        documentation:
          "Bucket to which the logs of ended runs move. Without it, logs stay in the data folder.",
      }),
      prefix: setting({
        variable: "OMOI_S3_PREFIX",
        type: pattern(
          /^(?:[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*)?$/,
          'must be names of letters, digits, "_" and "-", separated by "/", without one at the ends',
        ),
        default: "",
        documentation:
          "Beginning of the keys of all logs in the bucket, such as `omoi/production`.",
      }),
      region: setting({
        variable: "OMOI_S3_REGION",
        type: pattern(/^[a-z0-9-]{1,64}$/, "must be the name of a region such as eu-central-1"),
        default: "us-east-1",
        documentation: "Region of the S3 server, which its signatures contain.",
      }),
      accessKeyId: setting({
        variable: "OMOI_S3_ACCESS_KEY_ID",
        type: z.string(),
        default: null,
        requires: ["OMOI_S3_ENDPOINT"],
        documentation: "Id of the access key for the S3 server.",
      }),
      secretAccessKey: setting({
        variable: "OMOI_S3_SECRET_ACCESS_KEY",
        type: z.string(),
        default: null,
        requires: ["OMOI_S3_ENDPOINT"],
        documentation: "Secret of that access key.",
      }),
      addressing: setting({
        variable: "OMOI_S3_ADDRESSING",
        type: oneOf("auto", "path", "host"),
        default: "auto",
        documentation:
          "Where the bucket stands in addresses: in the path (`path`), in the host name (`host`), or in the host name for `amazonaws.com` only (`auto`).",
      }),
    },
    ({ endpoint, bucket, prefix, region, accessKeyId, secretAccessKey, addressing }) =>
      endpoint === null || accessKeyId === null || secretAccessKey === null
        ? null
        : {
            endpoint,
            region,
            accessKeyId,
            secretAccessKey,
            addressing:
              addressing === "auto"
                ? new URL(endpoint).hostname.endsWith(".amazonaws.com")
                  ? ("host" as const)
                  : ("path" as const)
                : addressing,
            /** Null: logs stay in the data folder. */
            logs: bucket === null ? null : { bucket, prefix },
          },
  ),
  egressPort: setting({
    variable: "OMOI_EGRESS_PORT",
    type: wholeNumber(0, 65_535),
    default: null,
    documentation:
      "Port of the proxy through which the pods of runs with a restricted network reach their allowed hosts; `0` takes a free port.",
  }),
  kubernetes: group(
    {
      namespace: setting({
        variable: "OMOI_KUBERNETES_NAMESPACE",
        type: pattern(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace"),
        default: null,
        requires: ["OMOI_KUBERNETES_IMAGE"],
        documentation:
          "Namespace of the Jobs of runs in workspaces of the type `kubernetes`. The cluster is that of `KUBECONFIG` or of the pod's service account.",
      }),
      image: setting({
        variable: "OMOI_KUBERNETES_IMAGE",
        type: containerImage,
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation:
          "Omoi's own image, in the version of the server. Commands run in it too where a project names no other.",
      }),
      serverUrl: setting({
        variable: "OMOI_KUBERNETES_SERVER_URL",
        type: publicAddress,
        default: null,
        shownDefault: "`OMOI_PUBLIC_URL`",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "Address of the server for pods, such as `http://omoi.omoi.svc:8080`.",
      }),
      serverPods: setting({
        variable: "OMOI_KUBERNETES_SERVER_PODS",
        type: kubernetesLabels,
        default: "",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation:
          "Labels of the pods of the server, `key=value,…`, where it runs in the cluster. Pods of runs reach these and `OMOI_KUBERNETES_SERVER_NETWORKS` only.",
      }),
      serverNamespace: setting({
        variable: "OMOI_KUBERNETES_SERVER_NAMESPACE",
        type: pattern(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be the name of a namespace"),
        default: null,
        shownDefault: "that of the Jobs",
        requires: ["OMOI_KUBERNETES_SERVER_PODS"],
        documentation: "Namespace of the pods of the server.",
      }),
      serverNetworks: setting({
        variable: "OMOI_KUBERNETES_SERVER_NETWORKS",
        type: networks,
        default: "",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation:
          "Networks of the server and of what leads to it, such as `192.0.2.10/32`, where it runs outside of the cluster.",
      }),
      egressUrl: setting({
        variable: "OMOI_KUBERNETES_EGRESS_URL",
        type: publicAddress,
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE", "OMOI_EGRESS_PORT"],
        documentation:
          "Address of the port `OMOI_EGRESS_PORT` for pods, such as `http://omoi.omoi.svc:8081`. Without it, no run in the cluster has a restricted network.",
      }),
      maxRuns: setting({
        variable: "OMOI_KUBERNETES_MAX_RUNS",
        type: wholeNumber(1, 1000),
        default: "50",
        documentation: "Runs in the cluster at once.",
      }),
      startMinutes: setting({
        variable: "OMOI_KUBERNETES_START_MINUTES",
        type: wholeNumber(1, 1440),
        default: "15",
        documentation:
          "Minutes that the cluster has to start a run: to find a node for its pod and to pull the images.",
      }),
      runtimeClass: setting({
        variable: "OMOI_KUBERNETES_RUNTIME_CLASS",
        type: pattern(
          /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
          "must be the name of a runtime class",
        ),
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "`runtimeClassName` of the pods, such as `gvisor`.",
      }),
      nodeSelector: setting({
        variable: "OMOI_KUBERNETES_NODE_SELECTOR",
        type: kubernetesLabels,
        default: "",
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "Labels of the nodes of the cluster that take the pods, `key=value,…`.",
      }),
      pullSecret: setting({
        variable: "OMOI_KUBERNETES_PULL_SECRET",
        type: pattern(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, "must be the name of a secret"),
        default: null,
        requires: ["OMOI_KUBERNETES_NAMESPACE"],
        documentation: "Secret of the namespace with which images are pulled.",
      }),
    },
    ({ namespace, image, ...rest }) =>
      namespace === null || image === null ? null : { namespace, image, ...rest },
  ),
  metricsToken: setting({
    variable: "OMOI_METRICS_TOKEN",
    type: z.string().regex(/^[\x21-\x7e]{16,512}$/, {
      error:
        "must be 16 to 512 characters without spaces, such as the output of: openssl rand -hex 32",
    }),
    default: null,
    documentation:
      "Bearer token of `/metrics` for callers on other machines. Without it they get 404.",
  }),
  telemetry: group(
    {
      endpoint: setting({
        variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
        type: webAddress,
        default: null,
        documentation: "OTLP/HTTP receiver of traces and metrics.",
      }),
      metricIntervalMs: setting({
        variable: "OTEL_METRIC_EXPORT_INTERVAL",
        type: wholeNumber(100, 86_400_000),
        default: "60000",
        documentation: "Milliseconds between two exports of metrics.",
      }),
    },
    ({ endpoint, metricIntervalMs }) => (endpoint === null ? null : { endpoint, metricIntervalMs }),
  ),
  logLevel: setting({
    variable: "OMOI_LOG_LEVEL",
    type: oneOf("debug", "info", "warn", "error", "silent"),
    default: "info",
    documentation: "`debug`, `info`, `warn`, `error` or `silent`.",
  }),
} satisfies Record<string, Setting<unknown> | SettingGroup<unknown>>;

/** All settings in the order of the table. */
export const allSettings: readonly Setting<unknown>[] = Object.values(settings).flatMap((entry) =>
  "settings" in entry ? entry.settings : [entry as Setting<unknown>],
);
