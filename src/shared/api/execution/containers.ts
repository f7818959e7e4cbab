import { z } from "zod";
import { IMAGE_NAME } from "../../execution/names.js";

const MAX_CPUS = 64;
const MIN_CPUS = 0.1;
/** Omoi's own programs in the container need a part. */
const MIN_MIB = 256;
const MAX_MIB = 1_048_576;

const mebibytes = z
  .int("must be a whole number")
  .min(MIN_MIB, `must be at least ${MIN_MIB} MiB`)
  .max(MAX_MIB, `must be at most ${MAX_MIB} MiB`);

/** The containers in which the commands of a project's `kubernetes` workspaces run. */
export const projectContainers = z.strictObject({
  image: z
    .string()
    .regex(IMAGE_NAME, "must be the name of an image, such as docker.io/library/node:24")
    .nullable()
    .describe(
      "Image that commands run in, with an optional registry, tag and digest; null for that of the installation",
    ),
  cpus: z
    .number()
    .min(MIN_CPUS, `must be at least ${MIN_CPUS}`)
    .max(MAX_CPUS, `must be at most ${MAX_CPUS}`)
    .nullable()
    .describe(
      "Maximum number of processors of a run, 0.1 to 64; null for the limit of the installation",
    ),
  memory_mib: mebibytes
    .nullable()
    .describe(
      "Maximum memory of a run in MiB, 256 to 1 048 576; null for the limit of the installation",
    ),
  disk_mib: mebibytes
    .nullable()
    .describe(
      "Maximum disk space of a run in MiB, 256 to 1 048 576; null for the limit of the installation",
    ),
});
export type ProjectContainers = z.output<typeof projectContainers>;

/** The containers of a project that names none of their properties. */
export const defaultContainers: ProjectContainers = {
  image: null,
  cpus: null,
  memory_mib: null,
  disk_mib: null,
};
