import { lastText, propertyOf } from "./json-output.js";
import type { PresetDefinition } from "./preset.js";

/**
 * OpenCode takes the addresses of providers from its configuration only. It would put an argument with
 * spaces in quotes, so it gets the prompt by its standard input.
 */
const START = `
prompt=$1
shift
providers=
[ -z "$ANTHROPIC_BASE_URL" ] ||
  providers='"anthropic":{"options":{"baseURL":"{env:ANTHROPIC_BASE_URL}/v1"}}'
[ -z "$OPENAI_BASE_URL" ] ||
  providers="$providers\${providers:+,}"'"openai":{"options":{"baseURL":"{env:OPENAI_BASE_URL}"}}'
export OPENCODE_CONFIG_CONTENT="{\\"autoupdate\\":false,\\"provider\\":{$providers}}"
printf %s "$prompt" | opencode run --format json --auto "$@"`;

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
  readResult: (output) =>
    lastText(output, (entry) =>
      propertyOf(entry, "type") === "text"
        ? propertyOf(propertyOf(entry, "part"), "text")
        : undefined,
    ),
};
