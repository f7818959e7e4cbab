import { randomUUID } from "node:crypto";
import { open, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { RECOVERED_BYTES } from "../../health/index.js";
import { CHECK_MS } from "../limits.js";
import type { Check, Finding } from "#shared/node/doctor-check.js";

/** File systems by their number (statfs(2)) that are unfit for the data folder, and why. */
const unfit: ReadonlyMap<number, string> = new Map([
  [0x01021994, "tmpfs, which a restart of the machine empties"],
  [0x794c7630, "the file system of a container, which is removed with it"],
  [0x6969, "NFS, which loses the locks of git and PostgreSQL"],
  [0xff534d42, "SMB, which has no owners of files"],
  [0xfe534d42, "SMB, which has no owners of files"],
]);

/** Share of the disk below which an alert fires, too (deploy/prometheus/alerts.yaml). */
const LOW_SHARE = 0.1;

/** The disk of the data folder. */
export function disk(dataDir: string): Check {
  return {
    name: "disk",
    tried:
      "Write and delete a file in the data folder, and read its free space and its permissions",
    cure: `Make ${dataDir} writable for the server's user; a disk with errors is mounted read-only (dmesg).`,
    limitMs: CHECK_MS,
    run: async (): Promise<Finding> => {
      await writeAndDelete(dataDir);
      const { mode } = await stat(dataDir);
      const { bsize, blocks, bavail, type } = await statfs(dataDir);
      const free = bavail * bsize;
      const share = bavail / blocks;
      const seen = `${shownBytes(free)} (${Math.floor(share * 100)}%) are free`;
      const cure = `Free space on the disk of ${dataDir}, or enlarge it (docs/how-to/monitor.md).`;
      if (free < RECOVERED_BYTES) return { status: "failed", seen, cure };
      if ((mode & 0o066) !== 0) {
        return {
          status: "failed",
          seen: `other users of the machine can read the data folder (mode ${(mode & 0o777).toString(8)})`,
          cure: `chmod 711 ${dataDir}`,
        };
      }
      if (share < LOW_SHARE) return { status: "warning", seen, cure };
      const why = unfit.get(type);
      if (why === undefined) return { status: "ok", seen };
      return {
        status: "warning",
        seen: `the data folder is on ${why}`,
        cure: "Set OMOI_DATA_DIR to a folder on a local disk or a volume.",
      };
    },
  };
}

/** Writes a file to the disk, and removes it. */
async function writeAndDelete(folder: string): Promise<void> {
  const path = join(folder, `omoi-doctor-${randomUUID()}`);
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile("omoi doctor\n");
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true });
  }
}

function shownBytes(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib < 1 ? `${Math.floor(bytes / 2 ** 20)} MiB` : `${gib.toFixed(1)} GiB`;
}
