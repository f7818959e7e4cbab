import type { ForgeKind } from "#shared/api/work/forges.js";
import { giteaIncoming } from "../gitea/incoming.js";
import { githubIncoming } from "../github/incoming.js";
import { gitlabIncoming } from "../gitlab/incoming.js";
import type { Incoming } from "../client/incoming-event.js";

const kinds: Record<ForgeKind, Incoming> = {
  github: githubIncoming,
  gitlab: gitlabIncoming,
  gitea: giteaIncoming,
};

/** Returns how events of a kind of forge come in. */
export const incomingOf = (kind: ForgeKind): Incoming => kinds[kind];
