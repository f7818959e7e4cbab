import { describeTool } from "./describe-tool.js";
import { lastText, propertyOf, textOf } from "../logs/json-output.js";
import type { PresetDefinition } from "./preset.js";

/**
 * OpenCode takes the addresses of providers from its configuration only. It would put an argument with
 * spaces in quotes, so it gets the prompt by its standard input.
 */
const CONFIGURE = `
providers=
[ -z "$ANTHROPIC_BASE_URL" ] ||
  providers='"anthropic":{"options":{"baseURL":"{env:ANTHROPIC_BASE_URL}/v1"}}'
[ -z "$OPENAI_BASE_URL" ] ||
  providers="$providers\${providers:+,}"'"openai":{"options":{"baseURL":"{env:OPENAI_BASE_URL}"}}'
export OPENCODE_CONFIG_CONTENT="{\\"autoupdate\\":false,\\"provider\\":{$providers}\${chosen:+,\\"model\\":\\"$chosen\\"}}"`;

const START = `
prompt=$1 chosen=
shift${CONFIGURE}
printf %s "$prompt" | opencode run --format json --auto "$@"`;

/** Without a model it would ask a service of its own for one. */
const SESSION = `
chosen=$1
[ -n "$chosen" ] || [ -z "$ANTHROPIC_BASE_URL" ] || chosen=anthropic/claude-sonnet-4-5
${CONFIGURE}
exec opencode acp`;

export const opencode: PresetDefinition = {
  name: "opencode",
  program: "opencode",
  install: "npm install --global opencode-ai",
  // The model names its provider.
  provider: null,
  hosts: ["api.anthropic.com", "api.openai.com"],
  models: ["anthropic/claude-sonnet-4-5"],
  // Providers are many, and some take no key.
  key: {
    secret: "ANTHROPIC_API_KEY",
    variables: /(?:_KEY|_TOKEN|_CREDENTIALS)$|^(?:AWS_|AZURE_|GOOGLE_|OPENCODE_(?:AUTH|CONFIG))/,
    files: [
      ".env",
      ".opencode",
      "opencode.json",
      "opencode.jsonc",
      ".config/opencode",
      ".local/share/opencode/auth.json",
    ],
    isForAnyHost: false,
  },
  environment: { OPENCODE_DISABLE_AUTOUPDATE: "1" },
  commandOf: ({ prompt, model }) => [
    "sh",
    "-c",
    START,
    "opencode",
    prompt,
    ...(model === null ? [] : ["--model", model]),
  ],
  sessionCommandOf: (model) => ["sh", "-c", SESSION, "opencode", model ?? ""],
  tell: (entry) => {
    const part = propertyOf(entry, "part");
    const state = propertyOf(part, "state");
    const error = propertyOf(entry, "error");
    switch (propertyOf(entry, "type")) {
      case "text":
        return [{ kind: "message", text: textOf(propertyOf(part, "text")) }];
      case "tool_use":
        return [
          {
            kind: "action",
            text: describeTool(propertyOf(part, "tool"), propertyOf(state, "input")),
          },
          ...(propertyOf(state, "status") === "error"
            ? [{ kind: "problem" as const, text: textOf(propertyOf(state, "error")) }]
            : []),
        ];
      case "error": {
        const text = propertyOf(propertyOf(error, "data"), "message") ?? propertyOf(error, "name");
        return [{ kind: "problem", text: textOf(text) }];
      }
      case "step_start":
      case "step_finish":
      case "reasoning":
        return [];
      default:
        return null;
    }
  },
  readResult: (output) =>
    lastText(output, (entry) =>
      propertyOf(entry, "type") === "text"
        ? propertyOf(propertyOf(entry, "part"), "text")
        : undefined,
    ),
};
