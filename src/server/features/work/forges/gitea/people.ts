import type { RemotePerson } from "../forge-discussion.js";

/** The users that workflows act as; Gitea has no mark for programs. */
const BOT = /^(?:(?:gitea|forgejo)-actions|.*\[bot\])$/;

export const isBotLogin = (login: string): boolean => BOT.test(login);

export const personOf = (user: { login?: string } | null | undefined): RemotePerson => ({
  login: user?.login ?? "",
  is_bot: isBotLogin(user?.login ?? ""),
});
