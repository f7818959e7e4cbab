import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfig } from "./config.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-config-"));
});
afterAll(() => rm(folder, { recursive: true }));

const secret = "of the test ".repeat(4);
const read = (env: Record<string, string>): ReturnType<typeof readConfig> =>
  readConfig({ OMOI_DATA_DIR: join(folder, "data"), OMOI_SECRET: secret, ...env });

test("every setting has a default value, which also applies to an empty variable", () => {
  const config = read({
    OMOI_PORT: "",
    OMOI_SMTP_URL: "",
    OMOI_RUN_CPUS: "",
    OMOI_IMPORT_ROOTS: "",
  });
  expect(config).toEqual({
    host: "127.0.0.1",
    port: 8080,
    egressPort: null,
    kubernetes: null,
    publicUrl: null,
    dataDir: join(folder, "data"),
    databaseUrl: null,
    databaseAppUrl: null,
    databaseDirectUrl: null,
    databaseUid: 60_859,
    secret,
    registration: "open",
    invitationDays: 7,
    oidc: null,
    importRoots: [],
    importPrivateHosts: false,
    modelPrivateHosts: false,
    egressPrivateHosts: [],
    forgePrivateHosts: false,
    webhookPrivateHosts: false,
    nodeName: null,
    nodeUrl: null,
    clusterSecret: null,
    deliveryDays: 30,
    backups: null,
    notificationDelaySeconds: 120,
    modelTimeoutSeconds: 600,
    modelCallsPerMinute: 600,
    modelPrices: {},
    importCaFile: null,
    maxImportBytes: 10_737_418_240,
    agentUid: 60_861,
    networkUid: 60_860,
    folderDriver: "auto",
    sandbox: "required",
    sandboxUids: { first: 1_900_000_000, last: 1_900_065_535 },
    sandboxReadOnly: [],
    runLimits: {
      memory_bytes: 4_294_967_296,
      processes: 512,
      cpus: "auto",
      disk_bytes: 10_737_418_240,
      output_bytes: 67_108_864,
    },
    runFiles: 1_000_000,
    runTimeoutSeconds: 21_600,
    runStopGraceSeconds: 10,
    checksAtOnce: 2,
    runLogDays: 30,
    shutdownRuns: "stop",
    dockerSocket: "/var/run/docker.sock",
    dockerImage: "node:24",
    keyPrefix: "sk_live_",
    maxKeyDays: 0,
    maxPushMib: 2048,
    trustedProxies: [],
    corsOrigins: [],
    requestTimeoutSeconds: 60,
    maxConnectionsPerAddress: 1000,
    maxConcurrentAgents: 10_000,
    maxRuntimeHours: 1_000_000,
    smtp: null,
    mailFrom: null,
    objectStorage: null,
    metricsToken: null,
    telemetry: null,
    logLevel: "info",
  });
});

test("registration needs an invitation once an address other than loopback is served", () => {
  const modeOf = (env: Record<string, string>): string => read(env).registration;
  const loopback = [
    "http://127.0.0.1:8080",
    "http://127.1.2.3",
    "http://localhost",
    "http://[::1]:1",
  ];
  for (const url of loopback)
    expect([url, modeOf({ OMOI_PUBLIC_URL: url })]).toEqual([url, "open"]);
  for (const url of ["https://omoi.example.com", "http://192.168.1.5", "http://[2001:db8::1]"]) {
    expect([url, modeOf({ OMOI_PUBLIC_URL: url })]).toEqual([url, "invite"]);
    for (const mode of ["open", "closed"]) {
      expect(modeOf({ OMOI_PUBLIC_URL: url, OMOI_REGISTRATION: mode })).toBe(mode);
    }
  }
  for (const host of ["localhost", "::1"]) expect(modeOf({ OMOI_HOST: host })).toBe("open");
  const local = { OMOI_PUBLIC_URL: "http://127.0.0.1:8080" };
  for (const host of ["0.0.0.0", "::", "10.0.0.5", "omoi", "127.evil.example.com"]) {
    expect([host, modeOf({ OMOI_HOST: host })]).toEqual([host, "invite"]);
    expect([host, modeOf({ ...local, OMOI_HOST: host })]).toEqual([host, "invite"]);
  }
});

