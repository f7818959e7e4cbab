/** The pages of the documentation, as the server and `npm run docs` show them. */
import { dirname, normalize, relative } from "node:path/posix";
import { Marked, type Tokens } from "marked";

/** A page in the order of reading. */
export interface GuidePage {
  /** Path of the document below `docs/`. */
  path: string;
  title: string;
}

/** How the pages are reached. */
export interface GuideForm {
  /** Returns the link from a page to a document or another file below `docs/`, without its anchor. */
  link: (from: string, to: string) => string;
  /** Whether links lead to the server's API reference. */
  hasApi: boolean;
}

const first: GuidePage = { path: "README.md", title: "Documentation" };

/** Reads the order of the pages from the first one: that of its links. */
export function orderOf(readme: string): GuidePage[] {
  const links = readme.matchAll(/\[([^\]]+)\]\(([^)#\s]+\.md)\)/g);
  const pages = Array.from(links, ([, title = "", path = ""]) => ({ path, title }));
  return [first, ...pages].filter(
    ({ path }, at, all) => all.findIndex((page) => page.path === path) === at,
  );
}

/** Returns the HTML of a document, with links to the pages before and after it. */
export function guidePage(
  path: string,
  text: string,
  order: readonly GuidePage[],
  form: GuideForm,
): string {
  const title = /^# (.*)$/m.exec(text)?.[1] ?? "Documentation";
  const linkTo = (target: string): string => escape(form.link(path, target));
  const api = form.hasApi ? ' <a href="/api/docs">API reference</a>' : "";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)} · Omoi</title><link rel="icon" href="data:,"><link rel="stylesheet" href="${linkTo("docs.css")}"></head><body>
<header><nav aria-label="Documentation"><a href="${linkTo(first.path)}">Documentation</a>${api}</nav></header><main>
${render(path, text, form)}</main>${turns(path, order, linkTo)}</body></html>`;
}

/** The links to the neighbors in the order of reading; none for a page outside of it. */
function turns(
  path: string,
  order: readonly GuidePage[],
  linkTo: (path: string) => string,
): string {
  const at = order.findIndex((page) => page.path === path);
  if (at === -1) return "";
  const link = (page: GuidePage | undefined, rel: "prev" | "next", label: string): string =>
    page === undefined
      ? ""
      : `<a rel="${rel}" href="${linkTo(page.path)}"><small>${label}</small> ${escape(page.title)}</a>`;
  const links = link(order[at - 1], "prev", "Previous") + link(order[at + 1], "next", "Next");
  return `<footer><nav aria-label="Previous and next page">${links}</nav></footer>`;
}

function render(path: string, text: string, { link }: GuideForm): string {
  const targetOf = (href: string): string => {
    if (/^(?:[a-z]+:|\/|#)/.test(href)) return href;
    const [file = "", ...anchor] = href.split("#");
    return [link(path, normalize(`${dirname(path)}/${file}`)), ...anchor].join("#");
  };
  const markdown = new Marked({
    renderer: {
      /** Documents contain no HTML: any HTML is shown as text. */
      html: ({ text: source }) => escape(source),
      heading({ tokens, depth }: Tokens.Heading) {
        const content = this.parser.parseInline(tokens);
        return `<h${depth} id="${anchorOf(content)}">${content}</h${depth}>\n`;
      },
    },
    walkTokens: (token) => {
      if (token.type === "link" || token.type === "image") token.href = targetOf(token.href);
    },
  });
  return markdown.parse(text, { async: false });
}

/** Links of the server: documents have their own names, so that links work in the repository, too. */
export const served: GuideForm = { link: (_from, to) => `/docs/${to}`, hasApi: true };

/**
 * Links between files, which work on any web server and without one.
 * @public for `npm run docs`
 */
export const asFiles: GuideForm = {
  link: (from, to) => relative(dirname(from), to).replace(/\.md$/, ".html"),
  hasApi: false,
};

/** Returns the anchor of a heading by GitHub's rules. */
function anchorOf(html: string): string {
  const text = html.replaceAll(/<[^>]*>|&[a-z#0-9]+;/g, "").toLowerCase();
  return text.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

export const styles = `:root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}body{max-width:48rem;margin:0 auto;padding:1rem}
nav{display:flex;gap:1rem}table{border-collapse:collapse;display:block;overflow-x:auto}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8884}
pre{overflow-x:auto;padding:.8rem;border:1px solid #8884;border-radius:.4rem}code{font:14px ui-monospace,monospace}:not(pre)>code{overflow-wrap:anywhere}img{max-width:100%}
footer{margin-top:2.5rem;padding-top:1rem;border-top:1px solid #8884}footer nav{justify-content:space-between}footer small{display:block}footer [rel=next]{margin-left:auto;text-align:right}
`;
