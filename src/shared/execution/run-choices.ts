/** Programs that a run can start with a prompt; `custom` takes a command. */
export const presetNames = ["claude-code", "codex", "gemini", "opencode", "custom"] as const;
export type PresetName = (typeof presetNames)[number];

/** Programs that give a second opinion: those whose models the gateway reaches. */
export const reviewerNames = ["claude-code", "codex", "opencode"] as const;
export type ReviewerName = (typeof reviewerNames)[number];

/** The names of the products. */
export const presetTitles: Record<PresetName, string> = {
  "claude-code": "Claude Code",
  codex: "Codex",
  gemini: "Gemini CLI",
  opencode: "OpenCode",
  custom: "Custom command",
};

/** The states of a run: queued, running, or one of six final ones. */
export const runStatuses = [
  "queued",
  "running",
  "succeeded",
  "failed",
  "stopped",
  "timed_out",
  "lost",
  "quota_exceeded",
] as const;
