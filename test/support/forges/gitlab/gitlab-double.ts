/** A double of GitLab. Its requests and answers have the names of the types of GitLab's client. */
import type { ProjectSchema } from "@gitbeaker/rest";
import { ForgeDouble, type ForgeApi } from "../forge-double.js";
import type { DoubleRepository } from "../repository.js";
import { apiOfRoutes, pageOf, type Routes } from "../routes.js";
import { checkRoutes } from "./checks.js";
import { gitlabEvents } from "./events.js";
import { idOf, inProject, PAGE, paged, project } from "./paths.js";
import { issueRoutes } from "./issues.js";
import { requestRoutes } from "./requests.js";
import { threadRoutes } from "./threads.js";

const routes: Routes = {
  "GET /user": { answer: () => ({ status: 404 }) },
  "GET /users": {
    query: { ...paged, username: "string" },
    answer: ({ query }) => {
      const username = query.get("username") ?? "";
      return { body: username === "nobody" ? [] : [{ id: idOf(username), username }] };
    },
  },
  "GET /projects": {
    query: {
      ...paged,
      membership: "boolean",
      search: "string",
      search_namespaces: "boolean",
      order_by: "string",
      pagination: "string",
    },
    answer: (asked) => {
      const wanted = asked.query.get("search") ?? "";
      const visible = asked.double.repositories.filter((one) => one.name.includes(wanted));
      const shown = visible.map((one) => projectOf(asked.double, one));
      return pageOf(asked, shown, PAGE);
    },
  },
  [`GET ${project}`]: {
    answer: inProject.ofRepository(({ double, repository }) => ({
      body: projectOf(double, repository),
    })),
  },
  ...requestRoutes,
  ...issueRoutes,
  ...threadRoutes,
  ...checkRoutes,
};

const gitlabApi: ForgeApi = {
  path: "/api/v4",
  sharesNumbers: false,
  events: gitlabEvents,
  credentialOf: (headers) => {
    const token = headers["private-token"];
    if (typeof token === "string") return token;
    // A token of OAuth.
    return /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1] ?? null;
  },
  ...apiOfRoutes(routes),
};

export const startGitlab = (): Promise<ForgeDouble> => ForgeDouble.start(gitlabApi);

function projectOf(double: ForgeDouble, { id, name, isPrivate, description }: DoubleRepository) {
  return {
    id,
    path_with_namespace: name,
    web_url: `${double.url}/${name}`,
    http_url_to_repo: `${double.url}/${name}.git`,
    description: description ?? "",
    default_branch: "main",
    visibility: isPrivate ? "private" : "public",
  } satisfies Partial<ProjectSchema>;
}
