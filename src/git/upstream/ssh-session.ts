/**
 * An SSH client for upstreams. The server speaks SSH itself: keys never reach a file, an
 * environment or an argument; the connection goes to the checked address; no user input reaches a
 * command of this machine. git gets two open descriptors and copies between them.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { type Client, type ServerHostKeyAlgorithm } from "ssh2";
import { fingerprintOf, hostKeyLine } from "./ssh-key.js";
import { UpstreamError, upstreamError } from "./upstream-error.js";

/** The server, the user and the expected host key. */
export interface SshTarget {
  /** Addresses of the host, resolved and checked by the caller; the first reachable one is used. */
  addresses: readonly string[];
  port: number;
  user: string;
  /** In OpenSSH or PEM format; null offers no key. */
  privateKey: string | null;
  /** The expected key line or fingerprint; null accepts any host key (trust on first use). */
  hostKey: string | null;
}

export interface SshSession {
  /** The key line presented by the host. */
  readonly hostKey: string;
  /** Returns the last 16 KiB of standard error of remote commands. */
  said(): string;
  /** Runs a remote command connected to git's two descriptors; a failure closes them. */
  attach(command: string, toGit: Duplex, fromGit: Duplex): void;
  close(): void;
}

const CONNECT_MS = 20_000;
const SAID_KEPT = 16 * 1024;

/** Algorithms per host key type, in order of preference; none uses SHA-1. */
const KINDS: readonly (readonly [RegExp, ServerHostKeyAlgorithm[]])[] = [
  [/^ssh-ed25519 /, ["ssh-ed25519"]],
  [/^ecdsa-/, ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]],
  [/^ssh-rsa /, ["rsa-sha2-512", "rsa-sha2-256"]],
];

/** The algorithms to offer, one attempt per possible type of the expected key. */
function attemptsFor(expected: string | null): ServerHostKeyAlgorithm[][] {
  if (expected === null) return [KINDS.flatMap(([, algorithms]) => algorithms)];
  const kinds = KINDS.filter(([kind]) => kind.test(expected));
  return (kinds.length > 0 ? kinds : KINDS).map(([, algorithms]) => algorithms);
}

/** Connects and authenticates. @throws UpstreamError */
export async function openSshSession(target: SshTarget, signal: AbortSignal): Promise<SshSession> {
  let refusal: unknown = upstreamError("host_key_changed");
  for (const algorithms of attemptsFor(target.hostKey)) {
    try {
      return await attempt(target, algorithms, signal);
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.reason !== "host_key_changed") throw error;
      refusal = error;
    }
  }
  throw refusal;
}

async function attempt(
  target: SshTarget,
  serverHostKey: ServerHostKeyAlgorithm[],
  signal: AbortSignal,
): Promise<SshSession> {
  const socket = await connectTo(target, signal);
  const client = new ssh2.Client();
  let hostKey: string | null = null;
  const stop = (): void => {
    client.destroy();
    socket.destroy();
  };
  signal.addEventListener("abort", stop, { once: true });
  const ready = new Promise<void>((resolve, reject) => {
    client.once("ready", () => resolve());
    client.on("error", reject);
    client.once("close", () => reject(upstreamError(signal.aborted ? "aborted" : "unreachable")));
  });
  ready.catch(() => undefined);
  client.connect({
    sock: socket,
    username: target.user,
    ...(target.privateKey === null ? {} : { privateKey: target.privateKey }),
    readyTimeout: CONNECT_MS,
    keepaliveInterval: 15_000,
    keepaliveCountMax: 4,
    algorithms: { serverHostKey },
    hostVerifier: (blob: Buffer): boolean => {
      hostKey = hostKeyLine(blob);
      return isExpected(target.hostKey, hostKey);
    },
  });
  try {
    await ready;
  } catch (error) {
    stop();
    signal.removeEventListener("abort", stop);
    throw failureOf(error, target, hostKey, signal);
  }
  return sessionOn(client, hostKey ?? "", () => {
    signal.removeEventListener("abort", stop);
    stop();
  });
}

async function connectTo({ addresses, port }: SshTarget, signal: AbortSignal): Promise<Socket> {
  for (const host of addresses) {
    const socket = connect({ host, port });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    try {
      await once(socket, "connect", { signal: limit });
      return socket;
    } catch {
      socket.on("error", () => undefined).destroy();
      if (signal.aborted) throw upstreamError("aborted");
    }
  }
  throw upstreamError("unreachable");
}

/** Whether the presented host key is acceptable. */
function isExpected(expected: string | null, presented: string): boolean {
  return expected === null || expected === presented || expected === fingerprintOf(presented);
}

function failureOf(
  error: unknown,
  { hostKey: expected, privateKey }: SshTarget,
  presented: string | null,
  signal: AbortSignal,
): UpstreamError {
  if (signal.aborted) return upstreamError("aborted");
  if (error instanceof UpstreamError) return error;
  const { level, message = "" } = error as { level?: string; message?: string };
  if (presented !== null && !isExpected(expected, presented))
    return changedHost(expected ?? "", presented);
  if (presented === null && expected !== null && /no matching host key/i.test(message)) {
    return changedHost(expected, null);
  }
  if (level === "client-authentication") {
    return upstreamError(privateKey === null ? "authentication_required" : "key_refused");
  }
  return upstreamError(level === "client-timeout" ? "timed_out" : "unreachable");
}

function changedHost(expected: string, presented: string | null): UpstreamError {
  const was = fingerprintOf(expected) ?? "unknown";
  const is = presented === null ? "a key of another type" : (fingerprintOf(presented) ?? "unknown");
  return new UpstreamError(
    "host_key_changed",
    `The upstream's host key changed from the trusted ${was} to ${is}. Verify the new key with the upstream's operator, then trust it.`,
  );
}

function sessionOn(client: Client, hostKey: string, close: () => void): SshSession {
  let said = "";
  const hear = (text: string): void => {
    said = (said + text).slice(-SAID_KEPT);
  };
  // Later failures close the channel.
  client.on("error", (error) => hear(`\n${error.message}`));
  return {
    hostKey,
    said: () => said,
    close,
    attach: (command, toGit, fromGit) => {
      const end = (): void => void toGit.end();
      client.exec(command, { env: { GIT_PROTOCOL: "version=2" } }, (error, channel) => {
        if (error) {
          hear(`\n${error.message}`);
          return end();
        }
        channel.stderr.setEncoding("utf8").on("data", hear);
        channel.on("error", end).pipe(toGit);
        fromGit.pipe(channel);
        // If git has ended, the channel has no reader.
        toGit.once("close", () => channel.destroy());
      });
    },
  };
}
