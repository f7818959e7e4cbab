/** A setting, or several that are read together. */
interface Setting {
  names: readonly string[];
  /** What holds without it, as Markdown. */
  fallback: string;
  /** What it sets, as Markdown. */
  what: string;
}

/** Every setting of the server: docs/reference/configuration.md is made of this table. */
export const settings: readonly Setting[] = [
  {
    names: ["OMOI_HOST", "OMOI_PORT"],
    fallback: "`127.0.0.1`, `8080`",
    what: "where it listens",
  },
  {
    names: ["OMOI_PUBLIC_URL"],
    fallback: "from host and port",
    what: "what links, the git remote and examples show; set it wherever pages are opened by a name or through a mapped port, since pages at other addresses change nothing",
  },
  {
    names: ["OMOI_DATA_DIR"],
    fallback: "`./data`",
    what: "the database, repositories, workspaces, logs, the secret file",
  },
  {
    names: ["OMOI_DATABASE_URL"],
    fallback: "its own PostgreSQL",
    what: "`postgres://…`, PostgreSQL 15 or newer; its role owns the database and may create roles",
  },
  {
    names: ["OMOI_DATABASE_APP_URL"],
    fallback: "made by Omoi",
    what: "a second, unprivileged role to serve as, where the first may not create one",
  },
  {
    names: ["OMOI_DATABASE_DIRECT_URL"],
    fallback: "as `OMOI_DATABASE_URL`",
    what: "PostgreSQL itself, with the role that owns the database, where `OMOI_DATABASE_URL` leads to a pooler in transaction mode",
  },
  {
    names: ["OMOI_DATABASE_UID"],
    fallback: "`60859`",
    what: "the user of Omoi's own PostgreSQL, where the server runs as root; no other may be it",
  },
  {
    names: ["OMOI_SECRET"],
    fallback: "from the secret file",
    what: "signs sessions and keys the hashes of API keys; at least 32 characters",
  },
  {
    names: ["OMOI_REGISTRATION"],
    fallback: "`open`",
    what: "`open`, `invite` (by an invitation's link) or `closed` (nobody); the first always may",
  },
  {
    names: ["OMOI_INVITATION_DAYS"],
    fallback: "`7`",
    what: "how long an invitation can be accepted, 1 to 90",
  },
  {
    names: ["OMOI_OIDC_ISSUER"],
    fallback: "none",
    what: "an identity provider to sign in by (OpenID Connect)",
  },
  {
    names: ["OMOI_OIDC_CLIENT_ID", "OMOI_OIDC_CLIENT_SECRET"],
    fallback: "none",
    what: "its client, with the redirect address `<public url>/api/v1/auth/oidc/callback`",
  },
  {
    names: ["OMOI_OIDC_NAME"],
    fallback: "the issuer's host",
    what: "what its button is called",
  },
  {
    names: ["OMOI_IMPORT_ROOTS"],
    fallback: "none",
    what: "folders, separated by `:`, that `file://` imports may come from",
  },
  {
    names: ["OMOI_IMPORT_PRIVATE_HOSTS"],
    fallback: "`false`",
    what: "`true` lets imports reach private and local addresses",
  },
  {
    names: ["OMOI_IMPORT_CA_FILE"],
    fallback: "the machine's",
    what: "a PEM file of authorities whose certificates upstreams may show",
  },
  {
    names: ["OMOI_MAX_IMPORT_BYTES"],
    fallback: "`10737418240`",
    what: "how much one import or fetch may bring in; the system ends it above",
  },
  {
    names: ["OMOI_AGENT_UID"],
    fallback: "`60861`",
    what: "whom agents' files belong to, user and group alike, where the server runs as root",
  },
  {
    names: ["OMOI_NETWORK_UID"],
    fallback: "`60860`",
    what: "the user of the programs that connect runs with network, where the server runs as root",
  },
  {
    names: ["OMOI_FOLDER_DRIVER"],
    fallback: "`auto`",
    what: "`overlay` (mounted), `checkout` (written out, mounted ones too), or what works of them",
  },
  {
    names: ["OMOI_SANDBOX"],
    fallback: "`required`",
    what: "`gvisor` puts a kernel of its own (runsc) between each command and the machine; `off` runs commands without a sandbox, and says so wherever they are shown",
  },
  {
    names: ["OMOI_SANDBOX_UIDS"],
    fallback: "a range",
    what: "uids of runs of a root server, or `shared`; by default `1900000000-1900065535`",
  },
  {
    names: ["OMOI_SANDBOX_READONLY"],
    fallback: "none",
    what: "further folders, separated by `:`, with tools that agents' commands may use",
  },
  {
    names: ["OMOI_RUN_MEMORY_MIB", "OMOI_RUN_PROCESSES"],
    fallback: "`4096`, `512`",
    what: "what a command may use at most",
  },
  {
    names: ["OMOI_RUN_CPUS", "OMOI_RUN_DISK_MIB"],
    fallback: "`2`, `10240`",
    what: "the same; 0: no limit. Without a setting processors are limited where that can be held",
  },
  {
    names: ["OMOI_RUN_FILES"],
    fallback: "`1000000`",
    what: "files and folders in a run's workspace, deleted files in use included; 0: no limit",
  },
  {
    names: ["OMOI_RUN_OUTPUT_MIB", "OMOI_RUN_LOG_DAYS"],
    fallback: "`64`, `30`",
    what: "how large the log of a run may become, and for how long it is kept",
  },
  {
    names: ["OMOI_RUN_TIMEOUT_SECONDS"],
    fallback: "`21600`",
    what: "of a run that names none",
  },
  {
    names: ["OMOI_RUN_STOP_GRACE_SECONDS"],
    fallback: "`10`",
    what: "between TERM and KILL",
  },
  {
    names: ["OMOI_SHUTDOWN_RUNS"],
    fallback: "`stop`",
    what: "on SIGTERM `stop` ends runs, `drain` serves on until they have ended by themselves",
  },
  {
    names: ["OMOI_DOCKER_SOCKET"],
    fallback: "the usual socket",
    what: "where the engine listens that runs the commands of docker workspaces",
  },
  {
    names: ["OMOI_DOCKER_IMAGE"],
    fallback: "`node:24`",
    what: "the image that they run in; `docker pull` it first",
  },
  {
    names: ["OMOI_KEY_PREFIX"],
    fallback: "`sk_live_`",
    what: "what API keys begin with",
  },
  {
    names: ["OMOI_MAX_KEY_DAYS"],
    fallback: "`0`",
    what: "how long API keys may live at most; 0: as long as their makers like",
  },
  {
    names: ["OMOI_MAX_PUSH_MIB"],
    fallback: "`2048`",
    what: "how much one push may bring, in MiB",
  },
  {
    names: ["OMOI_TRUSTED_PROXIES"],
    fallback: "none",
    what: "networks, separated by `,`, of proxies in front whose `X-Forwarded-For` is believed",
  },
  {
    names: ["OMOI_REQUEST_TIMEOUT_SECONDS"],
    fallback: "`60`",
    what: "how long a request's headers may take to arrive, and its body; 408 after that",
  },
  {
    names: ["OMOI_MAX_CONNECTIONS_PER_ADDRESS"],
    fallback: "`1000`",
    what: "connections that one address (IPv6: one /64) may have open; 0: any number",
  },
  {
    names: ["OMOI_MAX_CONCURRENT_AGENTS", "OMOI_MAX_RUNTIME_HOURS"],
    fallback: "`10000`, `1000000`",
    what: "ceilings of every organization's limits",
  },
  {
    names: ["OMOI_SMTP_URL"],
    fallback: "the folder `outbox`",
    what: "`smtp://user:password@host:587` or `smtps://…:465`; a password is only sent over TLS",
  },
  {
    names: ["OMOI_MAIL_FROM"],
    fallback: "from the public URL",
    what: "who mail comes from, such as `Omoi <omoi@example.com>`",
  },
  {
    names: ["OMOI_METRICS_TOKEN"],
    fallback: "none",
    what: "what `/metrics` asks callers of other machines for; without it they get 404",
  },
  {
    names: ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_METRIC_EXPORT_INTERVAL"],
    fallback: "none, `60000`",
    what: "an OTLP/HTTP receiver of traces and metrics, and the milliseconds between two exports of metrics",
  },
  {
    names: ["OMOI_LOG_LEVEL"],
    fallback: "`info`",
    what: "`debug`, `info`, `warn`, `error`, `silent`",
  },
];
