/** Access to the server for a run in an isolated network. */
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import ipaddr from "ipaddr.js";
import { isWithin } from "#shared/node/networks.js";

export interface CallbackListener {
  /** On the host's 127.0.0.1. */
  port: number;
  /** Also closes open connections. */
  close(): void;
}

/**
 * Opens a port for one run. Its requests are served like all others, but their remote address is unique
 * to the run and is neither loopback nor a trusted proxy. Forwarding headers are therefore ignored, and
 * each run has its own rate limit.
 * @param runId a UUID
 */
export async function openCallbackListener(
  server: Server,
  runId: string,
): Promise<CallbackListener> {
  const address = addressOfRun(runId);
  listening.add(runId);
  const open = new Set<Socket>();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    Object.defineProperty(socket, "remoteAddress", { value: address });
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    // As if the server's own port had accepted it (event `connection` of http.Server).
    server.emit("connection", socket);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    close() {
      listening.delete(runId);
      listener.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Runs of this process that have a listener. */
const listening = new Set<string>();

/** Whether a run reaches this server by a listener of its own. */
export function hasListener(runId: string): boolean {
  return listening.has(runId);
}

/** Documentation prefix (RFC 9637), which no real client uses. */
const PREFIX = "3fff";

/** Whether an address belongs to a run. */
export function isRunAddress(address: string): boolean {
  return isWithin(address, `${PREFIX}::/16`);
}

/** Returns an address in a /64 of the run, derived from the last digits of its id. */
export function addressOfRun(runId: string): string {
  const digits = `0${runId.replaceAll("-", "").slice(-11)}`;
  const groups = [digits.slice(0, 4), digits.slice(4, 8), digits.slice(8)];
  return ipaddr.parse(`${PREFIX}:${groups.join(":")}::1`).toString();
}
