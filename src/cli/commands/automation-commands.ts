/** The command of each call of automations. */
import type { CallName } from "#shared/contract/client.js";
import type { CallCommand, WithoutCommand } from "./call-command.js";

type AutomationCall = Extract<CallName, `automations.${string}`>;

export const automationCommands: Record<AutomationCall, CallCommand | WithoutCommand> = {
  "automations.list": {
    command: "automation list",
    columns: ["id", "name", "status", "next_at", "last_fired_at"],
    examples: ["automation list shop"],
  },
  "automations.create": {
    command: "automation create",
    examples: ["automation create shop --body @weekly.json"],
  },
  "automations.nextTimes": {
    command: "automation next-times",
    args: ["project_id", "cron", "timezone"],
    examples: ["automation next-times shop '0 7 * * 1' Europe/Berlin"],
  },
  "automations.get": {
    command: "automation show",
    examples: ["automation show shop 'Weekly dependency update'"],
  },
  "automations.update": {
    command: "automation update",
    examples: ["automation update shop 'Weekly dependency update' --overlap queue"],
  },
  "automations.delete": { command: "automation delete", confirms: true },
  "automations.firings": {
    command: "automation firings",
    columns: ["created_at", "type", "decision", "reason", "task.number", "check.status"],
  },
  "automations.test": {
    command: "automation test",
    examples: ["automation test shop 'Weekly dependency update'"],
  },
  "automations.run": { command: "automation run" },
  "automations.rotateToken": { command: "automation rotate-token", confirms: true },
};
