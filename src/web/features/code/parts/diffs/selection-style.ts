/**
 * Replaces the style element of the diff viewer (vite.config.ts), whose rules control text selection: a
 * style element would need an exception in the content security policy.
 */
class SelectionStyle extends HTMLElement {
  readonly #sheet = new CSSStyleSheet();

  override set textContent(css: string) {
    this.#sheet.replaceSync(css);
  }

  connectedCallback(): void {
    this.hidden = true;
    document.adoptedStyleSheets.push(this.#sheet);
  }

  disconnectedCallback(): void {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter(
      (other) => other !== this.#sheet,
    );
  }
}

customElements.define("selection-style", SelectionStyle);
