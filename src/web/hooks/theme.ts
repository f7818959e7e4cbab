import { useMedia } from "./use-media.js";
import { persisted, usePersistedState } from "./use-persisted-state.js";

/** The color schemes to choose from; `system` follows the browser's. */
export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

export const themeNames: Record<Theme, string> = {
  system: "As the system",
  light: "Light",
  dark: "Dark",
};

const isTheme = (stored: unknown): boolean => themes.some((name) => name === stored);

/** Shows a theme (styles.css). Without one, that of this browser. */
export function applyTheme(theme?: Theme): void {
  const { dataset } = document.documentElement;
  const shown = theme ?? (persisted("forever", "theme", isTheme) as Theme | undefined);
  if (shown === undefined || shown === "system") delete dataset["theme"];
  else dataset["theme"] = shown;
}

/** The theme chosen in this browser, and a function that changes it. */
export function useTheme(): [Theme, (next: Theme) => void] {
  const [theme, setTheme] = usePersistedState<Theme>("forever", "theme", "system", isTheme);
  return [
    theme,
    (next) => {
      setTheme(next);
      applyTheme(next);
    },
  ];
}

/** Whether dark colors are shown. */
export function useIsDark(): boolean {
  const [theme] = useTheme();
  const isSystemDark = useMedia("(prefers-color-scheme: dark)");
  return theme === "system" ? isSystemDark : theme === "dark";
}
