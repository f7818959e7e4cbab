/** Servers, runners and PostgreSQL, each on a machine of its own. */
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Client } from "#shared/contract/client.js";
import { builtFile, root } from "../server/built-files.js";
import { removeDataFolder } from "../server/data-folder.js";
import { startLoadBalancer, type LoadBalancer } from "./load-balancer.js";
import { createMachine, nodeOptions, untilOutput, type Machine } from "./machine.js";
import { openNetwork, type Station } from "./network.js";
import { createPostgresMachine, type PostgresMachine } from "./postgres-machine.js";

const PORT = 8080;
const secret = "a secret of the tests with machines";

/** A machine with a server. */
export interface ServerMachine extends Machine {
  readonly url: string;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
}

interface ServerOptions {
  /** The name of the node; by default that of the machine. */
  nodeName?: string;
  dataDir?: string;
  clockMs?: number;
  /** The folder with the built code. */
  built?: string;
}

/** Machines of one installation. Nothing runs but PostgreSQL until it is booted. */
export interface Installation {
  readonly folder: string;
  readonly postgres: PostgresMachine;
  addServer(name: string, options?: ServerOptions): ServerMachine;
  /** Adds a runner that connects to the load balancer. */
  addRunner(name: string, token: string, clockMs?: number): Machine;
  /** Starts to distribute the connections of runners to servers. */
  balance(servers: readonly ServerMachine[]): Promise<LoadBalancer>;
  close(): Promise<void>;
}

export async function openInstallation(): Promise<Installation> {
  const network = openNetwork();
  const folder = await mkdtemp(join(tmpdir(), "omoi-machines-"));
  const stations = new Map<string, Station>();
  const stationOf = (name: string): Station => {
    const station = stations.get(name) ?? network.addStation(name);
    stations.set(name, station);
    return station;
  };
  const machines: Machine[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  let balancer: LoadBalancer | null = null;
  const postgres = await createPostgresMachine(stationOf("postgres"), folder);
  machines.push(postgres);
  return {
    folder,
    postgres,
    addServer: (name, { nodeName = name, clockMs = 0, built = root, ...options } = {}) => {
      const station = stationOf(name);
      const dataDir = options.dataDir ?? join(folder, name);
      const url = `http://${station.address}:${PORT}`;
      const env = {
        OMOI_DATABASE_URL: postgres.url,
        OMOI_SECRET: secret,
        OMOI_CLUSTER_SECRET: `${secret}, shared by its servers`,
        OMOI_PUBLIC_URL: `http://${network.address}:${PORT}`,
        OMOI_REGISTRATION: "open",
        OMOI_DATA_DIR: dataDir,
        OMOI_NODE_NAME: nodeName,
        OMOI_NODE_URL: url,
        OMOI_HOST: station.address,
        OMOI_PORT: String(PORT),
        OMOI_LOG_LEVEL: "warn",
      };
      const machine = createMachine(station, {
        command: [process.execPath, ...nodeOptions, join(built, "dist/server/main.js")],
        env,
        logFile: join(folder, `${name}.log`),
        clockMs,
      });
      machines.push(machine);
      return { ...machine, url, dataDir, env };
    },
    addRunner: (name, token, clockMs = 0) => {
      if (!balancer) throw new Error("a runner needs the load balancer");
      const machine = createMachine(stationOf(name), {
        command: [
          process.execPath,
          ...nodeOptions,
          builtFile("cli/main.js"),
          "runner",
          "--url",
          balancer.url,
          "--data",
          join(folder, name),
          "--slots",
          "3",
        ],
        env: { OMOI_RUNNER_TOKEN: token },
        logFile: join(folder, `${name}.log`),
        clockMs,
      });
      machines.push(machine);
      return machine;
    },
    balance: async (servers) => {
      const targets = servers.map(({ address }) => ({ host: address, port: PORT }));
      const opened = await startLoadBalancer(network.address, targets);
      closers.push(() => opened.close());
      balancer = opened;
      return opened;
    },
    close: async () => {
      for (const close of closers) await close();
      for (const machine of machines) await machine.kill();
      network.close();
      if (process.env["OMOI_FAULT_KEEP"] === undefined) await removeDataFolder(folder);
    },
  };
}

/**
 * Boots a server and waits until it answers. It waits for the lease of its earlier boot first.
 * @throws Error with its output if it ends
 */
export async function bootServer(server: ServerMachine): Promise<void> {
  await mkdir(server.dataDir, { recursive: true });
  server.boot();
  await untilOutput(server, "Omoi is ready");
}

/** Boots a server that is refused, and returns its message. */
export async function bootRefused(server: ServerMachine): Promise<string> {
  const outcome = await bootServer(server).catch((error: unknown) => error);
  if (!(outcome instanceof Error)) throw new Error(`the server ${server.name} has started`);
  return server.output();
}

/** Returns the client of a server whose requests end after a time. */
export function machineClient(url: string, token: string | null, timeoutMs = 20_000): Client {
  return createClient((path, init) =>
    fetch(url + path, {
      ...init,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(init.headers as Record<string, string>),
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
    }),
  );
}
