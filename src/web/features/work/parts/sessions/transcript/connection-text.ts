import type { StreamState } from "../../../../../api/follow-stream.js";

const texts: Record<StreamState, string> = {
  connecting: "Connecting…",
  live: "",
  lost: "Reconnecting…",
  ended: "",
  refused: "You no longer have access to this session.",
  expired: "The transcript was deleted: the server keeps it for a time after the last event.",
};

/** Says why a transcript does not grow; empty while it is live. */
export const connectionText = (state: StreamState): string => texts[state];