test("a run has at most one file for each 4 KiB of its disk limit, unless a number is set", () => {
  const filesOf = (env: Record<string, string>): number | null => read(env).runFiles;
  expect(filesOf({ OMOI_RUN_DISK_MIB: "256" })).toBe(65_536);
  expect(filesOf({ OMOI_RUN_DISK_MIB: "3906" })).toBe(999_936);
  expect(filesOf({ OMOI_RUN_DISK_MIB: "3907" })).toBe(1_000_000);
  expect(filesOf({ OMOI_RUN_DISK_MIB: "0" })).toBe(1_000_000);
  expect(filesOf({ OMOI_RUN_DISK_MIB: "256", OMOI_RUN_FILES: "300000" })).toBe(300_000);
  expect(filesOf({ OMOI_RUN_DISK_MIB: "256", OMOI_RUN_FILES: "0" })).toBeNull();
});

test("each type parses its text", () => {
  const oidc = { OMOI_OIDC_CLIENT_ID: "omoi", OMOI_OIDC_CLIENT_SECRET: "of the client" };
  expect(
    read({
      OMOI_PORT: "0",
      OMOI_PUBLIC_URL: "https://omoi.example.com/",
      OMOI_IMPORT_ROOTS: "/srv/a::/srv/b",
      OMOI_IMPORT_PRIVATE_HOSTS: "true",
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_EGRESS_PRIVATE_HOSTS: "NPM.corp.test, git.corp.test",
      OMOI_MODEL_TIMEOUT_SECONDS: "60",
      OMOI_MODEL_PRICES: '{"m":{"input":1,"output":2,"cache_read":0,"cache_write":0}}',
      OMOI_SANDBOX_UIDS: "shared",
      OMOI_RUN_CPUS: "0",
      OMOI_RUN_DISK_MIB: "0",
      OMOI_RUN_FILES: "0",
      OMOI_TRUSTED_PROXIES: "10.1.2.3/8, ::1",
      OMOI_MAIL_FROM: "Omoi <omoi@example.com>",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/",
      OTEL_METRIC_EXPORT_INTERVAL: "100",
      OMOI_OIDC_ISSUER: "https://id.example.com/realms/a/",
      ...oidc,
    }),
  ).toMatchObject({
    port: 0,
    publicUrl: "https://omoi.example.com",
    importRoots: ["/srv/a", "/srv/b"],
    importPrivateHosts: true,
    modelPrivateHosts: true,
    egressPrivateHosts: ["npm.corp.test", "git.corp.test"],
    modelTimeoutSeconds: 60,
    modelPrices: { m: { input: 1, output: 2, cache_read: 0, cache_write: 0 } },
    sandboxUids: null,
    runLimits: { cpus: null, disk_bytes: null },
    runFiles: null,
    trustedProxies: ["10.0.0.0/8", "::1/128"],
    mailFrom: { name: "Omoi", address: "omoi@example.com" },
    telemetry: { endpoint: "http://collector:4318", metricIntervalMs: 100 },
    oidc: {
      issuer: "https://id.example.com/realms/a/",
      clientId: "omoi",
      clientSecret: "of the client",
      name: "id.example.com",
    },
  });
  const named = { OMOI_OIDC_ISSUER: "http://127.0.0.1:9", OMOI_OIDC_NAME: " Acme ", ...oidc };
  expect(read(named).oidc?.name).toBe("Acme");
  expect(read({ OMOI_RUN_CPUS: "1.5" }).runLimits.cpus).toBe(1.5);
});

const s3 = {
  OMOI_S3_ENDPOINT: "https://s3.eu-central-1.amazonaws.com/",
  OMOI_S3_ACCESS_KEY_ID: "id",
  OMOI_S3_SECRET_ACCESS_KEY: "hunter2",
};

test("an own S3 server has buckets in the path, and logs stay without a bucket", () => {
  expect(read(s3).objectStorage).toEqual({
    endpoint: "https://s3.eu-central-1.amazonaws.com",
    region: "us-east-1",
    accessKeyId: "id",
    secretAccessKey: "hunter2",
    addressing: "host",
    logs: null,
  });
  const own = { ...s3, OMOI_S3_ENDPOINT: "http://minio:9000", OMOI_S3_BUCKET: "omoi-logs" };
  expect(read({ ...own, OMOI_S3_PREFIX: "a/b" }).objectStorage).toMatchObject({
    addressing: "path",
    logs: { bucket: "omoi-logs", prefix: "a/b" },
  });
  const chosen = { ...own, OMOI_S3_ADDRESSING: "host" };
  expect(read(chosen).objectStorage?.addressing).toBe("host");
});

