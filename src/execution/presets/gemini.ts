import { lastObject, propertyOf } from "./json-output.js";
import type { PresetDefinition } from "./preset.js";

export const gemini: PresetDefinition = {
  name: "gemini",
  program: "gemini",
  install: "npm install --global @google/gemini-cli",
  provider: "google",
  hosts: ["generativelanguage.googleapis.com"],
  models: ["pro", "flash"],
  environment: { GEMINI_SANDBOX: "false" },
  commandOf: ({ prompt, model }) => [
    "gemini",
    "--output-format",
    "json",
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
  readResult: (output) => {
    const response = propertyOf(lastObject(output), "response");
    return typeof response === "string" ? response : null;
  },
};
