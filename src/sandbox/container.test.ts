import { expect, test } from "vitest";
import { withContainerOptions } from "./container.js";
import { unavailable } from "./open-sandbox.js";

test("lists the missing options of an unprivileged container", () => {
  const { report } = unavailable("bwrap: No permissions to create a new namespace.");
  const { reason, fullNetwork } = withContainerOptions(report, true);
  expect(reason).toBe(
    "bwrap: No permissions to create a new namespace; Omoi runs in a container: start it with --security-opt seccomp=unconfined --security-opt systempaths=unconfined (docs/how-to/install.md)",
  );
  expect(fullNetwork.reason).toBe(reason);
  expect(withContainerOptions(report, false)).toEqual(report);

  const without = { isolated: false, reason: "pasta needs /dev/net/tun", install: null };
  const partial = { ...report, mode: "bubblewrap" as const, reason: null, fullNetwork: without };
  expect(withContainerOptions(partial, true)).toMatchObject({
    reason: null,
    fullNetwork: { reason: expect.stringContaining("start it with --device /dev/net/tun") },
  });
});
