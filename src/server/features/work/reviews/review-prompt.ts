/** The prompt of a review that asks for changes. */
import { blobsAt, isBinary, linesOf, textOf } from "#git/anchor/anchor-ranges.js";
import { readObjects } from "#git/objects/object-reader.js";
import { commentHead, reviewIntro } from "#shared/work/review-prompt.js";
import type { ReadThread } from "./threads.queries.js";

/** Lines before and after the commented ones. */
const CONTEXT_LINES = 3;
/** Maximum lines of one excerpt, and maximum length of a line. */
const MAX_LINES = 60;
const MAX_LINE = 400;
/** Maximum length of the prompt; later threads are named, and read by the agent. */
const MAX_PROMPT = 200_000;
const MAX_FILE_BYTES = 8 * 1024 * 1024;

interface PromptInput {
  task: { id: string; number: number; title: string };
  review: {
    id: string;
    author: { name: string };
    body: string;
    commit_sha: string;
  };
  /** The threads with comments of the review, oldest first. */
  threads: readonly ReadThread[];
}

/** Writes the prompt: the review's text, each comment with the code around it, and how to answer. */
export async function composePrompt(repoPath: string, input: PromptInput): Promise<string> {
  const { task, review, threads } = input;
  const parts = [
    reviewIntro({
      author: review.author.name,
      number: task.number,
      title: task.title,
      commit: review.commit_sha,
    }),
  ];
  if (review.body.trim() !== "") parts.push(review.body.trim());
  let length = parts.join("\n\n").length;
  const left: string[] = [];
  for (const [index, thread] of threads.entries()) {
    const part = await describeThread(repoPath, thread, commentHead(index + 1, threads.length));
    length += part.length;
    if (length > MAX_PROMPT) left.push(thread.id);
    else parts.push(part);
  }
  if (left.length > 0) {
    parts.push(`Read ${left.length} more threads with list_review_threads: ${left.join(", ")}`);
  }
  if (threads.length > 0) parts.push(howToAnswer(task.id));
  return parts.join("\n\n");
}

function howToAnswer(taskId: string): string {
  return [
    "Deal with each comment: change the code, or keep it and explain why.",
    "Then answer at its line, so that the reviewer finds the answer there:",
    "- With Omoi's MCP tools: reply_to_thread {thread_id, body}, then resolve_thread {thread_id, resolved: true} once the comment is dealt with.",
    `  list_review_threads {task_id: "${taskId}", resolved: false} lists what is open.`,
    '- Or in the shell: omoi review reply THREAD_ID "your answer", then omoi review resolve THREAD_ID.',
    "Leave a thread open where the reviewer has to decide. Without either way, answer here and name the thread.",
  ].join("\n");
}

async function describeThread(repoPath: string, thread: ReadThread, head: string): Promise<string> {
  const { id, path, line, start_line, side } = thread;
  const lines =
    line === null || start_line === null
      ? "the whole file"
      : start_line === line
        ? `line ${line}`
        : `lines ${start_line} to ${line}`;
  const before = side === "old" ? " before the change" : "";
  const parts = [`${head}${path}, ${lines}${before} (thread ${id})`];
  const code = await excerptOf(repoPath, thread);
  if (code !== null) parts.push(fenced(code));
  for (const { author, body, suggestion } of thread.comments) {
    const said = body.trim() === "" ? "suggests:" : body.trim();
    parts.push(`${author.name}: ${said}`);
    if (suggestion === null) continue;
    parts.push(
      suggestion === ""
        ? "Suggested: delete these lines."
        : `Suggested text for these lines:\n${fenced(suggestion)}`,
    );
  }
  return parts.join("\n\n");
}

/** Returns the commented lines, marked by `>`, with those around them; null for a whole file. */
async function excerptOf(
  repoPath: string,
  { commit_sha, path, line, start_line, text }: ReadThread,
): Promise<string | null> {
  if (line === null || start_line === null) return null;
  const [blob] = await blobsAt(repoPath, [{ commit: commit_sha, path }]);
  const isReadable = blob != null && blob.size <= MAX_FILE_BYTES;
  const [object] = isReadable ? await readObjects(repoPath, [blob.oid], "contents") : [];
  const content = object?.content;
  if (!content || isBinary(content)) return text;
  const all = linesOf(content);
  const first = Math.max(1, start_line - CONTEXT_LINES);
  const last = Math.min(all.length, line + CONTEXT_LINES, first + MAX_LINES);
  const width = String(last).length;
  return all
    .slice(first - 1, last)
    .map((one, index) => {
      const number = first + index;
      const mark = number >= start_line && number <= line ? ">" : " ";
      return `${mark} ${String(number).padStart(width)} | ${textOf(one).slice(0, MAX_LINE)}`;
    })
    .join("\n");
}

/** Puts a text into a fence that it does not contain. */
function fenced(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(Math.max(3, longest + 1));
  return `${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}
