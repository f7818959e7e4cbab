export { createEventStreams } from "./event-streams.js";
