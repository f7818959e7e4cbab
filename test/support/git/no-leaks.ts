import type { LeakGuard } from "#server/features/identity/api-keys/index.js";

/** A leak guard for work on workspaces outside the application, without API keys. */
export const noLeaks: LeakGuard = {
  keyPrefix: "sk_live_",
  findActive: () => Promise.resolve(null),
};
