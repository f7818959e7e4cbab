/** The way by which a run whose network is isolated reaches the server. */
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import ipaddr from "ipaddr.js";
import { isWithin } from "#shared/node/networks.js";

export interface CallbackListener {
  /** On the machine's 127.0.0.1. */
  port: number;
  /** Ends its connections, too. */
  close(): void;
}

/**
 * Opens a port for one run. Requests that come in there are served as all others, but have the address
 * of that run, which is neither loopback nor a trusted proxy's: a header by which a proxy names its
 * client is not believed, and rate limits count each run by itself.
 * @param runId a UUID
 */
export async function openCallbackListener(
  server: Server,
  runId: string,
): Promise<CallbackListener> {
  const address = addressOfRun(runId);
  const open = new Set<Socket>();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    Object.defineProperty(socket, "remoteAddress", { value: address });
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    // As if it had come in at the server's own port (Event: 'connection' of http.Server).
    server.emit("connection", socket);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    close() {
      listener.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Addresses for documentation (RFC 9637), which no client has. */
const PREFIX = "3fff";

/** Whether an address is that of a run. */
export function isRunAddress(address: string): boolean {
  return isWithin(address, `${PREFIX}::/16`);
}

/** Returns an address in a /64 of the run's own, made of the last digits of its id. */
function addressOfRun(runId: string): string {
  const digits = `0${runId.replaceAll("-", "").slice(-11)}`;
  const groups = [digits.slice(0, 4), digits.slice(4, 8), digits.slice(8)];
  return ipaddr.parse(`${PREFIX}:${groups.join(":")}::1`).toString();
}
