/** A double of Gitea and Forgejo. Its requests and answers have the names and types of Gitea's description. */
import type { Repository } from "gitea-js";
import { ForgeDouble, type ForgeApi } from "../forge-double.js";
import type { DoubleRepository } from "../repository.js";
import { apiOfRoutes, pageOf, type Routes } from "../routes.js";
import { giteaEvents } from "./events.js";
import { issueRoutes } from "./issues.js";
import { inRepository, PAGE, paged } from "./paths.js";
import { pullRoutes } from "./pulls.js";
import { checkRoutes } from "./checks.js";
import { reviewRoutes } from "./reviews.js";

const routes: Routes = {
  "GET /user": { answer: () => ({ status: 404 }) },
  "GET /repos/search": {
    query: { ...paged, q: "string" },
    answer: (asked) => {
      const wanted = asked.query.get("q") ?? "";
      const visible = asked.double.repositories.filter((one) => one.name.includes(wanted));
      const { body, ...answer } = pageOf(asked, visible, PAGE);
      const data = (body as DoubleRepository[]).map((one) => repositoryOf(asked.double, one));
      return { ...answer, body: { ok: true, data } };
    },
  },
  "GET /repos/{owner}/{repo}": {
    answer: inRepository.ofRepository(({ double, repository }) => ({
      body: repositoryOf(double, repository),
    })),
  },
  ...pullRoutes,
  ...issueRoutes,
  ...reviewRoutes,
  ...checkRoutes,
};

const giteaApi: ForgeApi = {
  path: "/api/v1",
  sharesNumbers: true,
  events: giteaEvents,
  credentialOf: ({ authorization }) =>
    /^(?:bearer|token) (\S+)$/i.exec(authorization ?? "")?.[1] ?? null,
  ...apiOfRoutes(routes),
};

export const startGitea = (): Promise<ForgeDouble> => ForgeDouble.start(giteaApi);

function repositoryOf(double: ForgeDouble, { id, name, isPrivate, description }: DoubleRepository) {
  return {
    id,
    full_name: name,
    html_url: `${double.url}/${name}`,
    clone_url: `${double.url}/${name}.git`,
    description: description ?? "",
    default_branch: "main",
    empty: false,
    private: isPrivate,
  } satisfies Repository;
}
