import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";

/**
 * Limits the connections whose run is not known yet. The oldest one of the same address is ended first, then the
 * oldest of all, so that a client that keeps many open hinders itself rather than others.
 * @returns a function that takes a connection out of the count: its run is known
 */
export function limitAnonymous(
  server: Server,
  { perAddress, total }: { perAddress: number; total: number },
): (socket: Duplex) => void {
  const all = new Set<Duplex>();
  const byAddress = new Map<string, Set<Duplex>>();
  const addressOf = new Map<Duplex, string>();
  const remove = (socket: Duplex): void => {
    all.delete(socket);
    const address = addressOf.get(socket);
    if (address === undefined) return;
    addressOf.delete(socket);
    const own = byAddress.get(address);
    own?.delete(socket);
    if (own?.size === 0) byAddress.delete(address);
  };
  const endOldest = (sockets: Set<Duplex>): void => {
    const [oldest] = sockets;
    if (oldest === undefined) return;
    remove(oldest);
    oldest.destroy();
  };
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const own = byAddress.get(address) ?? new Set();
    byAddress.set(address, own);
    own.add(socket);
    all.add(socket);
    addressOf.set(socket, address);
    socket.once("close", () => remove(socket));
    if (own.size > perAddress) endOldest(own);
    if (all.size > total) endOldest(all);
  });
  return remove;
}
