import type { ReactElement } from "react";

/** SVG paths of 16-pixel line icons; always beside a text or in a labeled control. */
const shapes = {
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  home: "M2.3 7.8L8 2.8l5.7 5M3.9 6.6v6.9h8.2V6.6M6.6 13.3V9.6h2.8v3.7",
  meter: "M2.6 12.2a6.2 6.2 0 1 1 10.8 0M8 9.4l2.7-3.4M8 9.5h.01",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.2 3.2L13 5",
  copy: "M5.5 5.5h7v7h-7zM3.5 10.5h-1v-8h8v1",
  chevronDown: "M4 6l4 4 4-4",
  chevronRight: "M6 4l4 4-4 4",
  plus: "M8 3v10M3 8h10",
  building: "M3 13.5v-11h6v11M9 6.5h4v7M1.5 13.5h13M5 5h2M5 7.5h2M5 10h2M11 9h.01M11 11.2h.01",
  folder: "M1.8 12.5v-9h4.4l1.6 1.8h6.4v7.2z",
  agent: "M3.5 6h9v6.5h-9zM8 6V3.5M8 3.2h.01M6 9h.01M10 9h.01M1.5 8.5v2M14.5 8.5v2",
  key: "M6.5 9.5a3 3 0 1 1 0-3.01M6.8 8h7.2M12 8v2.2M14 8v1.6",
  lock: "M3.5 7h9v6.5h-9zM5.5 7V4.8a2.5 2.5 0 0 1 5 0V7M8 9.6v1.6",
  clock: "M8 1.8a6.2 6.2 0 1 0 .01 0M8 4.6V8l2.4 1.6",
  question: "M5.8 6.2a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M8 11.8h.01M8 1.8a6.2 6.2 0 1 0 .01 0",
  bell: "M3 11.5h10c-1-1-1.3-2-1.3-4.5a3.7 3.7 0 0 0-7.4 0c0 2.5-.3 3.5-1.3 4.5zM6.6 13.5h2.8",
  person: "M8 8a2.8 2.8 0 1 1 .01 0M2.8 13.8c.4-5 10-5 10.4 0",
  signOut: "M6 2.5H2.5v11H6M10 5l3 3-3 3M13 8H5.5",
  branch:
    "M4.5 5v6M4.5 2.5a1.2 1.2 0 1 0 .01 0M4.5 11a1.2 1.2 0 1 0 .01 0M11.5 3.5a1.2 1.2 0 1 0 .01 0M11.5 6c0 3-7 1.5-7 5",
  warning: "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.6h.01",
  info: "M8 1.8a6.2 6.2 0 1 0 .01 0M8 7.2v4M8 5h.01",
  file: "M3.5 1.8h6l3 3v9.4h-9zM9.5 1.8v3h3",
  download: "M8 2v8M4.8 7L8 10.2 11.2 7M2.5 13.5h11",
  print: "M4.5 6V2h7v4M4.5 11.5h-2.7v-5h12.4v5h-2.7M4.5 9.5h7v4.5h-7z",
  edit: "M2.8 13.2l.6-2.8 7.2-7.2 2.2 2.2-7.2 7.2zM9.2 4.6l2.2 2.2",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.2v3h-3",
  switch: "M2.5 5.5h10M10 3l2.5 2.5L10 8M13.5 10.5h-10M6 8l-2.5 2.5L6 13",
  search: "M7 2.5a4.5 4.5 0 1 0 .01 0M10.3 10.3l3.2 3.2",
  keyboard: "M1.8 4h12.4v8H1.8zM4.2 6.5h.01M6.7 6.5h.01M9.3 6.5h.01M11.8 6.5h.01M5 9.5h6",
  terminal: "M1.8 3h12.4v10H1.8zM4.3 6l2 2-2 2M8 10h3.5",
  send: "M8 13V3M4 7l4-4 4 4",
  stop: "M4.2 4.2h7.6v7.6H4.2z",
  sun: "M8 5a3 3 0 1 0 .01 0M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  comment: "M2.2 3h11.6v8H7.2l-3 2.6V11h-2z",
  expand: "M9.5 2.5h4v4M13.5 2.5L9 7M6.5 13.5h-4v-4M2.5 13.5L7 9",
  merge:
    "M4.5 5v6M4.5 2.5a1.2 1.2 0 1 0 .01 0M4.5 11a1.2 1.2 0 1 0 .01 0M11.5 7.5a1.2 1.2 0 1 0 .01 0M4.5 5c0 2.5 3 3.7 5.8 3.7",
} as const;

export type IconName = keyof typeof shapes;

export function Icon({
  name,
  className = "",
}: {
  name: IconName;
  className?: string;
}): ReactElement {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 16 16"
      className={`size-4 shrink-0 ${className}`}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={shapes[name]} />
    </svg>
  );
}

export function Spinner(): ReactElement {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 16 16"
      className="size-4 shrink-0 animate-spin"
      fill="none"
    >
      <circle cx="8" cy="8" r="6" stroke="currentColor" strokeOpacity="0.25" strokeWidth="2" />
      <path d="M14 8a6 6 0 0 0-6-6" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
    </svg>
  );
}
