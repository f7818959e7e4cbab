import { z } from "zod";
import { presetNames } from "../../execution/run-choices.js";
import { endpoint } from "../../contract/endpoint.js";
import { nullable, page } from "../../contract/fields.js";

/** A program that a run can start with a prompt. */
export const preset = z.strictObject({
  name: z.enum(presetNames).describe("The name that runs and sessions take as `preset`"),
  title: z.string().describe("The product's name"),
  program: nullable.string.describe(
    "The program that runs; null for `custom`, which takes a command",
  ),
  install: nullable.string.describe(
    "The command that installs the program on the server's machine; null if there is none",
  ),
  available: z
    .boolean()
    .describe(
      "Whether a run with the preset's defaults can start here. The program was found and started in the sandbox, on the PATH of runs.",
    ),
  reason: nullable.string.describe(
    "Why a run with the preset's defaults cannot start here, in one or two sentences; null if it can. It may be set for an available `custom`, whose default network may be impossible.",
  ),
  version: nullable.string.describe(
    "The version that the program reports; null if it was not found",
  ),
  provider: z
    .enum(["anthropic", "openai", "google"])
    .nullable()
    .describe("Whose models it calls; null if `model` or the command chooses it"),
  secret: nullable.string.describe(
    "The variable in which it looks for the key of its models, and the usual name of the secret; null for `custom`",
  ),
  hosts: z.array(z.string()).describe("The default `allowed_hosts` of its runs"),
  models: z.array(z.string()).describe("Examples for `model`; others are accepted"),
  session: z
    .strictObject({
      program: z.string().describe("The program that speaks the Agent Client Protocol"),
      install: z.string().describe("The command that installs it on the server's machine"),
      available: z.boolean().describe("Whether a session can start here"),
      reason: nullable.string.describe("Why a session cannot start here; null if it can"),
    })
    .nullable()
    .describe("The program of its sessions, which may be another one; null for `custom`"),
});
export type Preset = z.output<typeof preset>;

export const presets = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/presets",
    access: "signed-in",
    summary: "List the programs that a run can start with a prompt, and whether they work here",
    query: page,
    response: z.array(preset),
  }),
};
