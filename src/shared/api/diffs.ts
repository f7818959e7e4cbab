import { z } from "zod";

const diffFile = z.strictObject({
  path: z.string(),
  old_path: z.string().nullable(),
  status: z.enum(["added", "modified", "deleted", "renamed", "type_changed"]),
  additions: z.number().int().nullable(),
  deletions: z.number().int().nullable(),
  binary: z.boolean(),
  old_mode: z.string().nullable(),
  new_mode: z.string().nullable(),
  /** Unified hunks with their file headers; null for binary files. */
  patch: z.string().nullable(),
  /** Whether the patch was truncated because of its size. */
  truncated: z.boolean(),
});
export type DiffFile = z.output<typeof diffFile>;

export const diff = z.strictObject({
  files: z.array(diffFile),
  stats: z.strictObject({
    files_changed: z.number().int(),
    additions: z.number().int(),
    deletions: z.number().int(),
  }),
});
export type Diff = z.output<typeof diff>;
