/**
 * The client of the egress benchmark: a program for `node -e`, since a sandbox sees no files of the
 * benchmark. Each request has a new connection and a full TLS handshake.
 */

export interface TlsRequests {
  rounds: number;
  host: string;
  /** The certificate authority as PEM. */
  authority: string;
  /** The server on 127.0.0.1. */
  port: number;
  /** Proxies on 127.0.0.1 by name. */
  proxies: Record<string, number>;
}

/** Milliseconds to the first byte of each response, by proxy; `direct` without one. */
export type TlsFigures = Record<string, number[]>;

/** Returns the command of the client, which prints `TlsFigures` as JSON. */
export function tlsRequestsCommand(requests: TlsRequests): string[] {
  return ["node", "-e", program, JSON.stringify(requests)];
}

const program = String.raw`
const net = require("net"), tls = require("tls");
const { rounds, host, authority, port, proxies } = JSON.parse(process.argv[1]);
const fail = (error) => { console.error(error); process.exit(1); };

const request = (connection) => new Promise((resolve) => {
  const socket = tls.connect({ ...connection, servername: host, ca: authority }, () =>
    socket.write("GET / HTTP/1.1\r\nhost: " + host + "\r\nconnection: close\r\n\r\n"));
  let first, answer = "";
  socket.on("data", (bytes) => { first ??= performance.now(); answer += bytes; });
  socket.once("error", fail);
  socket.once("close", () => {
    if (/^HTTP\/1\.1 200 [^]*x{1024}/.test(answer)) resolve(first);
    else fail("unexpected answer: " + answer);
  });
});
const tunnel = (proxyPort) => new Promise((resolve) => {
  const to = host + ":" + port;
  const socket = net.connect({ host: "127.0.0.1", port: proxyPort, noDelay: true }, () =>
    socket.write("CONNECT " + to + " HTTP/1.1\r\nhost: " + to + "\r\n\r\n"));
  socket.once("error", fail);
  socket.once("data", (bytes) => {
    if (/^HTTP\/1\.1 200 /.test(bytes)) resolve({ socket });
    else fail("unexpected answer of the proxy: " + bytes);
  });
});

const variants = [["direct", () => request({ host: "127.0.0.1", port })]];
for (const [name, proxyPort] of Object.entries(proxies)) {
  variants.push([name, async () => request(await tunnel(proxyPort))]);
}
(async () => {
  const figures = Object.fromEntries(variants.map(([name]) => [name, []]));
  // The first rounds warm up; the order alternates.
  for (let round = -20; round < rounds; round += 1) {
    variants.reverse();
    for (const [name, variant] of variants) {
      const begin = performance.now();
      const took = await variant() - begin;
      if (round >= 0) figures[name].push(took);
    }
  }
  console.log(JSON.stringify(figures));
})().catch(fail);
`;
