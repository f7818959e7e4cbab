import { findersBy } from "../routes.js";

export const PAGE = { name: "per_page", usual: 30, max: 100 };

export const inRepository = findersBy({
  repositoryOf: ({ owner = "", repo = "" }) => `${owner}/${repo}`,
  numberOf: ({ pull_number: pull, issue_number: issue }) => Number(pull ?? issue ?? 0),
});

export const userOf = (login: string) => ({
  login,
  type: login.endsWith("[bot]") ? "Bot" : "User",
});
