/** Types of folder-circles.mjs for its test. */
export function folderCircles(
  graph: ReadonlyMap<string, ReadonlySet<string>>,
  circlesOf: (graph: ReadonlyMap<string, ReadonlySet<string>>) => string[][],
  known?: readonly { from: string; to: string; count: number }[],
): string[];
