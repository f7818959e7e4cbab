import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import type pg from "pg";

/** A connection to PostgreSQL that can be cut. */
export interface DatabaseProxy {
  /** The same database through the proxy. */
  config: pg.ClientConfig;
  /** Drops every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Accepts connections again at the same port. */
  restore(): Promise<void>;
  /** Forwards nothing any more over the present connections, and keeps them open. */
  stall(): void;
  /** Forwards later connections to another server. */
  leadTo(config: pg.ClientConfig): void;
}

/** Listens on a free loopback port and forwards to the server in `config`. */
export async function startDatabaseProxy(config: pg.ClientConfig): Promise<DatabaseProxy> {
  let target = targetOf(config);
  const sockets = new Set<Socket>();
  let port = 0;
  const listen = async () => {
    const server = createServer((client) => {
      const upstream = connect(target);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      }
      // If one side closes, so does the other.
      pipeline(client, upstream, client, () => {});
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
    return server;
  };
  let server = await listen();
  return {
    config: { ...config, host: "127.0.0.1", port },
    cut: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    restore: async () => {
      server = await listen();
    },
    stall: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    leadTo: (other) => {
      target = targetOf(other);
    },
  };
}

function targetOf({
  host,
  port,
}: pg.ClientConfig): { path: string } | { host: string; port: number } {
  return String(host).startsWith("/")
    ? { path: join(String(host), `.s.PGSQL.${port}`) }
    : { host: String(host), port: Number(port) };
}
