import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { generateKey } from "#shared/node/key-text.js";

/** A separate process that sends wrong keys at a constant rate, without being a bottleneck. */

interface Flood {
  url: string;
  prefix: string;
  perSecond: number;
}

const file = fileURLToPath(import.meta.url);
const different = 20_000;
const connections = 20;

/** Runs work while wrong keys are sent; also returns the rate of rejected ones per second. */
export async function withWrongKeys<Result>(
  url: string,
  prefix: string,
  perSecond: number,
  work: () => Promise<Result>,
): Promise<{ result: Result; refusedPerSecond: number }> {
  const child = fork(file, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  child.send({ url, prefix, perSecond } satisfies Flood);
  await once(child, "message");
  const result = await work();
  child.send("stop");
  const [refusedPerSecond] = (await once(child, "message")) as [number];
  child.disconnect();
  return { result, refusedPerSecond };
}

async function flood({ url, prefix, perSecond }: Flood): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const requests = Array.from({ length: different }, (_, number) => {
    const made = generateKey(prefix);
    // Half of them also have a wrong checksum.
    const key = number % 2 === 0 ? made : made.slice(0, -1) + (made.endsWith("0") ? "1" : "0");
    return `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${key}\r\n\r\n`;
  });
  let refused = 0;
  const sockets: Socket[] = [];
  for (let number = 0; number < connections; number += 1) {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, "connect");
    socket.setEncoding("latin1").on("data", (text: string) => {
      refused += text.split("HTTP/1.1 401").length - 1;
    });
    sockets.push(socket);
  }
  const began = performance.now();
  let sent = 0;
  const sending = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * perSecond);
    for (; sent < due; sent += 1) {
      sockets[sent % connections]?.write(requests[sent % different] as string);
    }
  }, 1);
  // Starts after the server has adapted to the load.
  setTimeout(() => process.send?.("started"), 1000);
  process.once("message", () => {
    const rate = refused / ((performance.now() - began) / 1000);
    clearInterval(sending);
    for (const socket of sockets) socket.destroy();
    process.send?.(rate);
  });
}

if (process.argv[1] === file) process.once("message", (given) => void flood(given as Flood));
