import { MAX_REPOSITORIES, type Forge } from "../forge.js";
import { call, part, type GithubClient } from "./call.js";
import type { GithubCredential } from "./credential.js";

type RepositoryCalls = Pick<Forge, "account" | "repositories" | "repository" | "gitLogin">;

export function repositoryCalls(
  octokit: GithubClient,
  credential: GithubCredential,
): RepositoryCalls {
  return {
    account: () =>
      call(async () => {
        if (credential.kind === "token") return (await octokit.request("GET /user")).data.login;
        const { data } = await octokit.request("GET /app/installations/{installation_id}", {
          installation_id: Number(credential.installation_id),
        });
        const { account } = data;
        return account === null ? "" : "login" in account ? account.login : account.slug;
      }),
    repositories: (query) =>
      call(async () => {
        const found = [];
        const wanted = query.toLowerCase();
        const pages =
          credential.kind === "token"
            ? octokit.paginate.iterator("GET /user/repos", { per_page: 100, sort: "full_name" })
            : octokit.paginate.iterator("GET /installation/repositories", { per_page: 100 });
        let read = 0;
        for await (const { data } of pages) {
          found.push(...data.filter(({ full_name }) => full_name.toLowerCase().includes(wanted)));
          read += data.length;
          if (read >= MAX_REPOSITORIES) break;
        }
        return found.map(shown);
      }),
    repository: (repository) =>
      call(async () => {
        const { data } = await octokit.request("GET /repos/{owner}/{repo}", part(repository));
        return { ...shown(data), clone_url: data.clone_url };
      }),
    gitLogin: (repository) =>
      call(async () => {
        const username = "x-access-token";
        if (credential.kind === "token") return { username, token: credential.token };
        // The client keeps a token for most of its hour.
        const made = (await octokit.auth({
          type: "installation",
          repositoryNames: [part(repository).repo],
          permissions: { contents: "write" },
        })) as { token: string };
        return { username, token: made.token };
      }),
  };
}

const shown = (repository: {
  full_name: string;
  html_url: string;
  description: string | null;
  default_branch: string;
  private: boolean;
}) => ({
  name: repository.full_name,
  url: repository.html_url,
  description: repository.description,
  default_branch: repository.default_branch,
  is_private: repository.private,
});
