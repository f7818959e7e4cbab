import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Transform, pipeline } from "node:stream";

/** A TCP relay in front of a server that reads slowly. */
export interface SlowRelay {
  port: number;
  /** Bytes that pass to the server in a second, on each connection. */
  bytesPerSecond: number;
  close(): Promise<void>;
}

/** Listens on a free loopback port, and forwards to another one, of this address. */
export async function startSlowRelay(to: number, host = "127.0.0.1"): Promise<SlowRelay> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    }
    const slow = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        setTimeout(() => done(null, chunk), (1000 * chunk.length) / relay.bytesPerSecond);
      },
    });
    pipeline(client, slow, upstream, () => client.destroy());
    pipeline(upstream, client, () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const relay: SlowRelay = {
    port: (server.address() as AddressInfo).port,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return relay;
}
