import { lastText, propertyOf } from "./json-output.js";
import type { PresetDefinition } from "./preset.js";

/**
 * Codex takes the address of its provider from its configuration only. The provider has no WebSockets,
 * which neither the proxy of a run nor a gateway needs to speak.
 */
const PROVIDER = `-c model_provider=run -c model_providers.run.name=OpenAI -c model_providers.run.wire_api=responses \
-c model_providers.run.base_url="\${OPENAI_BASE_URL:-https://api.openai.com/v1}" \
-c model_providers.run.env_key=OPENAI_API_KEY -c model_providers.run.supports_websockets=false`;

const START = `exec codex exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox ${PROVIDER} "$@"`;

/** The adapter takes the same as JSON, and no arguments. */
const SESSION = `
export MODEL_PROVIDER=run NO_BROWSER=1
export CODEX_CONFIG="{\\"model_provider\\":\\"run\\",\\"model_providers\\":{\\"run\\":{\\"name\\":\\"OpenAI\\",\
\\"wire_api\\":\\"responses\\",\\"base_url\\":\\"\${OPENAI_BASE_URL:-https://api.openai.com/v1}\\",\
\\"env_key\\":\\"OPENAI_API_KEY\\",\\"supports_websockets\\":false}}$1}"
exec codex-acp`;

export const codex: PresetDefinition = {
  name: "codex",
  program: "codex",
  install: "npm install --global @openai/codex",
  provider: "openai",
  hosts: ["api.openai.com"],
  models: [],
  environment: {},
  commandOf: ({ prompt, model }) => [
    "sh",
    "-c",
    START,
    "codex",
    ...(model === null ? [] : ["--model", model]),
    // A lone hyphen would mean the standard input.
    "--",
    prompt === "-" ? " -" : prompt,
  ],
  session: {
    program: "codex-acp",
    install: "npm install --global @agentclientprotocol/codex-acp",
  },
  // Codex's own sandbox does not start in the one of a run. In its other modes commands fail unless a person or
  // a model allows each to run without it.
  sessionMode: "agent-full-access",
  sessionCommandOf: (model) => [
    "sh",
    "-c",
    SESSION,
    "codex-acp",
    ...(model === null ? [] : [`,"model":${JSON.stringify(model)}`]),
  ],
  readResult: (output) =>
    lastText(output, (entry) => {
      const item = propertyOf(entry, "item");
      return propertyOf(entry, "type") === "item.completed" &&
        propertyOf(item, "type") === "agent_message"
        ? propertyOf(item, "text")
        : undefined;
    }),
};
