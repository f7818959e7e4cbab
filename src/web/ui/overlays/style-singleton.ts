import { useEffect } from "react";

/*
 * Replaces react-style-singleton (vite.config.ts), by which Radix locks scrolling behind a dialog: a
 * style element would need an exception in the content security policy, an adopted style sheet does
 * not.
 */

/** Returns a hook that applies CSS while a component that uses it is mounted. */
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
          document.adoptedStyleSheets = document.adoptedStyleSheets.filter(
            (other) => other !== sheet,
          );
        };
      },
      // oxlint-disable-next-line react/exhaustive-deps -- as in the original: other styles apply only if dynamic
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
