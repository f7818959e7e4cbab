import type { Forge } from "#server/features/work/forges/forge.js";
import { createForgeOpener } from "#server/features/work/forges/open-forge.js";
import type { ForgeDouble } from "./forge-double.js";
import { startGitea } from "./gitea/gitea-double.js";
import { startGithub } from "./github/github-double.js";
import { startGitlab } from "./gitlab/gitlab-double.js";
import type { DoublePull } from "./records.js";
import type { DoubleRepository } from "./repository.js";

export const forgeKinds = ["github", "gitlab", "gitea"] as const;

const starts = { github: startGithub, gitlab: startGitlab, gitea: startGitea } as const;
const lines = Array.from({ length: 12 }, (_, index) => `line ${index + 1}\n`);

export interface OpenDouble {
  double: ForgeDouble;
  /** The repository `acme/shop`. */
  shop: DoubleRepository;
  /** The adapter of the forge, signed in as `omoi`. */
  forge: Forge;
  /** Opens a request that changes line 3, removes line 9 and adds a line at the end. */
  openPull: () => Promise<{ pull: DoublePull; sha: string }>;
}

/** Starts a double of a forge with a repository, and opens the forge's adapter on it. */
export async function openDouble(kind: keyof typeof starts): Promise<OpenDouble> {
  const double = await starts[kind]();
  const token = "a-token-of-the-forge-0123456789";
  double.tokens.set(token, { login: "omoi", reach: null });
  const shop = await double.addRepository("acme/shop", { "total.ts": lines.join("") });
  shop.permissions.set("writer", "write").set("reader", "read");
  const opener = createForgeOpener({ forgePrivateHosts: true, importCaFile: null });
  const place = { id: double.url, kind, api_url: double.apiUrl };
  const forge = await opener.open(place, { kind: "token", token });
  return {
    double,
    shop,
    forge,
    openPull: async () => {
      const changed = lines.with(2, "line three\n").toSpliced(8, 1).concat("line thirteen\n");
      const sha = await shop.commit("fix", { "total.ts": changed.join("") });
      const request = { title: "Round", body: "", head: "fix", base: "main", draft: false };
      return { pull: await shop.open(request), sha };
    },
  };
}
