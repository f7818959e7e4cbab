import type { Message } from "./mailer.js";

/*
 * Every mail that Omoi sends. Names in them were written by other people: on one line, without what
 * turns or hides text, cut short, and in quotation marks, so that they cannot pass for ours.
 */

type Letter = Omit<Message, "to">;

/** Registration, or "Send again". */
export function verifyEmail(link: string): Letter {
  return letter("Confirm your e-mail address", [
    "Please confirm that this is your e-mail address for Omoi:",
    link,
    "The link works once, within 24 hours. Open it where you are signed in to Omoi. Opened elsewhere, it ends every session, API key, passkey and second factor of the account.",
    "If you did not sign up for Omoi, ignore this mail.",
  ]);
}

export function resetPassword(link: string): Letter {
  return letter("Reset your password", [
    "Somebody, probably you, asked to reset the password of your Omoi account. Choose a new one here:",
    link,
    "The link works once, within one hour.",
    "If it was not you, ignore this mail: your password stays as it is.",
  ]);
}

/** Tells the owner of an account, in case it was not him. */
export function passwordChanged(forgotLink: string): Letter {
  return letter("Your password was changed", [
    "The password of your Omoi account was just changed. Other places where you were signed in have been signed out.",
    "If it was not you, choose a new password now:",
    forgotLink,
  ]);
}

/** The same for an account whose address was not confirmed before: another person may have made it. */
export function accountClaimed(forgotLink: string): Letter {
  return letter("Your password was changed", [
    "The password of your Omoi account was just changed. The e-mail address had not been confirmed before, so every session, API key, passkey, linked identity and second factor of the account was removed.",
    "Sign in with the new password and set up again what you use. If it was not you, choose a new password now:",
    forgotLink,
  ]);
}

export function invitation(input: {
  inviter: string;
  organization: string;
  role: string;
  link: string;
  expiresAt: Date;
}): Letter {
  const organization = inert(input.organization);
  return letter(`Invitation to ${organization}`, [
    `${inert(input.inviter)} invites you to join the organization ${organization} on Omoi, with the role ${inert(input.role)}.`,
    "See the invitation, and accept it:",
    input.link,
    `It can be accepted until ${dayOf(input.expiresAt)}.`,
    "If you do not know who this is from, ignore this mail.",
  ]);
}

/** Tells a person who was made a member by another one, without having been asked. */
export function addedToOrganization(input: {
  inviter: string;
  organization: string;
  role: string;
  link: string;
}): Letter {
  const organization = inert(input.organization);
  return letter(`You were added to ${organization}`, [
    `${inert(input.inviter)} added you to the organization ${organization} on Omoi, with the role ${inert(input.role)}.`,
    "See the organization:",
    input.link,
    "To leave it, open its members and choose Leave beside your name. Its members see your name, your e-mail address and the API keys that you scope to it.",
  ]);
}

/** Tells the owner of an API key; the key itself is in no mail. */
export function leakedKeyRevoked(input: { name: string; hint: string; link: string }): Letter {
  return letter("An API key of yours was revoked", [
    `Somebody found your API key ${inert(input.name)} (${input.hint}) and reported it. It was revoked at once: nobody can use it any more, nor can you.`,
    "See what it was used for, and make a new one:",
    input.link,
    "Do not put keys where others can read them, such as in a repository.",
  ]);
}

/** Tells the owner of an API key that it stands in a file; where, since he may have to look for it. */
export function keyAlmostCommitted(input: {
  name: string;
  hint: string;
  path: string;
  line: number;
  branch: string;
  link: string;
}): Letter {
  return letter("An API key of yours was about to be committed", [
    `Your API key ${inert(input.name)} (${input.hint}) stands in the file ${inert(input.path)}, line ${input.line}, which was about to be committed to the branch ${inert(input.branch)}. The commit was refused.`,
    "Whoever can read that file can use the key. If that is not meant to be, replace it:",
    input.link,
  ]);
}

export function keyExpires(input: {
  name: string;
  hint: string;
  expiresAt: Date;
  link: string;
}): Letter {
  return letter("An API key of yours expires soon", [
    `Your API key ${inert(input.name)} (${input.hint}) works until ${dayOf(input.expiresAt)}. Whatever uses it stops working then.`,
    "See what it is used for:",
    input.link,
    "If nothing uses it any more, ignore this mail.",
  ]);
}

/** Tells the owners of an organization that its agents will soon be ended. */
export function hoursLow(input: {
  organization: string;
  used: number;
  limit: number;
  link: string;
}): Letter {
  const organization = inert(input.organization);
  return letter(`The hours of ${organization} run out`, [
    `The agents of ${organization} have used ${input.used.toFixed(1)} of its ${input.limit} hours of this month. When all are used, what runs is ended and nothing starts until the month is over or the limit is raised.`,
    "See what used them, and change the limit:",
    input.link,
  ]);
}

function letter(subject: string, paragraphs: string[]): Letter {
  return { subject: `${subject} (Omoi)`, text: `${paragraphs.join("\n\n")}\n` };
}

const longest = 60;
const segmenter = new Intl.Segmenter();

/** A name that somebody else chose, for a place in our sentence. */
function inert(name: string): string {
  const line = name
    // Control, line-breaking, zero-width, direction-changing and tag characters.
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/["“”„«»]/g, "'")
    // A mail program makes links of what looks like one: "example.com", "https://…".
    .replaceAll(/:\/\//g, ": ")
    .replaceAll(/(?<=\S)\.(?=\S)/g, ". ")
    .replaceAll(/\s+/g, " ")
    .trim();
  const characters = Array.from(segmenter.segment(line), ({ segment }) => segment);
  const short = characters.length > longest ? `${characters.slice(0, longest).join("")}…` : line;
  return `“${short}”`;
}

const day = new Intl.DateTimeFormat("en-US", { dateStyle: "long", timeZone: "UTC" });

function dayOf(date: Date): string {
  return `${day.format(date)}, ${date.toISOString().slice(11, 16)} UTC`;
}
