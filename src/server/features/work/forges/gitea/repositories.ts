import { MAX_REPOSITORIES, type Forge } from "../forge.js";
import { part, readPages, PAGE, type GiteaClient } from "./client.js";

type RepositoryCalls = Pick<Forge, "account" | "repositories" | "repository" | "gitLogin">;

export function repositoryCalls(api: GiteaClient, token: string): RepositoryCalls {
  return {
    account: async () => (await api.user.userGetCurrent()).data.login ?? "",
    repositories: async (query) => {
      const found = await readPages(async (page) => {
        const { data } = await api.repos.repoSearch({ q: query, page, limit: PAGE });
        return data.data ?? [];
      }, MAX_REPOSITORIES);
      return found.map(shown);
    },
    repository: async (repository) => {
      const { data } = await api.repos.repoGet(...part(repository));
      return { ...shown(data), clone_url: data.clone_url ?? "" };
    },
    // The user name does not matter to it.
    gitLogin: async () => ({ username: "omoi", token }),
  };
}

const shown = (repository: {
  full_name?: string;
  html_url?: string;
  description?: string;
  default_branch?: string;
  empty?: boolean;
  private?: boolean;
}) => ({
  name: repository.full_name ?? "",
  url: repository.html_url ?? "",
  description: repository.description || null,
  default_branch: repository.empty === true ? null : (repository.default_branch ?? null),
  is_private: repository.private === true,
});
