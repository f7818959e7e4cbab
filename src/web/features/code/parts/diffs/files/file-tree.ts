/** A folder and its contents. */
export interface FolderNode<File> {
  /** Its name; several joined names if each folder contains only the next. */
  name: string;
  path: string;
  folders: FolderNode<File>[];
  files: { name: string; file: File }[];
}

/** Groups files by folder. Folders are sorted by name, files keep their order. The root has no name. */
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

/** Joins a folder with its only child, if that is a folder. */
function joined<File>(folder: FolderNode<File>): FolderNode<File> {
  const folders = folder.folders.map((inner) => {
    let [last, name] = [inner, inner.name];
    while (last.files.length === 0 && last.folders.length === 1) {
      last = last.folders[0] as FolderNode<File>;
      name = `${name}/${last.name}`;
    }
    return { ...joined(last), name };
  });
  folders.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...folder, folders };
}

/** A visible row of a tree. */
export interface TreeRow<File> {
  /** Unique among all rows. */
  key: string;
  name: string;
  /** Starts at 1. */
  level: number;
  /** Position among its siblings, from 1, and their number. */
  place: number;
  siblings: number;
  /** Only for a file. */
  file?: File;
  /** Only for a folder. */
  isOpen?: boolean;
}

/** Returns the visible rows from top to bottom, without the contents of the folders in `closed`. */
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
