import { existsSync } from "node:fs";
import { installOnDebian } from "./debian.mjs";

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

/** Flags: no GPU, and no background network requests. */
export const chromiumFlags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Returns the path of a Chromium, or null; with `mayInstall`, installs one on Debian-like systems.
 */
export function findChromium(mayInstall) {
  const found = candidates.find((path) => path && existsSync(path));
  if (found) return found;
  if (!mayInstall) return null;
  installOnDebian(["chromium"], "the browser test");
  const installed = candidates.find((path) => path && existsSync(path));
  if (installed) return installed;
  process.stderr.write(
    "omoi: the browser test needs Chromium; install it, or set OMOI_CHROMIUM to its path\n",
  );
  return null;
}
