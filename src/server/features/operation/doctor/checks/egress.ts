import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { openEgressProxy } from "#execution/proxy/open-egress.js";
import type { EgressConnection } from "#execution/proxy/run-connections.js";
import { parseAllowedHosts } from "#shared/execution/egress.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { withTrials } from "#sandbox/trials.js";
import { CHECK_MS } from "../limits.js";
import type { Check, Finding } from "#shared/node/doctor-check.js";

/** Names that no name server resolves (RFC 6761): nothing leaves this machine, whatever the proxy decides. */
const ALLOWED = "allowed.invalid";
const REFUSED = "refused.invalid";

/** A command with the network `restricted`, and the proxy that is its only way out. */
export function egress(sandbox: Sandbox, dataDir: string): Check {
  return {
    name: "egress",
    tried: "Run a command with the network restricted, and ask for a host that is not allowed",
    cure: "Install passt and iproute2 (docs/how-to/install.md), and report this if it stays (docs/security.md).",
    limitMs: CHECK_MS,
    run: async (signal) => {
      const { isolated, reason, install } = sandbox.report.restrictedNetwork;
      if (!isolated) {
        return {
          status: "warning",
          seen: `runs with the network restricted are refused here: ${reason}`,
          cure:
            install ?? "docs/how-to/install.md names the missing parts; runners need none here.",
        };
      }
      return tryNetwork(sandbox, dataDir, signal);
    },
  };
}

async function tryNetwork(
  sandbox: Sandbox,
  dataDir: string,
  signal: AbortSignal,
): Promise<Finding> {
  const seen: EgressConnection[] = [];
  const proxy = await openEgressProxy({
    allowed: parseAllowedHosts([ALLOWED]),
    onConnection: (connection) => seen.push(connection),
  });
  let connections = 0;
  const other = createServer((socket) => {
    connections += 1;
    socket.on("error", () => undefined).destroy();
  }).listen(0, "127.0.0.1");
  try {
    await once(other, "listening");
    const env = {
      PROXY: `http://127.0.0.1:${proxy.port}`,
      PORT: String((other.address() as AddressInfo).port),
    };
    await withTrials(sandbox, dataDir, signal, ({ run }) =>
      run(["sh", "-c", script], { env, network: "restricted", ports: [proxy.port] }),
    );
  } finally {
    other.close();
    await proxy.close();
  }
  const cure = "Report this (docs/security.md), and let no runs use the network restricted.";
  if (connections > 0) {
    return { status: "failed", seen: "the command reached a port beside the proxy", cure };
  }
  const [asked] = seen;
  if (asked === undefined) {
    return {
      status: "failed",
      seen: "the command did not reach the proxy, so that runs reach no allowed host",
      cure: "Check that the machine has git, and ip (iproute2), and the log of the server.",
    };
  }
  return asked.host === REFUSED && asked.decision === "denied"
    ? { status: "ok", seen: `the proxy refused ${REFUSED}, and nothing else was reachable` }
    : { status: "failed", seen: `the proxy did not refuse ${asked.host}`, cure };
}

const script = `
cd / && export HOME=/
timeout 10 git -c http.proxy="$PROXY" ls-remote http://${REFUSED}/x >/dev/null 2>&1
timeout 5 git ls-remote "git://127.0.0.1:$PORT/x" >/dev/null 2>&1`;
