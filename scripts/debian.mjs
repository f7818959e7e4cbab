import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/**
 * Installs packages on Debian-like systems, as root or by passwordless sudo; does nothing
 * elsewhere.
 */
export function installOnDebian(names, why) {
  if (!existsSync("/usr/bin/apt-get")) return;
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  process.stderr.write(`Installing ${names.join(", ")} for ${why} (once)…\n`);
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...names]]) {
    const [command, ...rest] = [...sudo, "apt-get", ...args];
    spawnSync(command, rest, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  }
}
