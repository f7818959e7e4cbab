import { lastText, propertyOf } from "./json-output.js";
import type { PresetDefinition } from "./preset.js";

export const claudeCode: PresetDefinition = {
  name: "claude-code",
  program: "claude",
  install: "npm install --global @anthropic-ai/claude-code",
  provider: "anthropic",
  hosts: ["api.anthropic.com"],
  models: ["opus", "sonnet", "haiku"],
  environment: { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1" },
  commandOf: ({ prompt, model }) => [
    "claude",
    "--print",
    "--output-format",
    "json",
    "--permission-mode",
    "bypassPermissions",
    ...(model === null ? [] : ["--model", model]),
    "--",
    prompt,
  ],
  session: {
    program: "claude-agent-acp",
    // Without the tag, npm on Node 20 chooses an old version that does not name a Node.
    install: "npm install --global @agentclientprotocol/claude-agent-acp@latest",
  },
  // By default a model would decide about permissions.
  sessionMode: "default",
  sessionCommandOf: (model) => [
    ...(model === null ? [] : ["env", `ANTHROPIC_MODEL=${model}`]),
    "claude-agent-acp",
  ],
  readResult: (output) =>
    lastText(output, (entry) =>
      propertyOf(entry, "type") === "result" ? propertyOf(entry, "result") : undefined,
    ),
};
