/** The look of the outline of conversations. */

export const outlineCss = `
.cnai-outline {
  min-width: 160px; padding: 8px 0; overflow-y: auto; background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1); font-family: var(--jp-ui-font-family); font-size: var(--jp-ui-font-size1);
}
.cnai-outline :is(ul, ol) { margin: 0; padding: 0; list-style: none; }
.cnai-outline-none { padding: 4px 12px; color: var(--jp-ui-font-color2); }
.cnai-outline-conversation { padding: 4px 0 8px; }
.cnai-outline-conversation + .cnai-outline-conversation { border-block-start: var(--jp-border-width) solid var(--jp-border-color2); }
.cnai-outline-head { padding: 4px 12px 0; overflow-wrap: anywhere; }
.cnai-outline h3 { margin: 0; font-size: inherit; font-weight: 600; }
.cnai-outline-in-use h3 { color: var(--jp-content-link-color, var(--jp-brand-color1)); }
.cnai-outline-facts { color: var(--jp-ui-font-color2); font-size: var(--jp-ui-font-size0); font-variant-numeric: tabular-nums; }
.cnai-outline-actions { display: flex; gap: 2px; padding: 2px 8px; }
.cnai-outline button { margin: 0; border: 0; border-radius: var(--jp-border-radius); background: none; color: inherit; font: inherit; text-align: start; cursor: pointer; }
.cnai-outline button:hover { background: var(--jp-layout-color2); }
.cnai-outline button:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: -2px; }
.cnai-outline .cnai-outline-action { flex: none; padding: 2px 4px; color: var(--jp-content-link-color, var(--jp-brand-color1)); font-size: var(--jp-ui-font-size0); }
.cnai-outline ol > li { display: flex; align-items: start; padding: 0 8px; }
.cnai-outline-turn { display: grid; flex: auto; grid-template-columns: 2em 1fr; min-width: 0; padding: 2px 4px; overflow-wrap: anywhere; }
.cnai-outline-turn > span:first-child { color: var(--jp-ui-font-color2); font-variant-numeric: tabular-nums; }
.cnai-outline-turn > .cnai-outline-facts { grid-column: 2; }
.cnai-outline-stale { box-shadow: inset 2px 0 0 var(--jp-warn-color1); }
.cnai-outline li > .cnai-outline-action { opacity: 0; }
.cnai-outline li:is(:hover, :focus-within) > .cnai-outline-action { opacity: 1; }
@media (hover: none) { .cnai-outline li > .cnai-outline-action { opacity: 1; } }
`;
