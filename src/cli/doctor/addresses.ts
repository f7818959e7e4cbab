import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { Check } from "#shared/node/doctor-check.js";
import { hostOf, OUTSIDE_MS, type Place, portOf } from "./place.js";

/** Time for a connection to one address, milliseconds. */
const CONNECT_MS = 5000;

/** The addresses of the public name. A browser may choose any of them. */
export function addresses({ url }: Place): Check {
  const host = hostOf(url);
  const port = portOf(url);
  const cure = `Let the name ${host} lead to the proxy, in its DNS zone.`;
  return {
    name: "addresses",
    tried: `Resolve ${host}, and connect to port ${port} of each address`,
    cure,
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      const found = await lookup(host, { all: true });
      const all = found.map(({ address }) => address);
      const failures = await Promise.all(all.map((address) => tryAddress(address, port, signal)));
      const dead = all.flatMap((address, at) =>
        failures[at] === null ? [] : [`${address} (${failures[at]})`],
      );
      if (dead.length === 0) return { status: "ok", seen: `${all.join(", ")} accept connections` };
      return {
        status: dead.length === all.length ? "failed" : "warning",
        seen: `no connection to ${dead.join(", ")}`,
        cure: `Let the proxy listen at port ${port} of these addresses, open it in the firewall, or remove them from the DNS zone.`,
      };
    },
  };
}

/** Returns why no connection is possible; null if one is. */
function tryAddress(host: string, port: number, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS, signal });
    const end = (reason: string | null): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.once("connect", () => end(null));
    socket.once("timeout", () => end("timed out"));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