const cluster = { OMOI_KUBERNETES_NAMESPACE: "runs", OMOI_KUBERNETES_IMAGE: "omoi:1" };

test("labels and tolerations of Kubernetes", () => {
  const pool = [{ key: "example.com/pool", operator: "Exists", effect: "NoSchedule" }];
  const given = {
    ...cluster,
    OMOI_KUBERNETES_NODE_SELECTOR: "example.com/pool=runs, empty=",
    OMOI_KUBERNETES_TOLERATIONS: JSON.stringify(pool),
  };
  expect(read(given).kubernetes).toMatchObject({
    nodeSelector: { "example.com/pool": "runs", empty: "" },
    tolerations: pool,
  });
});

const noSecrets = /hunter2/;
test.for([
  [
    { OMOI_PRT: "1" },
    /^OMOI_PRT is not a setting of Omoi; remove it, or correct its name \(known: OMOI_HOST, OMOI_PORT, .*OMOI_LOG_LEVEL\)$/,
  ],
  [
    { ...cluster, OMOI_KUBERNETES_NODE_SELECTOR: "a=b=c" },
    /^OMOI_KUBERNETES_NODE_SELECTOR must list labels separated by ",", such as key=value, not "a=b=c"$/,
  ],
  [
    { ...cluster, OMOI_KUBERNETES_TOLERATIONS: '[{"effect":"NoSchedule"}]' },
    /^OMOI_KUBERNETES_TOLERATIONS is not valid: 0: without key, operator must be Exists$/,
  ],
  [
    { ...cluster, OMOI_KUBERNETES_TOLERATIONS: '[{"key":"a","operator":"Exists","value":"b"}]' },
    /with the operator Exists, there must be no value$/,
  ],
  [
    { ...cluster, OMOI_KUBERNETES_TOLERATIONS: '[{"key":"a","tolerationSeconds":60}]' },
    /with tolerationSeconds, effect must be NoExecute$/,
  ],
  [
    { OMOI_HOST: "a b" },
    'OMOI_HOST must be a host name or an address, such as 127.0.0.1, not "a b"',
  ],
  [{ OMOI_PORT: "65536" }, 'OMOI_PORT must be a whole number from 0 to 65535, not "65536"'],
  [{ OMOI_PORT: "1e3" }, 'OMOI_PORT must be a whole number from 0 to 65535, not "1e3"'],
  [
    { OMOI_REGISTRATION: "shut" },
    'OMOI_REGISTRATION must be one of open, invite, closed, not "shut"',
  ],
  [{ OMOI_MODEL_PRICES: "{" }, "OMOI_MODEL_PRICES must be JSON"],
  [{ OMOI_MODEL_PRICES: '{"m":{"input":-1}}' }, /^OMOI_MODEL_PRICES is not valid: m\.input: /],
  [
    { OMOI_IMPORT_PRIVATE_HOSTS: "1" },
    'OMOI_IMPORT_PRIVATE_HOSTS must be one of true, false, not "1"',
  ],
  [
    { OMOI_PUBLIC_URL: "omoi.example.com" },
    'OMOI_PUBLIC_URL must be an http(s) address such as https://omoi.example.com, not "omoi.example.com"',
  ],
  [
    { OMOI_PUBLIC_URL: "https://example.com/omoi/" },
    "OMOI_PUBLIC_URL must have no path, since Omoi serves at the root of a host; give it a host name of its own, such as https://example.com, instead of /omoi",
  ],
  [
    { OMOI_DATABASE_URL: "mysql://omoi:hunter2@db" },
    "OMOI_DATABASE_URL must be an address such as postgres://user:password@host:5432/omoi",
  ],
  [
    { OMOI_DATABASE_APP_URL: "postgres://a@b/c" },
    /^OMOI_DATABASE_APP_URL needs OMOI_DATABASE_URL; set /,
  ],
  [
    { OMOI_DATABASE_DIRECT_URL: "postgres://a@b/c" },
    /^OMOI_DATABASE_DIRECT_URL needs OMOI_DATABASE_URL; set /,
  ],
  [
    { OMOI_SECRET: "short" },
    "OMOI_SECRET must be at least 32 characters; make one with: openssl rand -hex 32",
  ],
  [
    { OMOI_IMPORT_ROOTS: "/a:b" },
    'OMOI_IMPORT_ROOTS must list absolute folders separated by ":", not "b"',
  ],
  [{ OMOI_IMPORT_CA_FILE: "ca.pem" }, 'OMOI_IMPORT_CA_FILE must be an absolute path, not "ca.pem"'],
  [
    { OMOI_IMPORT_CA_FILE: "/no/such.pem" },
    "OMOI_IMPORT_CA_FILE names a file that cannot be read: /no/such.pem",
  ],
  [
    { OMOI_TRUSTED_PROXIES: "10.0.0.0/8,proxy" },
    'OMOI_TRUSTED_PROXIES must list networks separated by ",", such as 10.0.0.0/8,::1, not "proxy"',
  ],
  [
    { OMOI_AGENT_UID: "60860" },
    "OMOI_DATABASE_UID, OMOI_NETWORK_UID and OMOI_AGENT_UID must be three users; a run must be none of the others",
  ],
  [
    { OMOI_SANDBOX_UIDS: "5-9" },
    'OMOI_SANDBOX_UIDS must be a range of uids such as 1900000000-1900065535, from 1000 to 2147483646 and without OMOI_AGENT_UID, or "shared", not "5-9"',
  ],
  [
    { OMOI_SANDBOX_UIDS: "2000-3000", OMOI_AGENT_UID: "2500" },
    /^OMOI_SANDBOX_UIDS must be a range .*without OMOI_AGENT_UID, or "shared", not "2000-3000"$/,
  ],
  [
    { OMOI_RUN_CPUS: "1025" },
    'OMOI_RUN_CPUS must be a number of processors such as 1.5, or 0 for no limit, not "1025"',
  ],
  [
    { OMOI_METRICS_TOKEN: "hunter2" },
    "OMOI_METRICS_TOKEN must be 16 to 512 characters without spaces, such as the output of: openssl rand -hex 32",
  ],
  [
    { OMOI_KEY_PREFIX: "sk" },
    'OMOI_KEY_PREFIX must be lower-case letters, digits and "_", ending in "_", not "sk"',
  ],
  [
    { OMOI_SMTP_URL: "mail://user:hunter2@mail" },
    /^OMOI_SMTP_URL must be an address such as smtp:\/\/user:password@mail.example.com:587 or smtps:\/\/…:465; /,
  ],
  [
    { OMOI_MAIL_FROM: "Omoi" },
    'OMOI_MAIL_FROM must be one address such as Omoi <omoi@example.com>, not "Omoi"',
  ],
  [
    { OMOI_S3_BUCKET: "logs" },
    "OMOI_S3_BUCKET needs OMOI_S3_ENDPOINT; set it too, or remove OMOI_S3_BUCKET",
  ],
  [
    { ...s3, OMOI_S3_BUCKET: "Logs_" },
    'OMOI_S3_BUCKET must be the name of a bucket: 3 to 63 lower-case letters, digits, "." and "-", not "Logs_"',
  ],
  [{ ...s3, OMOI_S3_PREFIX: "/logs" }, /^OMOI_S3_PREFIX must be names of letters, /],
  [
    {
      OMOI_S3_ENDPOINT: "https://s3.eu-central-1.amazonaws.com",
      OMOI_S3_SECRET_ACCESS_KEY: "hunter2",
    },
    "OMOI_S3_ENDPOINT needs OMOI_S3_ACCESS_KEY_ID; set it too, or remove OMOI_S3_ENDPOINT",
  ],
  [
    { OMOI_OIDC_NAME: "Acme" },
    "OMOI_OIDC_NAME needs OMOI_OIDC_ISSUER; set it too, or remove OMOI_OIDC_NAME",
  ],
  [{ OMOI_OIDC_ISSUER: "https://id.example.com" }, /^OMOI_OIDC_ISSUER needs OMOI_OIDC_CLIENT_ID; /],
  [
    { OMOI_OIDC_ISSUER: "http://id.example.com" },
    'OMOI_OIDC_ISSUER must begin with https:// (http:// only on this machine), not "http://id.example.com/"',
  ],
  [
    { OMOI_OIDC_ISSUER: "id.example.com" },
    'OMOI_OIDC_ISSUER must be an http(s) address such as https://omoi.example.com, not "id.example.com"',
  ],
] satisfies [Record<string, string>, string | RegExp][])("refuses %j", ([env, expected]) => {
  let message = "";
  try {
    read(env);
  } catch (error) {
    expect(error).toMatchObject({ name: "ConfigError" });
    message = (error as Error).message;
  }
  if (typeof expected === "string") expect(message).toBe(expected);
  else expect(message).toMatch(expected);
  expect(message).not.toMatch(noSecrets);
  expect(message).not.toContain("\n");
});
