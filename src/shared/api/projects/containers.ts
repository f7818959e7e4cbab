import { z } from "zod";
import { IMAGE_NAME } from "../../image-name.js";

/** How the runs of a project's `kubernetes` workspaces are contained; null for the default of the installation. */
export const projectContainers = z.strictObject({
  image: z.string().regex(IMAGE_NAME).nullable().describe("Image of the container of commands"),
  cpus: z.number().min(0.1).max(64).nullable().describe("Maximum number of processors"),
  memory_mib: z.number().int().min(64).max(1048576).nullable().describe("Maximum memory in MiB"),
  disk_mib: z.number().int().min(64).max(1048576).nullable().describe("Maximum disk space in MiB"),
});
export type ProjectContainers = z.output<typeof projectContainers>;
