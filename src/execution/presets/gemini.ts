import { describeTool } from "./describe-tool.js";
import { entriesFromEnd, propertyOf, textOf } from "../logs/json-output.js";
import type { PresetDefinition } from "./preset.js";

export const gemini: PresetDefinition = {
  name: "gemini",
  program: "gemini",
  install: "npm install --global @google/gemini-cli",
  provider: "google",
  hosts: ["generativelanguage.googleapis.com"],
  models: ["pro", "flash"],
  // https://geminicli.com/docs/get-started/authentication
  key: {
    secret: "GEMINI_API_KEY",
    variables: /^(?:GEMINI_API_KEY|GEMINI_CLI_\w+|GOOGLE_\w+|CLOUD_SHELL)$/,
    files: [".env", ".gemini", "/etc/gemini-cli"],
    isForAnyHost: true,
  },
  environment: { GEMINI_SANDBOX: "false" },
  commandOf: ({ prompt, model }) => [
    "gemini",
    "--output-format",
    "stream-json",
    "--approval-mode",
    "yolo",
    "--skip-trust",
    ...(model === null ? [] : ["--model", model]),
    `--prompt=${prompt}`,
  ],
  sessionCommandOf: (model) => [
    "gemini",
    "--acp",
    "--skip-trust",
    ...(model === null ? [] : ["--model", model]),
  ],
  tell: (entry) => {
    const error = propertyOf(entry, "error");
    switch (propertyOf(entry, "type")) {
      case "message": {
        if (propertyOf(entry, "role") !== "assistant") return [];
        const kind = propertyOf(entry, "delta") === true ? "part" : "message";
        return [{ kind, text: textOf(propertyOf(entry, "content")) }];
      }
      case "tool_use": {
        const text = describeTool(propertyOf(entry, "tool_name"), propertyOf(entry, "parameters"));
        return [{ kind: "action", text }];
      }
      case "error":
        return [{ kind: "problem", text: textOf(propertyOf(entry, "message")) }];
      case "tool_result":
      case "result":
        return error === undefined
          ? []
          : [{ kind: "problem", text: textOf(propertyOf(error, "message")) }];
      case "init":
        return [];
      default:
        return null;
    }
  },
  readResult: (output) => {
    const parts: string[] = [];
    for (const entry of entriesFromEnd(output, MAX_PARTS)) {
      const type = propertyOf(entry, "type");
      if (type === "message" && propertyOf(entry, "role") === "assistant") {
        parts.unshift(textOf(propertyOf(entry, "content")));
        if (propertyOf(entry, "delta") !== true) break;
      } else if (type === "tool_result" || type === "message") {
        break;
      }
    }
    return parts.length === 0 ? null : parts.join("");
  },
};

/** Maximum number of pieces in which the final message is read. The searched output has 256 KiB. */
const MAX_PARTS = 2000;
