export { createEventStreams, type EventStreams } from "./event-streams.js";
