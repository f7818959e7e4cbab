import type { Message } from "./mailer.js";

/*
 * Every email Omoi sends. Names chosen by other users are quoted, kept on one line, stripped of
 * characters that reorder or hide text, and shortened, so that they cannot pass for Omoi's own text.
 */

type Email = Omit<Message, "to">;

/** Sent on registration and by "Send again". */
export function verifyEmail(link: string): Email {
  return compose("Confirm your email address", [
    "Please confirm that this is your email address for Omoi:",
    link,
    "The link works once and expires in 24 hours. Where you are not signed in, the page asks whether you made this account: only if you did, its sessions, API keys, passkeys and second factor are kept.",
    'If you did not sign up for Omoi, ignore this email, or open the link and choose "I did not".',
  ]);
}

export function resetPassword(link: string): Email {
  return compose("Reset your password", [
    "We received a request to reset the password of your Omoi account. Choose a new password here:",
    link,
    "The link works once and expires in one hour.",
    "If you did not request this, ignore this email: your password stays the same.",
  ]);
}

/** Notifies the owner of an account, who may not have made the change. */
export function passwordChanged(forgotLink: string): Email {
  return compose("Your password was changed", [
    "The password of your Omoi account was just changed. All other sessions were signed out.",
    "If you did not do this, choose a new password now:",
    forgotLink,
  ]);
}

/**
 * Like `passwordChanged`, for an account whose address was not confirmed before, or by a link alone: another person
 * may have created it.
 */
export function accountClaimed(forgotLink: string): Email {
  return compose("Your password was changed", [
    "The password of your Omoi account was just changed. Until now the account was not known to be yours, so every session, API key, passkey, linked identity and second factor of the account was removed.",
    "Sign in with the new password and set up your sign-in methods and API keys again. If you did not do this, choose a new password now:",
    forgotLink,
  ]);
}

export function invitation(input: {
  inviter: string;
  organization: string;
  role: string;
  link: string;
  expiresAt: Date;
}): Email {
  const organization = quoteName(input.organization);
  return compose(`Invitation to ${organization}`, [
    `${quoteName(input.inviter)} invites you to join the organization ${organization} on Omoi, with the role ${quoteName(input.role)}.`,
    "View and accept the invitation:",
    input.link,
    `The invitation expires on ${formatDate(input.expiresAt)}.`,
    "If you do not know the sender, ignore this email.",
  ]);
}

/** Notifies a user who was added as a member. */
export function addedToOrganization(input: {
  inviter: string;
  organization: string;
  role: string;
  link: string;
}): Email {
  const organization = quoteName(input.organization);
  return compose(`You were added to ${organization}`, [
    `${quoteName(input.inviter)} added you to the organization ${organization} on Omoi, with the role ${quoteName(input.role)}.`,
    "View the organization:",
    input.link,
    "To leave it, open its members and choose Leave next to your name. Its members can see your name, your email address and the API keys that you scope to it.",
  ]);
}

/** Notifies the owner of an API key. The email never contains the key. */
export function leakedKeyRevoked(input: { name: string; hint: string; link: string }): Email {
  return compose("Your API key was revoked", [
    `Your API key ${quoteName(input.name)} (${input.hint}) was found in public and reported. It was revoked immediately and no longer works.`,
    "Review its activity and create a new key:",
    input.link,
    "Do not store keys where others can read them, such as in a repository.",
  ]);
}

/** Notifies the owner of an API key that a file contains it, with the location. */
export function keyAlmostCommitted(input: {
  name: string;
  hint: string;
  path: string;
  line: number;
  branch: string;
  link: string;
}): Email {
  return compose("Your API key was almost committed", [
    `Your API key ${quoteName(input.name)} (${input.hint}) is in the file ${quoteName(input.path)}, line ${input.line}, which was about to be committed to the branch ${quoteName(input.branch)}. The commit was rejected.`,
    "Anyone who can read that file can use the key. If that is not intended, replace the key:",
    input.link,
  ]);
}

/** A notification in an email. Its text quotes names by `quoteName`. */
export interface NotificationLine {
  text: string;
  /** Null without a page. */
  link: string | null;
}

/** Notifications of a person, gathered into one email. */
export function notificationDigest(input: {
  subject: string;
  groups: readonly { organization: string | null; lines: readonly NotificationLine[] }[];
  /** How many more there are than lines. */
  more: number;
  homeLink: string;
  settingsLink: string;
}): Email {
  const paragraphs = input.groups.flatMap(({ organization, lines }) => [
    ...(organization === null ? [] : [`Organization ${quoteName(organization)}:`]),
    ...lines.map(({ text, link }) => (link === null ? `- ${text}` : `- ${text}\n  ${link}`)),
  ]);
  const more =
    input.more === 0 ? [] : [`and ${input.more} more. View what needs you:\n${input.homeLink}`];
  return {
    ...compose(input.subject, [
      ...paragraphs,
      ...more,
      `Choose what you are notified of:\n${input.settingsLink}`,
    ]),
    unsubscribe: input.settingsLink,
  };
}

/** Notifies a person that the server has disabled their webhook. */
export function personalWebhookDisabled(input: {
  host: string;
  reason: "gone" | "failing" | "backlog";
  link: string;
}): Email {
  return compose("Your webhook was disabled", [
    `Your webhook to ${quoteName(input.host)} was disabled. ${disabledReasons[input.reason]}`,
    "It gets no notifications until you set its address again:",
    input.link,
  ]);
}

const disabledReasons = {
  manual: "It was disabled by a member.",
  gone: "Its receiver answered with status 410: it wants no more events.",
  failing: "No delivery has succeeded for three days.",
  backlog: "Too many deliveries were waiting for it.",
} as const;

/** Notifies owners that the server has disabled a webhook. */
export function webhookDisabled(input: {
  host: string;
  reason: "manual" | "gone" | "failing" | "backlog";
  organization: string;
  link: string;
}): Email {
  const organization = quoteName(input.organization);
  return compose(`A webhook of ${organization} was disabled`, [
    `The webhook of ${organization} to ${quoteName(input.host)} was disabled. ${disabledReasons[input.reason]}`,
    "It gets no events until it is enabled again. Review its deliveries:",
    input.link,
  ]);
}

function compose(subject: string, paragraphs: string[]): Email {
  return { subject: `${subject} (Omoi)`, text: `${paragraphs.join("\n\n")}\n` };
}

const MAX_NAME_LENGTH = 60;
const segmenter = new Intl.Segmenter();

/** Quotes a user-chosen name for use in a sentence. */
export function quoteName(name: string): string {
  const line = name
    // Control, line-breaking, zero-width, direction-changing and tag characters.
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/["“”„«»]/g, "'")
    // Mail programs turn text such as "example.com" or "https://…" into links.
    .replaceAll(/:\/\//g, ": ")
    .replaceAll(/(?<=\S)\.(?=\S)/g, ". ")
    .replaceAll(/\s+/g, " ")
    .trim();
  const characters = Array.from(segmenter.segment(line), ({ segment }) => segment);
  const short =
    characters.length > MAX_NAME_LENGTH
      ? `${characters.slice(0, MAX_NAME_LENGTH).join("")}…`
      : line;
  return `“${short}”`;
}

const day = new Intl.DateTimeFormat("en-US", { dateStyle: "long", timeZone: "UTC" });

export function formatDate(date: Date): string {
  return `${day.format(date)}, ${date.toISOString().slice(11, 16)} UTC`;
}
