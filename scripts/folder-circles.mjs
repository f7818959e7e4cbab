/**
 * The rule against circles of folders: of the folders within one folder, none imports another one that imports it, directly
 * or through others. A folder includes the folders below it. Features are compared with features, whatever their
 * neighborhood. Files of a folder may import its subfolders, and these its files.
 */

/** Imports that close a circle, with their number. The list may only shrink. */
const exceptions = [
  { from: "src/git/worktree", to: "src/git/snapshot", count: 6 },
  { from: "src/server/db/audit", to: "src/server/db/tables", count: 2 },
  {
    from: "src/server/features/code/workspaces/commits",
    to: "src/server/features/code/workspaces/merges",
    count: 2,
  },
  {
    from: "src/server/features/code/workspaces/commits",
    to: "src/server/features/code/workspaces/pushes",
    count: 2,
  },
  {
    from: "src/server/features/code/workspaces/queue",
    to: "src/server/features/code/workspaces/protection",
    count: 1,
  },
  {
    from: "src/server/features/operation/disk-usage",
    to: "src/server/features/code/workspaces",
    count: 1,
  },
  {
    from: "src/server/features/work/notifications",
    to: "src/server/features/code/workspaces",
    count: 1,
  },
  { from: "src/shared/contract", to: "src/shared/api", count: 15 },
  { from: "src/shared/work", to: "src/shared/api", count: 1 },
];

/** Splits a path into folders; a feature, with its neighborhood, is one of them. */
function foldersOf(path) {
  const feature = /^(src\/(?:server|web)\/features)\/([^/]+\/[^/]+)\/(.+)$/.exec(path);
  if (feature === null) return path.split("/");
  const [, above, name, below] = feature;
  return [...above.split("/"), name, ...below.split("/")];
}

/** Returns the two folders within one folder between which an import passes; null if one file lies in the common folder. */
function passage(from, to) {
  const [a, b] = [foldersOf(from), foldersOf(to)];
  const depth = a.findIndex((name, at) => name !== b[at]);
  if (depth < 0 || depth >= a.length - 1 || depth >= b.length - 1) return null;
  const [one, other] = [a, b].map((names) => names.slice(0, depth + 1).join("/"));
  return [one, other];
}

/** Returns whether a folder reaches another one in a graph. */
function reaches(graph, from, to) {
  const seen = new Set([from]);
  for (const folder of seen) {
    if (folder === to) return true;
    for (const next of graph.get(folder)?.keys() ?? []) seen.add(next);
  }
  return false;
}

/**
 * Lists circles of folders that are no exception, and exceptions that have shrunk, one per line.
 * @param graph the imported files of each file
 * @param circlesOf finds the circles of a graph
 */
export function folderCircles(graph, circlesOf, known = exceptions) {
  const imports = new Map();
  for (const [file, targets] of graph) {
    for (const target of targets) {
      const folders = graph.has(target) ? passage(file, target) : null;
      if (folders === null) continue;
      const [from, to] = folders;
      for (const folder of folders) if (!imports.has(folder)) imports.set(folder, new Map());
      imports.get(from).set(to, (imports.get(from).get(to) ?? 0) + 1);
    }
  }
  const found = [];
  const counts = known.map(({ from, to }) => imports.get(from)?.get(to) ?? 0);
  for (const { from, to } of known) imports.get(from)?.delete(to);
  for (const [at, { from, to, count }] of known.entries()) {
    const now = reaches(imports, to, from) ? counts[at] : 0;
    if (now > count)
      found.push(`${from} imports ${to} ${now} times: it is a circle, with ${count}`);
    if (now < count) found.push(`${from} imports ${to} ${now} times: lower its exception to that`);
  }
  const folders = new Map(
    [...imports].map(([folder, targets]) => [folder, new Set(targets.keys())]),
  );
  for (const circle of circlesOf(folders)) {
    found.push(`circle of folders: ${circle.toSorted().join(" ↔ ")}`);
  }
  return found;
}
