export { cancelMove, findProjectId, moveProject, readMove } from "./move-project.js";
export { endMovesOf } from "./moves.queries.js";
export {
  adoptedFolder,
  adoptionLock,
  copyParts,
  filesOf,
  moveParts,
  presentParts,
  type ProjectFiles,
} from "./project-files.js";
export { readList, sizeOf, streamList } from "./copy/file-list.js";
export { requireRoom } from "./copy/require-room.js";
