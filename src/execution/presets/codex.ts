import { elementsOf, lastText, propertyOf, textOf } from "../logs/json-output.js";
import type { PresetDefinition } from "./preset.js";
import type { Told } from "../logs/teller.js";

/**
 * Codex takes the address of its provider from its configuration only. The provider has no WebSockets,
 * which neither the proxy of a run nor a gateway needs to speak.
 */
const PROVIDER = `-c model_provider=run -c model_providers.run.name=OpenAI -c model_providers.run.wire_api=responses \
-c model_providers.run.base_url="\${OPENAI_BASE_URL:-https://api.openai.com/v1}" \
-c model_providers.run.env_key=OPENAI_API_KEY -c model_providers.run.supports_websockets=false`;

/** By default Codex sends metrics to a host that runs do not reach. Its adapter sends none. */
const NO_METRICS = "-c analytics.enabled=false";

const START = `exec codex exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox ${NO_METRICS} ${PROVIDER} "$@"`;

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
  // The configuration below names the variable. Codex reads a file of variables in its home.
  key: {
    secret: "OPENAI_API_KEY",
    variables: /^(?:OPENAI_API_KEY|CODEX_HOME)$/,
    files: [".codex/.env"],
    isForAnyHost: true,
  },
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
  tell: (entry) => {
    const item = propertyOf(entry, "item");
    switch (propertyOf(entry, "type")) {
      case "item.started":
        return tellStart(item);
      case "item.completed":
        return tellEnd(item);
      case "turn.failed":
        return [problem(propertyOf(propertyOf(entry, "error"), "message"))];
      case "error":
        return [problem(propertyOf(entry, "message"))];
      case "thread.started":
      case "turn.started":
      case "turn.completed":
      case "item.updated":
        return [];
      default:
        return null;
    }
  },
  readResult: (output) =>
    lastText(output, (entry) => {
      const item = propertyOf(entry, "item");
      return propertyOf(entry, "type") === "item.completed" &&
        propertyOf(item, "type") === "agent_message"
        ? propertyOf(item, "text")
        : undefined;
    }),
};

const action = (verb: string, object: unknown): Told => ({
  kind: "action",
  text: `${verb} ${textOf(object)}`,
});
const problem = (text: unknown): Told => ({ kind: "problem", text: textOf(text) });

function tellStart(item: unknown): Told[] {
  switch (propertyOf(item, "type")) {
    case "command_execution":
      return [action("Run", propertyOf(item, "command"))];
    case "mcp_tool_call":
      return [action("Use", propertyOf(item, "tool"))];
    default:
      return [];
  }
}

function tellEnd(item: unknown): Told[] {
  const code = propertyOf(item, "exit_code");
  switch (propertyOf(item, "type")) {
    case "agent_message":
      return [{ kind: "message", text: textOf(propertyOf(item, "text")) }];
    case "command_execution":
      return typeof code === "number" && code !== 0 ? [problem(`Exit code ${code}`)] : [];
    case "file_change":
      return elementsOf(propertyOf(item, "changes")).map((change) =>
        action(VERBS[textOf(propertyOf(change, "kind"))] ?? "Edit", propertyOf(change, "path")),
      );
    case "web_search":
      return [action("Search the web for", propertyOf(item, "query"))];
    case "error":
      return [problem(propertyOf(item, "message"))];
    default:
      return [];
  }
}

/** Verbs for the kinds of changes of files. */
const VERBS: Readonly<Record<string, string>> = { add: "Write", delete: "Delete" };
