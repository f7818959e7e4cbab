/** Programs that a run can start with a prompt; `custom` takes a command. */
export const presetNames = ["claude-code", "codex", "gemini", "opencode", "custom"] as const;
export type PresetName = (typeof presetNames)[number];

/** The names of the products. */
export const presetTitles: Record<PresetName, string> = {
  "claude-code": "Claude Code",
  codex: "Codex",
  gemini: "Gemini CLI",
  opencode: "OpenCode",
  custom: "Custom command",
};
