import { describeTool } from "./describe-tool.js";
import { elementsOf, lastText, propertyOf, textOf } from "../logs/json-output.js";
import type { PresetDefinition } from "./preset.js";
import type { Told } from "../logs/teller.js";

export const claudeCode: PresetDefinition = {
  name: "claude-code",
  program: "claude",
  install: "npm install --global @anthropic-ai/claude-code",
  provider: "anthropic",
  hosts: ["api.anthropic.com"],
  models: ["opus", "sonnet", "haiku"],
  // https://code.claude.com/docs/en/iam
  key: {
    secret: "ANTHROPIC_API_KEY",
    variables:
      /^(?:ANTHROPIC_(?:API_KEY|AUTH_TOKEN|BASE_URL|CUSTOM_HEADERS)|CLAUDE_CODE_(?:OAUTH_TOKEN|API_KEY|USE_)\w*|CLAUDE_CONFIG_DIR)$/,
    files: [
      ".claude/.credentials.json",
      ".claude/settings.json",
      ".claude/settings.local.json",
      "/etc/claude-code/managed-settings.json",
    ],
    isForAnyHost: true,
  },
  environment: { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1" },
  commandOf: ({ prompt, model }) => [
    "claude",
    "--print",
    "--output-format",
    "stream-json",
    "--verbose",
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
  tell: (entry) => {
    const content = propertyOf(propertyOf(entry, "message"), "content");
    switch (propertyOf(entry, "type")) {
      case "assistant":
        return elementsOf(content).flatMap((part): Told[] => {
          const type = propertyOf(part, "type");
          if (type === "text") return [{ kind: "message", text: textOf(propertyOf(part, "text")) }];
          if (type !== "tool_use") return [];
          const text = describeTool(propertyOf(part, "name"), propertyOf(part, "input"));
          return [{ kind: "action", text }];
        });
      case "user":
        return elementsOf(content).flatMap((part): Told[] =>
          propertyOf(part, "is_error") === true
            ? [{ kind: "problem", text: toolText(propertyOf(part, "content")) }]
            : [],
        );
      case "result":
        return [{ kind: "result", text: textOf(propertyOf(entry, "result")) }];
      case "system":
      case "stream_event":
      case "rate_limit_event":
        return [];
      default:
        return null;
    }
  },
  readResult: (output) =>
    lastText(output, (entry) =>
      propertyOf(entry, "type") === "result" ? propertyOf(entry, "result") : undefined,
    ),
};

/** Returns the text of a tool's result: a text, or parts with texts. */
function toolText(content: unknown): string {
  if (typeof content === "string") return content;
  return elementsOf(content)
    .map((part) => textOf(propertyOf(part, "text")))
    .join("\n");
}
