import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const candidates = [
  process.env.OMOI_CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome-stable",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** A Chromium of this machine; on Debian and its kin it is installed where there is none. */
export function findChromium() {
  const found = candidates.find((path) => path && existsSync(path));
  if (found) return found;
  if (existsSync("/usr/bin/apt-get")) {
    const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
    process.stderr.write("Installing Chromium for the browser test (once)…\n");
    for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]]) {
      const [command, ...rest] = [...sudo, "apt-get", ...args];
      spawnSync(command, rest, {
        stdio: ["ignore", "ignore", "inherit"],
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
    }
  }
  const installed = candidates.find((path) => path && existsSync(path));
  if (installed) return installed;
  process.stderr.write(
    "omoi: the browser test needs Chromium; install it, or name it in OMOI_CHROMIUM\n",
  );
  return null;
}
