/** Style sheets of the plugins, added when JupyterLab activates them. */

export function addStyle(css: string): void {
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
}
