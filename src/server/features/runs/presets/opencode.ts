import { lastText, propertyOf } from "./json-output.js";
import type { PresetDefinition } from "./preset.js";

/** OpenCode takes the addresses of providers from its configuration only. */
const START = `
providers=
[ -z "$ANTHROPIC_BASE_URL" ] ||
  providers='"anthropic":{"options":{"baseURL":"{env:ANTHROPIC_BASE_URL}/v1"}}'
[ -z "$OPENAI_BASE_URL" ] ||
  providers="$providers\${providers:+,}"'"openai":{"options":{"baseURL":"{env:OPENAI_BASE_URL}"}}'
export OPENCODE_CONFIG_CONTENT="{\\"autoupdate\\":false,\\"provider\\":{$providers}}"
exec opencode run --format json --auto "$@"`;

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
    ...(model === null ? [] : ["--model", model]),
    "--",
    prompt,
  ],
  readResult: (output) =>
    lastText(output, (entry) =>
      propertyOf(entry, "type") === "text"
        ? propertyOf(propertyOf(entry, "part"), "text")
        : undefined,
    ),
};
