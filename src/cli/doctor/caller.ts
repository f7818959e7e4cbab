import type { ReceivedRequest } from "#shared/api/operation/doctor.js";
import type { Check, Finding } from "#shared/node/doctor-check.js";
import type { Connection } from "../connection/connect.js";
import { OUTSIDE_MS, type Place } from "./place.js";

/** An address that no client has (RFC 5737). */
const FORGED = "192.0.2.1";

/** Whether the server sees the client as it is, behind the proxy. */
export function clientAddress({ url }: Place, { api }: Connection): Check {
  return {
    name: "client-address",
    tried: "Compare the address, the scheme and the host that the server sees",
    cure: "Set OMOI_TRUSTED_PROXIES (docs/how-to/proxy.md).",
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      const { data: seen } = await api.doctor.request({}, { signal });
      const fault = findFault(url, seen);
      if (fault !== null) return fault;
      const headers = { "x-forwarded-for": FORGED };
      const { data: forged } = await api.doctor.request({}, { headers, signal });
      if (forged.address === FORGED) {
        return {
          status: "failed",
          seen: "a client can choose its address, which limits and key restrictions depend on",
          cure: "Let the proxy replace X-Forwarded-For (nginx: proxy_set_header X-Forwarded-For $remote_addr;), and name in OMOI_TRUSTED_PROXIES only proxies.",
        };
      }
      const { address, protocol, host } = seen;
      return { status: "ok", seen: `${address} by ${protocol}, for ${host}` };
    },
  };
}

function findFault(url: URL, seen: ReceivedRequest): Finding | null {
  const { protocol, host, connection_address: peer, connection_trusted: isTrusted } = seen;
  const [name] = URL.canParse(`http://${host}`) ? [new URL(`http://${host}`).hostname] : [host];
  if (name !== url.hostname) {
    return {
      status: "failed",
      seen: `the server sees the host ${host}`,
      cure: "Let the proxy pass the header Host (nginx: proxy_set_header Host $host;).",
    };
  }
  if (!isTrusted && seen.forwarding_headers.length > 0) {
    return {
      status: "failed",
      seen: `the server takes the proxy at ${peer} for its client: all people share its limits`,
      cure: `Set OMOI_TRUSTED_PROXIES=${peer}, and restart Omoi.`,
    };
  }
  if (url.protocol === "https:" && protocol !== "https") {
    return {
      status: "failed",
      seen: "the server sees a connection without TLS",
      cure: "Let the proxy pass the scheme (nginx: proxy_set_header X-Forwarded-Proto $scheme;), and name its address in OMOI_TRUSTED_PROXIES.",
    };
  }
  if (
    isTrusted &&
    !["forwarded", "x-forwarded-for"].some((n) => seen.forwarding_headers.includes(n))
  ) {
    return {
      status: "failed",
      seen: `the proxy at ${peer} does not tell the address of its client`,
      cure: "Let the proxy pass it (nginx: proxy_set_header X-Forwarded-For $remote_addr;).",
    };
  }
  return null;
}
