import { readFileSync } from "node:fs";
import type { api } from "#shared/api/index.js";
import type { DescribedCall, DescribedCalls } from "./describe-calls.js";

/** A call of the API by resource and name: `agents.list`. */
export type CallName = {
  [Resource in keyof typeof api]: `${Resource}.${keyof (typeof api)[Resource] & string}`;
}[keyof typeof api];

let described: DescribedCalls | undefined;

/** All calls; read from contract.json, which the build writes beside the command. */
export function describedCalls(): DescribedCalls {
  described ??= JSON.parse(
    readFileSync(new URL("contract.json", import.meta.url), "utf8"),
  ) as DescribedCalls;
  return described;
}

export function describedCall(name: CallName): DescribedCall {
  const [resource = "", call = ""] = name.split(".");
  const found = describedCalls()[resource]?.[call];
  if (!found) throw new Error(`the build describes no call ${name}`);
  return found;
}
