/**
 * Flags of GNU tar for parts of the data folder: it preserves owners, holes, device files and the attributes with
 * which overlayfs marks renamed and replaced folders (`trusted.overlay.*`).
 */
export const tarFlags = [
  "--format=posix",
  "--xattrs",
  "--xattrs-include=*",
  "--numeric-owner",
  "--sparse",
  // Another file system is the mounted folder of an agent, which is archived as its layers.
  "--one-file-system",
] as const;
