export {
  insertForgeComment,
  insertForgeThread,
  isFull,
  placeForgeThread,
  setForgeResolved,
} from "./forge-threads.js";
