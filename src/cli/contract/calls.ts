import { readFileSync } from "node:fs";
import type { CallName } from "#shared/contract/client.js";
import type { DescribedCall, DescribedCalls } from "./describe-calls.js";

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
