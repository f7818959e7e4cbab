import { resolve } from "node:path";
import {
  bucketPlace,
  folderPlace,
  parseBucketAddress,
  type BackupPlace,
} from "#server/backup/backup-place.js";
import type { Config } from "#server/config/config.js";
import { openObjectStorage } from "#server/object-storage/object-storage.js";
import { ConfigError } from "#shared/node/config-error.js";

/**
 * Lets `work` use a folder, or objects of the S3 server in the settings.
 * @throws ConfigError
 */
export async function withPlace<Result>(
  text: string,
  objectStorage: Config["objectStorage"],
  work: (place: BackupPlace) => Promise<Result>,
): Promise<Result> {
  const address = parseBucketAddress(text);
  if (address === null) return work(folderPlace(resolve(text)));
  if (objectStorage === null) {
    throw new ConfigError(
      `${text} needs OMOI_S3_ENDPOINT, OMOI_S3_ACCESS_KEY_ID and OMOI_S3_SECRET_ACCESS_KEY; set them`,
    );
  }
  const storage = openObjectStorage(objectStorage);
  try {
    return await work(bucketPlace(storage, objectStorage.endpoint, address));
  } finally {
    storage.close();
  }
}
