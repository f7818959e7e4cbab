import type { Setting } from "./setting.js";
import { accountSettings } from "./settings/accounts.js";
import { backupSettings } from "./settings/backups.js";
import { kubernetesSettings } from "./settings/kubernetes.js";
import { mailAndObjectSettings } from "./settings/mail-and-objects.js";
import { monitoringSettings } from "./settings/monitoring.js";
import { outgoingSettings } from "./settings/outgoing.js";
import { requestSettings } from "./settings/requests.js";
import { runSettings } from "./settings/runs.js";
import { serverSettings } from "./settings/server.js";

/** Every setting of the server. The type `Config`, the parser and docs/reference/configuration.md derive from this table. */
export const settings = {
  ...serverSettings,
  ...accountSettings,
  ...outgoingSettings,
  ...runSettings,
  ...requestSettings,
  ...mailAndObjectSettings,
  ...backupSettings,
  ...kubernetesSettings,
  ...monitoringSettings,
};

/** All settings in the order of the table. */
export const allSettings: readonly Setting<unknown>[] = Object.values(settings).flatMap((entry) =>
  "settings" in entry ? entry.settings : [entry as Setting<unknown>],
);
