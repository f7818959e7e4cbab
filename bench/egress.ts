import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chownSync, mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { openSandbox } from "#sandbox/open-sandbox.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { openEgressProxy } from "#execution/proxy/open-egress.js";
import { command, median, spread, times, type Benchmark, type Row } from "./support/harness.js";
import { httpsAuthorityFile, httpsHost, startHttpsServer } from "./support/https-server.js";
import { tlsRequestsCommand, type TlsFigures } from "./support/tls-requests.js";

const rounds = 100;
const most = 1.2;
const agentUid = 60_861;
/** Milliseconds in each direction. */
const delays = [1, 5, 0] as const;

/** The delay of connections by the proxy of runs with a restricted network. */
export const egress: Benchmark = {
  name: "egress",
  method:
    "The time to the first byte of an HTTPS response, with a new connection and a full TLS handshake for each " +
    `request, in ${rounds} rounds: by CONNECT through the proxy of runs with a restricted network, alternating ` +
    "with a direct connection to the same port. The client is one Node program in a sandbox with the network " +
    "`restricted`. The proxy runs in the benchmark's process, and the server in another one. The sandbox of a " +
    "run opens only the port of the proxy; here it opens the server's, too, so that both ways leave the sandbox " +
    "alike. The proxy refuses hosts on private networks. As in its tests, the resolver and this check are replaced, " +
    "so no request has a DNS query. A forwarder delays the bytes of distant hosts, but not their TCP " +
    "handshakes, which would add to both ways. The last two lines have no distance and no target: a run cannot " +
    "reach such a host. There the proxy is also compared with a Node process that only copies bytes.",
  run: async (folder, log) => {
    const server = await startHttpsServer(delays);
    const proxy = await openEgressProxy({
      allowed: [{ name: httpsHost, isWildcard: false, ports: server.ports }],
      onConnection: () => undefined,
      resolve: async () => ["127.0.0.1"],
      refuse: () => null,
    });
    const client = await openClient(join(folder, "data"));
    try {
      const rows: Row[] = [];
      for (const [index, delay] of delays.entries()) {
        log(`a host with a round trip of ${2 * delay} ms`);
        const port = server.ports[index] as number;
        const copying = await startCopyingProxy(port);
        const proxies = { proxied: proxy.port, copied: copying.port };
        const authority = await readFile(httpsAuthorityFile, "utf8");
        const request = { rounds, host: httpsHost, authority, port, proxies };
        const output = await client.print(tlsRequestsCommand(request), [
          port,
          ...Object.values(proxies),
        ]);
        copying.close();
        rows.push(...rowsOf(delay, client.suffix, JSON.parse(output) as TlsFigures));
      }
      return rows;
    } finally {
      await client.close();
      await proxy.close();
      server.stop();
    }
  },
};

function rowsOf(
  delay: number,
  suffix: string,
  { direct = [], proxied = [], copied = [] }: TlsFigures,
): Row[] {
  const row = (label: string, baseline: string, against: number[]): Row => ({
    label: label + suffix,
    result: preciseMs(median(proxied)),
    baseline: `${preciseMs(median(against))}, ${baseline}`,
    ratio: `${times(median(proxied) / median(against))} (${spread(proxied, against)})`,
    target: "",
    met: null,
  });
  const distance = delay === 0 ? "on the same machine" : `with a round trip of ${2 * delay} ms`;
  const beside = row(`First byte from a host ${distance}`, "direct", direct);
  const met = median(proxied) / median(direct) <= most;
  if (delay > 0) return [{ ...beside, target: `at most ${most} ×`, met }];
  return [beside, row("… compared with a proxy that only copies", "copied", copied)];
}

const preciseMs = (value: number): string => `${value.toFixed(2)} ms`;

interface Client {
  /** For labels; empty in a sandbox. */
  suffix: string;
  /** Runs a command that reaches some ports of the machine, and returns its output. */
  print(args: readonly string[], ports: readonly number[]): Promise<string>;
  close(): Promise<void>;
}

/** Opens a sandbox for the client; a machine without one runs it as a plain process. */
async function openClient(dataDir: string): Promise<Client> {
  const workspace = join(dataDir, "workspace");
  mkdirSync(workspace, { recursive: true });
  if (process.getuid?.() === 0) chownSync(workspace, agentUid, agentUid);
  const sandbox = await openSandbox({
    dataDir,
    sandbox: "required",
    agentUid,
    networkUid: 60_860,
    sandboxReadOnly: [],
  });
  const { mode, fullNetwork } = sandbox.report;
  const isIsolated = mode !== "unavailable" && fullNetwork.isolated;
  return {
    suffix: isIsolated ? "" : ", without a sandbox",
    print: (args, ports) =>
      isIsolated
        ? printInSandbox(sandbox, workspace, args, ports)
        : command(args[0] ?? "", args.slice(1), workspace),
    close: () => sandbox.close(),
  };
}

async function printInSandbox(
  sandbox: Sandbox,
  folder: string,
  args: readonly string[],
  ports: readonly number[],
): Promise<string> {
  const output = { stdout: "", stderr: "" };
  const started = await sandbox.start({
    id: randomUUID(),
    home: null,
    uid: null,
    folder,
    command: args,
    env: {},
    network: "restricted",
    ports,
    limits: { memoryBytes: 1 << 30, processes: 64, cpus: null, diskBytes: null, diskFiles: null },
    onOutput: (stream, chunk) => {
      output[stream] += chunk.toString();
    },
  });
  const { exitCode } = await started.done;
  if (exitCode !== 0) throw new Error(`the client ended with ${exitCode}: ${output.stderr}`);
  return output.stdout;
}

/** Starts a proxy that opens one connection for any request, and copies bytes. */
async function startCopyingProxy(port: number): Promise<{ port: number; close(): void }> {
  const server = createServer({ noDelay: true }, (inner) => {
    inner.on("error", () => undefined);
    inner.once("data", () => {
      const outer = connect({ host: "127.0.0.1", port, noDelay: true });
      outer.on("error", () => inner.destroy());
      outer.once("connect", () => {
        inner.write("HTTP/1.1 200 OK\r\n\r\n");
        inner.on("data", (bytes) => outer.write(bytes));
        outer.on("data", (bytes) => inner.write(bytes));
        inner.once("end", () => outer.end());
        outer.once("end", () => inner.end());
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}
