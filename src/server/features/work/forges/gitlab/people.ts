import type { RemotePerson } from "../forge-discussion.js";

/** GitLab names the users of tokens and of service accounts by a pattern, and marks them in few answers only. */
const BOT = /^(?:(?:project|group)_\d+_bot(?:\w*)|service_account_\w+|.*\[bot\])$/;

export const isBotLogin = (login: string): boolean => BOT.test(login);

export const personOf = (user: { username: string } | null | undefined): RemotePerson => ({
  login: user?.username ?? "",
  is_bot: isBotLogin(user?.username ?? ""),
});
