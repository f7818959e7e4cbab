/**
 * Loaded into a program before its own code: the kernel's boot and the clock of the machine, which namespaces do
 * not separate. MACHINE_BOOT_ID is the boot; MACHINE_CLOCK_MS says how far the wall clock is ahead.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const boot = process.env["MACHINE_BOOT_ID"];
if (boot !== undefined) {
  const { readFileSync } = fs;
  fs.readFileSync = (path, ...rest) =>
    path === "/proc/sys/kernel/random/boot_id" ? `${boot}\n` : readFileSync(path, ...rest);
  syncBuiltinESMExports();
}

const aheadMs = Number(process.env["MACHINE_CLOCK_MS"] ?? 0);
if (aheadMs !== 0) {
  const RealDate = Date;
  const now = () => RealDate.now() + aheadMs;
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      // @ts-expect-error -- every overload of Date
      super(...(args.length === 0 ? [now()] : args));
    }
    static now() {
      return now();
    }
  };
}
