import { Projects, Users } from "@gitbeaker/rest";
import { MAX_REPOSITORIES, type Forge } from "../forge.js";
import type { GitlabOptions } from "./client.js";

type RepositoryCalls = Pick<Forge, "account" | "repositories" | "repository" | "gitLogin">;

export function repositoryCalls(options: GitlabOptions): RepositoryCalls {
  const projects = new Projects(options);
  const users = new Users(options);

  return {
    account: async () => (await users.showCurrentUser()).username,
    repositories: async (query) => {
      const found = await projects.all({
        membership: true,
        ...(query !== "" && { search: query, searchNamespaces: true }),
        orderBy: "id",
        perPage: 100,
        maxPages: MAX_REPOSITORIES / 100,
        pagination: "offset",
      });
      return found.map(shown);
    },
    repository: async (repository) => {
      const project = await projects.show(repository);
      return { ...shown(project), clone_url: project.http_url_to_repo };
    },
    gitLogin: async () => ({ username: "oauth2", token: options.token }),
  };
}

const shown = (project: {
  path_with_namespace: string;
  web_url: string;
  description: string | null;
  default_branch?: string | null;
  visibility?: unknown;
}) => ({
  name: project.path_with_namespace,
  url: project.web_url,
  description: project.description,
  default_branch: project.default_branch ?? null,
  is_private: project.visibility !== "public",
});
