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
}

/** Listens on a free loopback port and forwards to the server in `config`. */
export async function startDatabaseProxy(config: pg.ClientConfig): Promise<DatabaseProxy> {
  const host = String(config.host);
  const target = host.startsWith("/")
    ? { path: join(host, `.s.PGSQL.${config.port}`) }
    : { host, port: Number(config.port) };
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
  };
}
