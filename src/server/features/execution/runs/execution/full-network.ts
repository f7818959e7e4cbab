import { overlaps } from "#shared/node/networks.js";
import type { SandboxReport } from "#sandbox/sandbox.js";
import type { RunSettings } from "../run-settings.js";

const LOOPBACK = ["127.0.0.0/8", "::1"];

/**
 * Whether runs can get an isolated network here. Behind a trusted proxy on this machine they cannot:
 * only the run's network namespace keeps it from impersonating other clients.
 */
export function fullNetworkOf(
  { fullNetwork }: Pick<SandboxReport, "fullNetwork">,
  { trustedProxies }: Pick<RunSettings, "trustedProxies">,
): SandboxReport["fullNetwork"] {
  const trusted = trustedProxies.find((proxy) => LOOPBACK.some((own) => overlaps(proxy, own)));
  if (!fullNetwork.isolated || trusted === undefined) return fullNetwork;
  const reason =
    `OMOI_TRUSTED_PROXIES trusts ${trusted}, which includes this machine's loopback, so runs cannot have ` +
    "the network; let the proxy connect from another address, and trust that one";
  return { isolated: false, reason, install: null };
}
