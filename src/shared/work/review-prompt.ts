/** The first sentence of the prompt that a request for changes becomes. */
export function reviewIntro(review: {
  author: string;
  number: number;
  title: string;
  commit: string;
}): string {
  const { author, number, title, commit } = review;
  return `${author} has reviewed your work on task #${number} (${title}) at commit ${commit.slice(0, 12)} and asks for changes.`;
}

/** The head of a comment in it. */
export const commentHead = (number: number, of: number): string =>
  `## Comment ${number} of ${of}: `;

export interface ReviewPrompt {
  /** The review's own text; may be empty. */
  body: string;
  comments: number;
  /** The reviewed task; null if the prompt does not name it. */
  taskId: string | null;
}

const intro =
  /^[^\n]+ has reviewed your work on task #\d+ \([^\n]*\) at commit [0-9a-f]{7,40} and asks for changes\.(?:\n\n|$)/;
const firstHead = /^## Comment 1 of (\d+): /m;
const namedTask = /list_review_threads \{task_id: "([0-9a-f-]{36})"/;

/** Reads the prompt of a review; null for another one. */
export function readReviewPrompt(text: string): ReviewPrompt | null {
  const start = intro.exec(text);
  if (!start) return null;
  const rest = text.slice(start[0].length);
  const head = firstHead.exec(rest);
  return {
    body: (head ? rest.slice(0, head.index) : rest).trim(),
    comments: Number(head?.[1] ?? 0),
    taskId: namedTask.exec(rest)?.[1] ?? null,
  };
}
