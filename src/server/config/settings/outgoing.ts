import { priceTable } from "../model-prices.js";
import { setting, type Setting } from "../setting.js";
import {
  folders,
  hostNames,
  json,
  readableFile,
  trueOrFalse,
  wholeNumber,
} from "../setting-types.js";

/** Upstreams, models and webhooks: the addresses and the limits of requests to them. */
export const outgoingSettings = {
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
  egressPrivateHosts: setting({
    variable: "OMOI_EGRESS_PRIVATE_HOSTS",
    type: hostNames,
    default: "",
    documentation:
      "Host names, separated by `,`, such as a package registry in the same network: runs may reach them at private addresses, if their `allowed_hosts` has them. Addresses of the machine of the proxy (the server, or the runner of the run), loopback, link-local and metadata addresses stay out of reach.",
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
  forgePrivateHosts: setting({
    variable: "OMOI_FORGE_PRIVATE_HOSTS",
    type: trueOrFalse,
    default: "false",
    documentation:
      "`true` lets forges have `http://` addresses, and private or loopback addresses, for their API and for git.",
  }),
  webhookPrivateHosts: setting({
    variable: "OMOI_WEBHOOK_PRIVATE_HOSTS",
    type: trueOrFalse,
    default: "false",
    documentation:
      "`true` lets webhooks have `http://` addresses, and private or loopback addresses.",
  }),
  deliveryDays: setting({
    variable: "OMOI_DELIVERY_DAYS",
    // Deliveries are sent again for a day.
    type: wholeNumber(2, 3650),
    default: "30",
    documentation:
      "Days until an event is deleted with its deliveries to webhooks, and a notification with those to its recipient.",
  }),
  notificationDelaySeconds: setting({
    variable: "OMOI_NOTIFICATION_DELAY_SECONDS",
    type: wholeNumber(1, 3600),
    default: "120",
    documentation:
      "How long notifications are gathered before one email is sent to a person, in seconds.",
  }),
} satisfies Record<string, Setting<unknown>>;
