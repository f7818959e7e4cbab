const plainFile = "100644";

/** Describes a git file mode of six octal digits. */
export function modeLabel(mode: string): string {
  switch (mode) {
    case plainFile:
      return "file";
    case "100755":
      return "executable file";
    case "120000":
      return "symbolic link";
    case "160000":
      return "submodule";
    default:
      return `mode ${mode}`;
  }
}

/** Git's mode of a missing file. */
const noFile = "000000";

/** Describes a mode change between two states of a file; "" for regular files. */
export function modeChange(oldMode: string | null, newMode: string | null): string {
  const [before, after] = [oldMode, newMode].map((mode) => (mode === noFile ? null : mode));
  if (before != null && after != null && before !== after) {
    return `Mode changed from ${before} (${modeLabel(before)}) to ${after} (${modeLabel(after)}).`;
  }
  const mode = after ?? before;
  if (mode === "120000") return "Symbolic link: the line is what it points to.";
  if (mode === "160000") return "Submodule: the line is the commit it stands at.";
  return mode === "100755" && before == null ? "Executable file." : "";
}
