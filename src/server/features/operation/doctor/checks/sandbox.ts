import { tryEscapes } from "#sandbox/try-escapes.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { CHECK_MS } from "../limits.js";
import type { Check } from "#shared/node/doctor-check.js";

/** A command in the sandbox of this server, which tries to leave it. */
export function sandboxEscapes(sandbox: Sandbox, dataDir: string): Check {
  const cure =
    "Set OMOI_SANDBOX=required, install the sandbox (docs/how-to/install.md), and report this if it stays (docs/security.md).";
  return {
    name: "sandbox",
    tried: "Run a command that tries to leave the sandbox in ten ways",
    cure,
    limitMs: CHECK_MS,
    run: async (signal) => {
      const { mode, reason, install } = sandbox.report;
      if (mode === "unavailable") {
        return {
          status: "warning",
          seen: `there is no sandbox, and runs are refused here: ${reason}`,
          cure:
            install ?? "docs/how-to/install.md names the missing parts; runners need none here.",
        };
      }
      const attempts = await tryEscapes(sandbox, dataDir, signal);
      const escapes = attempts.flatMap(({ name, escape }) =>
        escape === null ? [] : [`${name} (${escape})`],
      );
      if (escapes.length === 0) {
        return { status: "ok", seen: `${mode} refused all ${attempts.length} attempts` };
      }
      return {
        status: "failed",
        seen: `${escapes.length} of ${attempts.length} attempts succeeded: ${escapes.join("; ")}`,
        cure,
      };
    },
  };
}
