import { useEffect } from "react";

/*
 * In place of react-style-singleton (vite.config.ts), by which Radix keeps the page behind a dialog from
 * scrolling: a style element would need an exception in the content security policy, a sheet does not.
 */

/** A hook that applies some CSS as long as somebody who uses it is shown. */
function styleHookSingleton(): (styles: string, isDynamic?: boolean) => void {
  const sheet = new CSSStyleSheet();
  let users = 0;
  return (styles, isDynamic) => {
    useEffect(
      () => {
        if (users === 0) {
          sheet.replaceSync(styles);
          document.adoptedStyleSheets.push(sheet);
        }
        users += 1;
        return () => {
          users -= 1;
          if (users > 0) return;
          document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
        };
      },
      // oxlint-disable-next-line react/exhaustive-deps -- as there: other styles count only where they may
      [isDynamic && styles],
    );
  };
}

/** The same as a component. */
export function styleSingleton(): (props: { styles: string; dynamic?: boolean }) => null {
  const useStyle = styleHookSingleton();
  return function Sheet({ styles, dynamic }) {
    useStyle(styles, dynamic);
    return null;
  };
}
