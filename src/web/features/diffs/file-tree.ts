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
