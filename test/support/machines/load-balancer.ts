import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { pipeline } from "node:stream";

/** Distributes connections to servers that accept them, and closes those to servers that do not. */
export interface LoadBalancer {
  readonly url: string;
  close(): Promise<void>;
}

const CONNECT_MS = 500;
const CHECK_MS = 1000;

/** @param servers host and port of each server */
export async function startLoadBalancer(
  host: string,
  servers: readonly { host: string; port: number }[],
): Promise<LoadBalancer> {
  const passing = new Map<Socket, number>();
  let turn = 0;
  const open = (index: number): Promise<Socket | null> =>
    new Promise((resolve) => {
      const server = servers[index];
      if (!server) return resolve(null);
      const socket = connect(server);
      const giveUp = (): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(null);
      };
      const timer = setTimeout(giveUp, CONNECT_MS);
      socket.once("error", giveUp);
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.off("error", giveUp);
        resolve(socket);
      });
    });
  const pass = async (client: Socket): Promise<void> => {
    client.on("error", () => client.destroy());
    client.pause();
    turn += 1;
    for (let attempt = 0; attempt < servers.length; attempt += 1) {
      const index = (turn + attempt) % servers.length;
      const server = await open(index);
      if (!server) continue;
      passing.set(client, index);
      client.once("close", () => passing.delete(client));
      pipeline(client, server, client, () => {
        client.destroy();
        server.destroy();
      });
      return;
    }
    client.destroy();
  };
  const check = async (index: number): Promise<void> => {
    const probe = await open(index);
    probe?.destroy();
    if (probe) return;
    for (const [client, at] of passing) if (at === index) client.destroy();
  };
  const timer = setInterval(() => {
    for (const index of servers.keys()) void check(index);
  }, CHECK_MS);
  const server = createServer((client) => void pass(client)).listen(0, host);
  await once(server, "listening");
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      clearInterval(timer);
      for (const client of passing.keys()) client.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
