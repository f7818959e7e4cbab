import { lastText, propertyOf } from "./json-output.js";
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
  readResult: (output) =>
    lastText(output, (entry) =>
      propertyOf(entry, "type") === "text"
        ? propertyOf(propertyOf(entry, "part"), "text")
        : undefined,
    ),
};
