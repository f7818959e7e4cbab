import { overlaps } from "#shared/node/networks.js";
import { isOwnSandbox, type SandboxReport } from "#sandbox/sandbox.js";
import type { RunSettings } from "./run-settings.js";

const LOOPBACK = ["127.0.0.0/8", "::1"];

/**
 * Whether runs with the network have one of their own here. Behind a trusted proxy on this machine they
 * are refused it: nothing but the namespace of the run would keep it from passing for another client.
 */
export function fullNetworkOf(
  { mode, fullNetwork }: Pick<SandboxReport, "fullNetwork"> & { mode: string },
  { trustedProxies }: Pick<RunSettings, "trustedProxies">,
): SandboxReport["fullNetwork"] {
  const trusted = trustedProxies.find((one) => LOOPBACK.some((own) => overlaps(one, own)));
  if (!isOwnSandbox(mode) || !fullNetwork.isolated || trusted === undefined) return fullNetwork;
  const reason =
    `OMOI_TRUSTED_PROXIES trusts ${trusted}, which covers this machine's loopback, so no run can have ` +
    "the network; have the proxy connect from another address, and trust that one";
  return { isolated: false, reason, install: null };
}
