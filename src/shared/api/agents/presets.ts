import { z } from "zod";
import { presetNames } from "../../preset-names.js";
import { endpoint } from "../../contract/endpoint.js";
import { page } from "../../contract/fields.js";

/** A program that a run can start with a prompt. */
export const preset = z.strictObject({
  name: z.enum(presetNames),
  /** The product's name. */
  title: z.string(),
  /** Null for `custom`, which takes a command. */
  program: z.string().nullable(),
  /** The command that installs the program on the server's machine. */
  install: z.string().nullable(),
  /**
   * Whether a run with the preset's defaults can start here. The program was found and started in the
   * sandbox, on the PATH of runs.
   */
  available: z.boolean(),
  /**
   * Why a run with the preset's defaults cannot start here, in one or two sentences; null if it can. It
   * may be set for an available `custom`, whose default network may be impossible.
   */
  reason: z.string().nullable(),
  /** The version that the program reports. */
  version: z.string().nullable(),
  /** Whose models it calls; null if `model` or the command chooses it. */
  provider: z.enum(["anthropic", "openai", "google"]).nullable(),
  /** The default `allowed_hosts` of its runs. */
  hosts: z.array(z.string()),
  /** Examples for `model`; others are accepted. */
  models: z.array(z.string()),
  /** The program of its sessions, which may be another one; null for `custom`. */
  session: z
    .strictObject({
      program: z.string(),
      install: z.string(),
      available: z.boolean(),
      /** As above. */
      reason: z.string().nullable(),
    })
    .nullable(),
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
