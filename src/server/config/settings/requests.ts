import { setting, type Setting } from "../setting.js";
import { networks, origins, pattern, wholeNumber } from "../setting-types.js";

/** API keys, requests and limits of organizations. */
export const requestSettings = {
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
} satisfies Record<string, Setting<unknown>>;
