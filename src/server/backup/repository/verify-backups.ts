import { manifestName, sumsName } from "../format.js";
import { DamageError, type BackupRepository } from "./repository.js";

/** Chunks that are read at the same time. */
const AT_ONCE = 4;

/** The result for one backup. */
export interface VerifiedBackup {
  name: string;
  /** Null for an intact backup. */
  fault: string | null;
}

/**
 * Reads backups and compares the hash of each chunk, of shared ones once. Records the time for those that are intact.
 * @param onProgress gets the name of each backup before it is read
 */
export async function verifyBackups(
  repository: BackupRepository,
  names: readonly string[],
  onProgress: (name: string) => void,
): Promise<VerifiedBackup[]> {
  const faults = new Map<string, string | null>();
  const verified: VerifiedBackup[] = [];
  for (const name of names) {
    onProgress(name);
    const fault = await faultOf(repository, name, faults);
    if (fault === null) await repository.setVerified(name, new Date());
    verified.push({ name, fault });
  }
  return verified;
}

/** @param faults of the chunks that were read before; added to */
async function faultOf(
  repository: BackupRepository,
  name: string,
  faults: Map<string, string | null>,
): Promise<string | null> {
  try {
    const { files } = await repository.readRecord(name);
    for (const file of [manifestName, sumsName]) {
      if (!Object.hasOwn(files, file)) return `${name} has no ${file}; use another backup`;
    }
    const ids = [...new Set(Object.values(files).flatMap(({ chunks }) => chunks))];
    const left = ids.filter((id) => !faults.has(id));
    const take = async (): Promise<void> => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        faults.set(id, await messageOf(repository.readChunk(id)));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    return ids.map((id) => faults.get(id)).find((fault) => fault != null) ?? null;
  } catch (error) {
    if (error instanceof DamageError) return error.message;
    throw error;
  }
}

async function messageOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof DamageError) return error.message;
    throw error;
  }
}
