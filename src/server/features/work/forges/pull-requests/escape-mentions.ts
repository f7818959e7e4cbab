/** Renders nothing, and breaks a mention or a command. */
const ZERO_WIDTH_SPACE = "\u200b";

/**
 * Escapes a text that an agent wrote for a forge: mentions notify no one, and lines are no commands of the forge, such
 * as GitLab's `/merge`.
 */
export function escapeMentions(text: string): string {
  return text
    .replaceAll(/(?<![\w`])@(?=[\w-])/g, `@${ZERO_WIDTH_SPACE}`)
    .replaceAll(/^([\t >*-]*)\/(?=[a-z])/gim, `$1${ZERO_WIDTH_SPACE}/`);
}
