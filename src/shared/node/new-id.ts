import { v7 } from "uuid";

/** Returns a new UUIDv7 (RFC 9562), which sorts by creation time and keeps indexes dense. */
export const newId = (): string => v7();
