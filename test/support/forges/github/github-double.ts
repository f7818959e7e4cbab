/** A double of GitHub. Its answers have the names and types of GitHub's description, as far as the server reads them. */
import { createVerify, generateKeyPairSync } from "node:crypto";
import type { components } from "@octokit/openapi-types";
import { ForgeDouble, notFound, type ApiAnswer, type ForgeApi } from "../forge-double.js";
import type { DoubleRepository } from "../repository.js";
import { pageOf, type Answering, type Asked } from "../routes.js";
import { checkGithubRequest, operationOf } from "./check-request.js";
import { checkAnswers } from "./checks.js";
import { githubEvents } from "./events.js";
import { answerGraphql } from "./graphql.js";
import { issueAnswers } from "./issues.js";
import { inRepository, PAGE } from "./paths.js";
import { pullAnswers } from "./pulls.js";
import { reviewAnswers } from "./reviews.js";

type Schemas = components["schemas"];

/** A GitHub App that is installed in the account of the double. */
export interface DoubleApp {
  app_id: string;
  installation_id: string;
  private_key: string;
}

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
export const githubApp: DoubleApp = {
  app_id: "7",
  installation_id: "70",
  private_key: pair.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
};
const answers: Record<string, Answering<Asked>> = {
  "GET /user/repos": (asked) =>
    pageOf(
      asked,
      visibleTo(asked).map((one) => repositoryOf(asked.double, one)),
      PAGE,
    ),
  "GET /installation/repositories": (asked) => {
    const visible = visibleTo(asked);
    const { body, ...answer } = pageOf(asked, visible, PAGE);
    const repositories = (body as DoubleRepository[]).map((one) => repositoryOf(asked.double, one));
    return { ...answer, body: { total_count: visible.length, repositories } };
  },
  "GET /app/installations/{installation_id}": ({ isApp, parts }) =>
    !isApp
      ? unsigned
      : parts["installation_id"] === githubApp.installation_id
        ? { body: { id: 70, account: { login: "acme" } } }
        : notFound,
  "POST /app/installations/{installation_id}/access_tokens": ({ double, isApp, body }) => {
    if (!isApp) return unsigned;
    const names = body["repositories"] as string[] | undefined;
    const reach = names?.map((one) => `acme/${one}`) ?? null;
    const token = `ghs_${double.tokens.size}`;
    double.tokens.set(token, { login: "omoi[bot]", reach });
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    return { status: 201, body: { token, expires_at, permissions: body["permissions"] ?? {} } };
  },
  "GET /repos/{owner}/{repo}": inRepository.ofRepository(({ double, repository }) => ({
    body: repositoryOf(double, repository),
  })),
  ...pullAnswers,
  ...issueAnswers,
  ...reviewAnswers,
  ...checkAnswers,
};

export const githubApi: ForgeApi = {
  path: "/api",
  sharesNumbers: true,
  events: githubEvents,
  credentialOf: ({ authorization }) =>
    /^(?:bearer|token) (\S+)$/i.exec(authorization ?? "")?.[1] ?? null,
  isApp: isSignedByApp,
  check: (request) => (request.path === "/graphql" ? null : checkGithubRequest(request)),
  answer: async (double, request) => {
    if (request.path === "/graphql") return answerGraphql(double, request);
    const found = operationOf(request);
    const answer = found && answers[found.name];
    return answer ? answer({ ...request, double, parts: found.parts }) : notFound;
  },
};

const visibleTo = (asked: Asked): DoubleRepository[] =>
  asked.double.repositories.filter((one) => asked.double.find(one.name, asked));

/** Whether a token was signed with the key of the App. */
function isSignedByApp(token: string): boolean {
  const [head = "", body = "", signature = ""] = token.split(".");
  const verify = createVerify("RSA-SHA256").update(`${head}.${body}`);
  return verify.verify(pair.publicKey, signature, "base64url");
}

const unsigned: ApiAnswer = {
  status: 401,
  body: { message: "A JSON web token could not be decoded" },
};

export const startGithub = (): Promise<ForgeDouble> => ForgeDouble.start(githubApi);

function repositoryOf(double: ForgeDouble, { id, name, isPrivate, description }: DoubleRepository) {
  return {
    id,
    full_name: name,
    html_url: `${double.url}/${name}`,
    clone_url: `${double.url}/${name}.git`,
    description,
    default_branch: "main",
    private: isPrivate,
  } satisfies Partial<Schemas["full-repository"]>;
}
