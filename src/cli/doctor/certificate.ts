import { once } from "node:events";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { isLoopbackHost } from "#shared/node/networks.js";
import type { Check, Finding } from "#shared/node/doctor-check.js";
import { hostOf, OUTSIDE_MS, type Place, portOf } from "./place.js";

/** Days before its end at which a certificate should have been renewed. */
const RENEWAL_DAYS = 14;

/** TLS of the proxy: whether programs trust its certificate, and for how long. */
export function certificate({ url }: Place): Check {
  const host = hostOf(url);
  return {
    name: "certificate",
    tried: `Verify the certificate of ${url.host}`,
    cure: "Let the proxy serve HTTPS at this port (docs/how-to/proxy.md).",
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      if (url.protocol === "https:") return verify(host, portOf(url), signal);
      return isLoopbackHost(host)
        ? { status: "skipped", seen: "this machine alone is served, without TLS" }
        : {
            status: "failed",
            seen: "passwords, keys and code travel without encryption",
            cure: `Put a proxy with HTTPS in front (docs/how-to/proxy.md), and set OMOI_PUBLIC_URL=https://${host}`,
          };
    },
  };
}

async function verify(host: string, port: number, signal: AbortSignal): Promise<Finding> {
  const socket = connect({
    host,
    port,
    ...(isIP(host) === 0 && { servername: host }),
    // The verdict is reported with its cure instead.
    rejectUnauthorized: false,
  });
  try {
    await once(socket, "secureConnect", { signal });
    return judge(socket, host);
  } finally {
    socket.on("error", () => undefined).destroy();
  }
}

function judge(socket: TLSSocket, host: string): Finding {
  const { valid_to: until } = socket.getPeerCertificate();
  const days = Math.floor((Date.parse(until) - Date.now()) / 86_400_000);
  if (!socket.authorized) {
    const error = socket.authorizationError as unknown;
    const code =
      error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? "") : String(error);
    if (code === "CERT_HAS_EXPIRED") {
      return { status: "failed", seen: `it expired at ${until}`, cure: RENEW };
    }
    return {
      status: "failed",
      seen: `programs do not trust it (${code})`,
      cure: cureOf(code, host),
    };
  }
  const seen = `${socket.getProtocol()}, trusted until ${until}, for ${days} days`;
  return days < RENEWAL_DAYS ? { status: "warning", seen, cure: RENEW } : { status: "ok", seen };
}

const RENEW =
  "Renew the certificate, and reload the proxy; check the timer that should have done it (systemctl list-timers).";

function cureOf(code: string, host: string): string {
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `Get a certificate for the name ${host}.`;
  if (code === "CERT_NOT_YET_VALID")
    return "Set the clock of this machine, or get another certificate.";
  return "Let the proxy send the whole chain (fullchain.pem). The authority of a private certificate needs NODE_EXTRA_CA_CERTS for omoi, and http.sslCAInfo for git.";
}
