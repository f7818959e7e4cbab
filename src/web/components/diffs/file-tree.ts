/** A folder of a list of files, with what is in it. */
export interface FolderNode<File> {
  /** Its name; several names where a folder holds nothing but one other. */
  name: string;
  path: string;
  folders: FolderNode<File>[];
  files: { name: string; file: File }[];
}

/** Files by their folders; folders by name, files in their order. The root has no name. */
export function fileTree<File extends { path: string }>(files: readonly File[]): FolderNode<File> {
  const root: FolderNode<File> = { name: "", path: "", folders: [], files: [] };
  const known = new Map<string, FolderNode<File>>([["", root]]);
  const folderOf = (path: string): FolderNode<File> => {
    const found = known.get(path);
    if (found) return found;
    const cut = path.lastIndexOf("/");
    const folder = { name: path.slice(cut + 1), path, folders: [], files: [] };
    folderOf(path.slice(0, Math.max(cut, 0))).folders.push(folder);
    known.set(path, folder);
    return folder;
  };
  for (const file of files) {
    const cut = file.path.lastIndexOf("/");
    const name = file.path.slice(cut + 1);
    folderOf(file.path.slice(0, Math.max(cut, 0))).files.push({ name, file });
  }
  return joined(root);
}

/** Folders that hold nothing but one other are one line with it. */
function joined<File>(folder: FolderNode<File>): FolderNode<File> {
  const folders = folder.folders.map((inner) => {
    let [one, name] = [inner, inner.name];
    while (one.files.length === 0 && one.folders.length === 1) {
      one = one.folders[0] as FolderNode<File>;
      name = `${name}/${one.name}`;
    }
    return { ...joined(one), name };
  });
  folders.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...folder, folders };
}

/** A line of a tree as it is shown. */
export interface TreeRow<File> {
  /** Tells it apart from all others. */
  key: string;
  name: string;
  /** From 1. */
  level: number;
  /** Its place among those beside it, from 1, and how many these are. */
  place: number;
  siblings: number;
  /** Of a file only. */
  file?: File;
  /** Of a folder only. */
  isOpen?: boolean;
}

/** The lines of a tree from above to below, without what is in the folders whose keys are `closed`. */
export function rowsOf<File extends { path: string }>(
  folder: FolderNode<File>,
  closed: ReadonlySet<string>,
  level = 1,
): TreeRow<File>[] {
  const siblings = folder.folders.length + folder.files.length;
  return [
    ...folder.folders.flatMap((inner, index) => {
      const key = `${inner.path}/`;
      const isOpen = !closed.has(key);
      return [
        { key, name: inner.name, level, place: index + 1, siblings, isOpen },
        ...(isOpen ? rowsOf(inner, closed, level + 1) : []),
      ];
    }),
    ...folder.files.map(({ name, file }, index) => ({
      key: file.path,
      name,
      level,
      place: folder.folders.length + index + 1,
      siblings,
      file,
    })),
  ];
}
