import { lexer, type Token, type Tokens } from "marked";
import { Fragment, memo, type ReactElement, type ReactNode, useMemo } from "react";
import { PlainText } from "./plain-text.js";

/** Longer texts are shown as they are: reading Markdown takes more than linear time. UTF-16 code units. */
const longest = 10_000;
/** A text that grows is read anew with each piece. */
const longestGrowing = 4_000;
/** Cells that the lines of a text could make: a table has as many columns in each row as in its head. */
const mostCells = 5_000;
/** Marks that nest, one after another. */
const nested = /(?:[>*_~[(`-][ \t]*){16}/;
/** Deeper parts are shown as they are. */
const deepest = 12;

/**
 * Markdown of an untrusted author. Only text, never HTML or pictures, comes from it; an address is shown
 * beside the text of its link, so that no text can imitate another address.
 */
export const Markdown = memo(function Markdown({
  text,
  isGrowing,
}: {
  text: string;
  isGrowing: boolean;
}): ReactElement {
  const tokens = useMemo(
    () => (isGrowing && text.length > longestGrowing ? null : tokensOf(text)),
    [text, isGrowing],
  );
  if (tokens === null) return <PlainText value={text} multiline />;
  return <div className="flex min-w-0 flex-col gap-2">{blocksOf(tokens, 0)}</div>;
});

function tokensOf(text: string): Token[] | null {
  if (text.length > longest || nested.test(text)) return null;
  const lines = text.split("\n");
  const columns = Math.max(...lines.map((line) => line.split("|").length));
  if (columns * lines.length > mostCells && columns > 1) return null;
  try {
    return lexer(text);
  } catch {
    // Nested too deeply for the stack.
    return null;
  }
}

function blocksOf(tokens: readonly Token[], depth: number): ReactNode {
  // oxlint-disable-next-line react/no-array-index-key -- the parts of a text never move
  return tokens.map((token, at) => <Fragment key={at}>{blockOf(token, depth)}</Fragment>);
}

function blockOf(token: Token, depth: number): ReactNode {
  if (depth > deepest) return <PlainText value={token.raw} multiline />;
  const below = depth + 1;
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      return <p className="mt-1 font-semibold">{inlineOf(token, below)}</p>;
    case "paragraph":
      return <p>{inlineOf(token, below)}</p>;
    case "text":
      return "tokens" in token ? <p>{inlineOf(token, below)}</p> : <Plain value={token.raw} />;
    case "code":
      return (
        <pre className="max-w-full overflow-x-auto rounded-md bg-sunken px-3 py-2 font-mono text-[13px]">
          <PlainText value={(token as Tokens.Code).text} multiline className="!break-normal" />
        </pre>
      );
    case "blockquote":
      return (
        <blockquote className="flex flex-col gap-2 border-l-2 border-line pl-3 text-muted">
          {blocksOf((token as Tokens.Blockquote).tokens, below)}
        </blockquote>
      );
    case "list": {
      const { ordered, start, items } = token as Tokens.List;
      const List = ordered ? "ol" : "ul";
      return (
        <List
          {...(ordered && typeof start === "number" && { start })}
          className={`flex flex-col gap-1 pl-6 ${ordered ? "list-decimal" : "list-disc"}`}
        >
          {items.map((item, at) => (
            // oxlint-disable-next-line react/no-array-index-key -- the parts of a text never move
            <li key={at}>
              {item.task && (item.checked ? "☑ " : "☐ ")}
              {blocksOf(item.tokens, below)}
            </li>
          ))}
        </List>
      );
    }
    case "hr":
      return <hr className="border-line" />;
    case "table":
      return <Table token={token as Tokens.Table} depth={below} />;
    default:
      return <Plain value={token.raw} />;
  }
}

function Table({ token, depth }: { token: Tokens.Table; depth: number }): ReactElement {
  return (
    <div className="max-w-full overflow-x-auto">
      <table className="text-[13px] [&_td]:border [&_td]:border-line [&_td]:px-2 [&_td]:py-1 [&_th]:border [&_th]:border-line [&_th]:px-2 [&_th]:py-1 [&_th]:text-left">
        <thead>
          <tr>
            {token.header.map((cell, at) => (
              // oxlint-disable-next-line react/no-array-index-key -- the parts of a text never move
              <th key={at}>{inlineOf(cell, depth)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, at) => (
            // oxlint-disable-next-line react/no-array-index-key -- the parts of a text never move
            <tr key={at}>
              {row.map((cell, column) => (
                // oxlint-disable-next-line react/no-array-index-key -- the parts of a text never move
                <td key={column}>{inlineOf(cell, depth)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inlineOf({ tokens = [] }: { tokens?: Token[] | undefined }, depth: number): ReactNode {
  // oxlint-disable-next-line react/no-array-index-key -- the parts of a text never move
  return tokens.map((token, at) => <Fragment key={at}>{spanOf(token, depth)}</Fragment>);
}

function spanOf(token: Token, depth: number): ReactNode {
  if (depth > deepest) return <Plain value={token.raw} />;
  switch (token.type) {
    case "strong":
      return <strong className="font-semibold">{inlineOf(token, depth + 1)}</strong>;
    case "em":
      return <em>{inlineOf(token, depth + 1)}</em>;
    case "del":
      return <del>{inlineOf(token, depth + 1)}</del>;
    case "codespan":
      return (
        <code className="rounded bg-sunken px-1 font-mono text-[13px]">
          <PlainText value={(token as Tokens.Codespan).text} />
        </code>
      );
    case "br":
      return <br />;
    case "link":
      return <Link token={token as Tokens.Link} />;
    case "escape":
      return <Plain value={(token as Tokens.Escape).text} />;
    case "text":
      return "tokens" in token && token.tokens ? (
        inlineOf(token, depth + 1)
      ) : (
        <Plain value={token.raw} />
      );
    default:
      // HTML and pictures are shown as they are written.
      return <Plain value={token.raw} />;
  }
}

function Link({ token: { href, text } }: { token: Tokens.Link }): ReactElement {
  const address = URL.canParse(href) ? new URL(href) : null;
  if (address === null || !["http:", "https:"].includes(address.protocol)) {
    return <Plain value={text === href ? text : `${text} (${href})`} />;
  }
  const shown = address.href;
  return (
    <a
      href={shown}
      target="_blank"
      rel="noopener noreferrer nofollow"
      className="text-accent-ink underline"
    >
      <Plain value={text === href || text === shown ? shown : `${text} (${shown})`} />
    </a>
  );
}

const Plain = ({ value }: { value: string }): ReactElement => <PlainText value={value} multiline />;
